//! A whole command into words.

use crate::input::without_end;
use crate::strings::{Arguments, is_astring};

/// Tags are echoed.
const MAX_TAG: usize = 128;

/// What a client calls a command by, fit to be echoed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tag(String);

impl Tag {
    fn parse(word: &[u8]) -> Option<Self> {
        let fit = !word.is_empty() && word.len() <= MAX_TAG && word.iter().all(|&b| is_astring(b) && b != b'+');
        let text = std::str::from_utf8(word).ok().filter(|text| fit && text.is_ascii())?;
        Some(Self(text.into()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The commands there are before a sign-in, and right behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Capability,
    Noop,
    Logout,
    Id,
    StartTls,
    Authenticate,
    Login,
    Enable,
    Namespace,
    Other,
}

impl Verb {
    fn parse(word: &[u8]) -> Self {
        const VERBS: [(&str, Verb); 9] = [
            ("CAPABILITY", Verb::Capability),
            ("NOOP", Verb::Noop),
            ("LOGOUT", Verb::Logout),
            ("ID", Verb::Id),
            ("STARTTLS", Verb::StartTls),
            ("AUTHENTICATE", Verb::Authenticate),
            ("LOGIN", Verb::Login),
            ("ENABLE", Verb::Enable),
            ("NAMESPACE", Verb::Namespace),
        ];
        let known = VERBS.iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()));
        known.map_or(Self::Other, |&(_, verb)| verb)
    }

    /// What a client may do before it is known: set its session up, and leave.
    pub(super) fn touches_no_mail(self) -> bool {
        matches!(self, Self::Capability | Self::Noop | Self::Logout | Self::Id | Self::Enable | Self::Namespace)
    }
}

/// Not a command: what to tell the client, and under which tag.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    pub(super) tag: Option<Tag>,
    pub(super) why: &'static str,
}

/// A command, its arguments unread.
pub(super) struct Command<'a> {
    pub(super) tag: Tag,
    pub(super) verb: Verb,
    /// The verb in the case it came in.
    pub(super) written: &'a [u8],
    pub(super) arguments: Arguments<'a>,
}

/// Reads tag and verb; the arguments stay unread, so that a secret given too
/// early is not even looked at.
pub(super) fn head(command: &[u8]) -> Result<Command<'_>, Malformed> {
    let command = without_end(command);
    let (tag, rest) = split_word(command);
    let Some(tag) = Tag::parse(tag) else {
        return Err(Malformed { tag: None, why: "Every command begins with a tag." });
    };
    let Some(rest) = rest.strip_prefix(b" ") else {
        return Err(Malformed { tag: Some(tag), why: "A tag alone is no command." });
    };
    let (written, rest) = split_word(rest);
    Ok(Command { tag, verb: Verb::parse(written), written, arguments: Arguments(rest) })
}

fn split_word(text: &[u8]) -> (&[u8], &[u8]) {
    // A CR or LF ends a word too: behind it is a literal.
    let end = text.iter().position(|b| b" \r\n".contains(b)).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tag_and_verb() {
        let Ok(Command { tag, verb, written, arguments }) = head(b"A1 login alice secret\r\n") else { panic!() };
        assert_eq!((tag.as_str(), verb, written), ("A1", Verb::Login, &b"login"[..]));
        assert_eq!(arguments.0, b" alice secret");
        for (line, tag) in [
            (&b"\r\n"[..], None),
            (b" NOOP\r\n", None),
            (b"* NOOP\r\n", None),
            (b"a+ NOOP\r\n", None),
            (b"a\0b NOOP\r\n", None),
            (b"a\xe9 NOOP\r\n", None),
            (b"A1\r\n", Some("A1")),
        ] {
            let error = head(line).map(|_| ()).unwrap_err();
            assert_eq!(error.tag.as_ref().map(Tag::as_str), tag, "{}", line.escape_ascii());
        }
        assert!(head(&[&vec![b'a'; MAX_TAG + 1][..], b" NOOP\r\n"].concat()).is_err());
    }
}
