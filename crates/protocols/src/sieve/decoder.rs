//! A whole command into words.

use crate::framing::{Extent, Frame};
use crate::input::without_end;
use crate::strings::Arguments;

/// The commands there are before a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Authenticate,
    Capability,
    Logout,
    Noop,
    StartTls,
    Other,
}

impl Verb {
    fn parse(word: &[u8]) -> Self {
        const VERBS: [(&str, Verb); 5] = [
            ("AUTHENTICATE", Verb::Authenticate),
            ("CAPABILITY", Verb::Capability),
            ("LOGOUT", Verb::Logout),
            ("NOOP", Verb::Noop),
            ("STARTTLS", Verb::StartTls),
        ];
        let known = VERBS.iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()));
        known.map_or(Self::Other, |&(_, verb)| verb)
    }
}

/// Reads the verb; the arguments stay unread, so that a secret given too early
/// is not even looked at.
pub(super) fn head(command: &[u8]) -> (Verb, Arguments<'_>) {
    let command = without_end(command);
    let end = command.iter().position(|b| b" \r\n".contains(b)).unwrap_or(command.len());
    let (verb, rest) = command.split_at(end);
    (Verb::parse(verb), Arguments(rest))
}

/// Finds where a command ends. There is no `+` to wait for: who sends `{n}`, as
/// servers do, sends what is behind it at once, too.
pub(super) fn scan(extent: &mut Extent, unread: &[u8]) -> Frame {
    loop {
        match extent.scan(unread) {
            Frame::Awaits(_) => {}
            found => return found,
        }
    }
}
