//! What the server behind can do, as far as it holds through Postern.

use std::fmt;

use crate::dialogue::Transport;

/// Passed on when the server behind has them, in this order.
///
/// Frozen: a changed order would change what clients do next. Everything else
/// (AUTH, STARTTLS, XCLIENT, XFORWARD, ETRN, BURL) stays behind.
const PASSED: [&str; 9] =
    ["PIPELINING", "SIZE", "ENHANCEDSTATUSCODES", "8BITMIME", "DSN", "SMTPUTF8", "CHUNKING", "BINARYMIME", "DELIVERBY"];
/// Of these, how many stand before STARTTLS or AUTH.
const BEFORE: usize = 2;
/// What may stand after a keyword, in octets.
const MAX_PARAMETERS: usize = 64;

/// The extensions of a server behind (RFC 5321, 4.1.1.1) that Postern passes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extensions([Option<Box<str>>; PASSED.len()]);

impl Extensions {
    /// Reads the lines of an answer to EHLO: one keyword each, with its parameters.
    pub fn read<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        let mut found = Self::default();
        for line in lines {
            let (keyword, parameters) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
            let printable = parameters.bytes().all(|octet| octet == b' ' || octet.is_ascii_graphic());
            let place = PASSED.iter().position(|known| known.eq_ignore_ascii_case(keyword));
            if let Some(place) = place.filter(|_| printable && parameters.len() <= MAX_PARAMETERS) {
                found.0[place] = Some(parameters.into());
            }
        }
        found
    }

    fn lines(&self, places: std::ops::Range<usize>) -> impl Iterator<Item = String> {
        places.filter_map(|place| {
            let parameters = self.0[place].as_deref()?;
            let keyword = PASSED[place];
            Some(if parameters.is_empty() { keyword.to_owned() } else { format!("{keyword} {parameters}") })
        })
    }

    /// The list for a client that has not signed in.
    pub(super) fn before_sign_in(&self, transport: Transport) -> Vec<String> {
        let ours = match transport {
            Transport::Encrypted => Some("AUTH PLAIN LOGIN"),
            // No AUTH in the clear: a client that may not use it must not be tempted.
            Transport::Plain { starttls: true } => Some("STARTTLS"),
            Transport::Plain { starttls: false } => None,
        };
        let first = self.lines(0..BEFORE).chain(ours.map(str::to_owned));
        first.chain(self.lines(BEFORE..PASSED.len())).collect()
    }

    /// The list for a client in its session.
    pub(super) fn in_session(&self) -> Vec<String> {
        self.lines(0..PASSED.len()).collect()
    }

    /// True if the server behind takes BDAT.
    pub(super) fn chunking(&self) -> bool {
        self.0[6].is_some()
    }
}

/// One keyword a line, as [`Extensions::read`] takes them.
impl fmt::Display for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.in_session().join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POSTFIX: &str = "PIPELINING\nSIZE 10240000\nVRFY\nETRN\nSTARTTLS\nAUTH PLAIN LOGIN\nXCLIENT NAME ADDR PORT LOGIN\n\
                           ENHANCEDSTATUSCODES\n8BITMIME\nDSN\nSMTPUTF8\nCHUNKING";

    #[test]
    fn the_order_is_ours_and_the_rest_stays_behind() {
        let postfix = Extensions::read(POSTFIX.lines());
        let list = ["PIPELINING", "SIZE 10240000", "ENHANCEDSTATUSCODES", "8BITMIME", "DSN", "SMTPUTF8", "CHUNKING"];
        assert_eq!(postfix.in_session(), list);
        assert_eq!(
            postfix.before_sign_in(Transport::Encrypted)[..4],
            ["PIPELINING", "SIZE 10240000", "AUTH PLAIN LOGIN", "ENHANCEDSTATUSCODES"]
        );
        let turned: Vec<&str> = POSTFIX.lines().rev().collect();
        assert_eq!(Extensions::read(turned), postfix);
        assert_eq!(Extensions::read(postfix.to_string().lines()), postfix);
    }

    #[test]
    fn little_is_passed_on_of_little() {
        assert_eq!(Extensions::default().before_sign_in(Transport::Plain { starttls: true }), ["STARTTLS"]);
        assert!(Extensions::default().before_sign_in(Transport::Plain { starttls: false }).is_empty());
        assert_eq!(Extensions::read(["size", "SIZE \u{7f}", "8BITMIMEX"]).in_session(), ["SIZE"]);
    }
}
