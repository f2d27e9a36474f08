//! What is announced before a sign-in.

use crate::dialogue::Transport;
use crate::strings::Arguments;

/// What of the server behind is shown before a sign-in.
///
/// Editors of scripts go by the list in the greeting: which extensions they
/// offer, how many redirects. It can only be the server's own. Everything else
/// in the list is Postern's, and frozen, order included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    sieve: String,
    more: Vec<(&'static str, String)>,
}

/// Passed on besides SIEVE, in this order (RFC 5804, 1.7).
const PASSED_ON: [&str; 3] = ["MAXREDIRECTS", "NOTIFY", "LANGUAGE"];

impl Shown {
    /// Reads the list that a server behind tells, a capability a line.
    ///
    /// STARTTLS, SASL, XCLIENT and what else concerns only the connection to it
    /// is left out, and so is its name.
    #[must_use]
    pub fn of(upstream: &str) -> Self {
        let told: Vec<_> = upstream.lines().filter_map(|line| read(line.as_bytes())).collect();
        let value = |name: &str| {
            let found = told.iter().find(|(told, _)| told.eq_ignore_ascii_case(name));
            found.and_then(|(_, value)| value.clone())
        };
        let more = PASSED_ON.iter().filter_map(|name| Some((*name, value(name)?))).collect();
        Self { sieve: value("SIEVE").unwrap_or_default(), more }
    }

    pub(super) fn announced(&self, transport: Transport) -> String {
        let mut list = format!("\"IMPLEMENTATION\" \"Postern\"\r\n\"SIEVE\" {}\r\n", quoted(&self.sieve));
        for (name, value) in &self.more {
            list.push_str(&format!("\"{name}\" {}\r\n", quoted(value)));
        }
        list.push_str(match transport {
            Transport::Encrypted => "\"SASL\" \"PLAIN LOGIN\"\r\n",
            // RFC 5804, 1.7: SASL is there always, and empty where none may be used.
            Transport::Plain { starttls: true } => "\"SASL\" \"\"\r\n\"STARTTLS\"\r\n",
            Transport::Plain { starttls: false } => "\"SASL\" \"\"\r\n",
        });
        list.push_str("\"VERSION\" \"1.0\"\r\n");
        list
    }
}

/// A capability and its value.
pub(super) fn read(line: &[u8]) -> Option<(String, Option<String>)> {
    let mut arguments = Arguments(line);
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    let name = text(&arguments.string().ok()?);
    if arguments.is_empty() {
        return Some((name, None));
    }
    arguments.space().ok()?;
    let value = text(&arguments.string().ok()?);
    arguments.end().ok()?;
    Some((name, Some(value)))
}

/// The text as a quoted string, in one line whatever is in it.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(if c.is_control() { ' ' } else { c });
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_before_sign_in_has_the_extensions_of_the_server_behind_and_nothing_else_of_it() {
        let dovecot = "\"IMPLEMENTATION\" \"Dovecot Pigeonhole\"\n\"SIEVE\" \"fileinto vacation\"\n\
            \"NOTIFY\" \"mailto\"\n\"SASL\" \"PLAIN\"\n\"STARTTLS\"\n\"VERSION\" \"1.0\"\n\"maxredirects\" \"4\"\n\
            \"XCLIENT\"\n\"OWNER\" \"alice\"\nno capability\n\"UNAUTHENTICATE\"";
        let shown = Shown::of(dovecot);
        assert_eq!(
            shown.announced(Transport::Encrypted),
            "\"IMPLEMENTATION\" \"Postern\"\r\n\"SIEVE\" \"fileinto vacation\"\r\n\"MAXREDIRECTS\" \"4\"\r\n\
             \"NOTIFY\" \"mailto\"\r\n\"SASL\" \"PLAIN LOGIN\"\r\n\"VERSION\" \"1.0\"\r\n"
        );
        assert!(shown.announced(Transport::Plain { starttls: true }).contains("\"SASL\" \"\"\r\n\"STARTTLS\"\r\n"));
        assert!(!shown.announced(Transport::Plain { starttls: false }).contains("STARTTLS"));
        assert_eq!(Shown::of("").announced(Transport::Encrypted).matches("\"SIEVE\" \"\"").count(), 1);
    }

    #[test]
    fn a_value_cannot_break_out_of_its_line() {
        let shown = Shown { sieve: "a\"\r\n\"SASL\" \\x".into(), more: Vec::new() };
        let told = shown.announced(Transport::Encrypted);
        assert!(told.contains("\r\n\"SIEVE\" \"a\\\"  \\\"SASL\\\" \\\\x\"\r\n"), "{told}");
    }
}
