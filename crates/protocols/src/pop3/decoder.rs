//! A line into a command.

use zeroize::Zeroizing;

use crate::dialogue::MAX_SASL_LINE;
use crate::input::{Input, TooLong};

/// The longest command line, in octets with its end (RFC 2449, 4).
pub const MAX_LINE: usize = 255;

/// The commands there are before a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Capa,
    Noop,
    Quit,
    Stls,
    User,
    Pass,
    Auth,
    Other,
}

impl Verb {
    fn parse(word: &[u8]) -> Self {
        const VERBS: [(&str, Verb); 7] = [
            ("CAPA", Verb::Capa),
            ("NOOP", Verb::Noop),
            ("QUIT", Verb::Quit),
            ("STLS", Verb::Stls),
            ("USER", Verb::User),
            ("PASS", Verb::Pass),
            ("AUTH", Verb::Auth),
        ];
        let known = VERBS.iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()));
        known.map_or(Self::Other, |&(_, verb)| verb)
    }
}

/// The next command line.
///
/// Clients put initial responses behind AUTH that are longer than a command may
/// be (RFC 5034, 4, tells them not to).
pub(super) fn line(input: &mut Input) -> Result<Option<Zeroizing<Vec<u8>>>, TooLong> {
    let auth = input.unread().get(..5).is_some_and(|verb| verb.eq_ignore_ascii_case(b"AUTH "));
    input.line(if auth { MAX_SASL_LINE } else { MAX_LINE })
}

/// Reads the verb; what comes behind its space stays unread, so that a secret
/// given too early is not even looked at.
pub(super) fn head(line: &[u8]) -> (Verb, &[u8]) {
    let end = line.iter().position(|&b| b == b' ').unwrap_or(line.len());
    let (verb, rest) = line.split_at(end);
    (Verb::parse(verb), rest.strip_prefix(b" ").unwrap_or(rest))
}

/// Nothing but spaces: some clients end a line with one.
pub(super) fn is_blank(arguments: &[u8]) -> bool {
    arguments.iter().all(|&b| b == b' ')
}

/// The arguments of AUTH: a mechanism, and perhaps an initial response.
pub(super) fn auth(arguments: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let mut words = arguments.split(|&b| b == b' ').filter(|word| !word.is_empty());
    let mechanism = words.next()?;
    let initial = words.next();
    words.next().is_none().then_some((mechanism, initial))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verb_and_what_is_behind_it() {
        for (line, verb, rest) in [
            (&b"CAPA"[..], Verb::Capa, &b""[..]),
            (b"capa ", Verb::Capa, b""),
            (b"PASS  two spaces ", Verb::Pass, b" two spaces "),
            (b"USER", Verb::User, b""),
            (b"AUTH PLAIN", Verb::Auth, b"PLAIN"),
            (b"USERalice", Verb::Other, b""),
            (b"", Verb::Other, b""),
            (b" QUIT", Verb::Other, b"QUIT"),
        ] {
            assert_eq!(head(line), (verb, rest), "{}", line.escape_ascii());
        }
    }

    #[test]
    fn the_arguments_of_auth() {
        for (arguments, want) in [
            (&b"PLAIN"[..], Some((&b"PLAIN"[..], None))),
            (b"PLAIN ", Some((b"PLAIN", None))),
            (b"PLAIN =", Some((b"PLAIN", Some(&b"="[..])))),
            (b"PLAIN a b", None),
            (b"", None),
        ] {
            assert_eq!(auth(arguments), want, "{}", arguments.escape_ascii());
        }
    }

    #[test]
    fn only_auth_may_be_longer_than_a_command() {
        for (verb, limit) in [("PASS ", MAX_LINE), ("auth ", MAX_SASL_LINE)] {
            for (length, fits) in [(limit, true), (limit + 1, false)] {
                let mut input = Input::default();
                input.push(format!("{verb}{}\r\n", "x".repeat(length - verb.len() - 2)).as_bytes());
                assert_eq!(line(&mut input).is_ok_and(|line| line.is_some()), fits, "{verb}{length}");
            }
        }
    }
}
