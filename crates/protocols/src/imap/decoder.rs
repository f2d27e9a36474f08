//! Octets of a client into commands: framing first, then words.

use zeroize::Zeroizing;

use crate::input::without_end;

/// The longest command line, in octets with its end, literals not counted.
pub const MAX_LINE: usize = 8192;
/// The longest literal before a sign-in, in octets.
pub const MAX_LITERAL: usize = 4096;
/// All literals of one command: LOGIN needs two.
const MAX_LITERALS: usize = 2 * MAX_LITERAL;
/// Tags are echoed.
const MAX_TAG: usize = 128;

/// Finds where a command ends: a line, and what its literals drag behind.
///
/// Every bound is checked on what a client announces, before it is buffered.
#[derive(Default)]
pub(super) struct Extent {
    /// Where the text begins that has not been looked at: after the literals so far.
    text_from: usize,
    scanned: usize,
    text: usize,
    literals: usize,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    Incomplete,
    /// A literal was announced and the client waits to be asked for it (RFC 3501,
    /// 4.3). The command so far is this many octets.
    Awaits(usize),
    /// A command of this many octets.
    Whole(usize),
    TooLong,
}

impl Extent {
    /// Looks on in `unread`, which begins with the command and only ever grows.
    pub(super) fn scan(&mut self, unread: &[u8]) -> Frame {
        loop {
            let from = self.scanned.max(self.text_from);
            let Some(at) = unread.get(from..).and_then(|rest| rest.iter().position(|&b| b == b'\n')) else {
                self.scanned = unread.len();
                let text = self.text + unread.len().saturating_sub(self.text_from);
                return if text > MAX_LINE { Frame::TooLong } else { Frame::Incomplete };
            };
            let end = from + at + 1;
            let line = &unread[self.text_from..end];
            self.text += line.len();
            if self.text > MAX_LINE {
                return Frame::TooLong;
            }
            let Some((size, waits)) = announced_literal(without_end(line)) else {
                return Frame::Whole(end);
            };
            self.literals = self.literals.saturating_add(size);
            if size > MAX_LITERAL || self.literals > MAX_LITERALS {
                return Frame::TooLong;
            }
            self.text_from = end + size;
            self.scanned = self.text_from;
            if waits {
                return Frame::Awaits(end);
            }
        }
    }
}

/// The literal that a line ends in: its size, and whether the client waits for
/// `+` (`{n}`) or sends at once (`{n+}`, RFC 7888).
fn announced_literal(line: &[u8]) -> Option<(usize, bool)> {
    let inside = line.strip_suffix(b"}")?;
    let open = inside.iter().rposition(|&b| b == b'{')?;
    let (digits, waits) = match inside[open + 1..].strip_suffix(b"+") {
        Some(digits) => (digits, false),
        None => (&inside[open + 1..], true),
    };
    number(digits).map(|size| (size, waits))
}

/// A number that saturates: one too large to count is too large in any case.
fn number(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |n: usize, d| n.saturating_mul(10).saturating_add(usize::from(d - b'0'))))
}

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

/// The commands there are before a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Capability,
    Noop,
    Logout,
    Id,
    StartTls,
    Authenticate,
    Login,
    Other,
}

impl Verb {
    fn parse(word: &[u8]) -> Self {
        const VERBS: [(&str, Verb); 7] = [
            ("CAPABILITY", Verb::Capability),
            ("NOOP", Verb::Noop),
            ("LOGOUT", Verb::Logout),
            ("ID", Verb::Id),
            ("STARTTLS", Verb::StartTls),
            ("AUTHENTICATE", Verb::Authenticate),
            ("LOGIN", Verb::Login),
        ];
        let known = VERBS.iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()));
        known.map_or(Self::Other, |&(_, verb)| verb)
    }
}

/// Not a command: what to tell the client, and under which tag.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    pub(super) tag: Option<Tag>,
    pub(super) why: &'static str,
}

/// Reads tag and verb; the arguments stay unread, so that a secret given too
/// early is not even looked at.
pub(super) fn head(command: &[u8]) -> Result<(Tag, Verb, Arguments<'_>), Malformed> {
    let command = without_end(command);
    let (tag, rest) = split_word(command);
    let Some(tag) = Tag::parse(tag) else {
        return Err(Malformed { tag: None, why: "Every command begins with a tag." });
    };
    let Some(rest) = rest.strip_prefix(b" ") else {
        return Err(Malformed { tag: Some(tag), why: "A tag alone is no command." });
    };
    let (verb, rest) = split_word(rest);
    Ok((tag, Verb::parse(verb), Arguments(rest)))
}

fn split_word(text: &[u8]) -> (&[u8], &[u8]) {
    // A CR or LF ends a word too: behind it is a literal.
    let end = text.iter().position(|b| b" \r\n".contains(b)).unwrap_or(text.len());
    text.split_at(end)
}

/// The octet can stand in a word without quotes. RFC 3501 has them end at 0x7f;
/// clients send Latin-1 and UTF-8 all the same.
fn is_astring(b: u8) -> bool {
    b > 0x20 && b != 0x7f && !b"(){%*\"\\".contains(&b)
}

/// The arguments of a command, read from the front.
pub(super) struct Arguments<'a>(&'a [u8]);

/// The arguments do not have the form that was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

impl<'a> Arguments<'a> {
    pub(super) fn space(&mut self) -> Result<(), Unreadable> {
        self.literally(b" ")
    }

    fn literally(&mut self, text: &[u8]) -> Result<(), Unreadable> {
        self.0 = self.0.strip_prefix(text).ok_or(Unreadable)?;
        Ok(())
    }

    /// Nothing but spaces is left: some clients end a line with one.
    pub(super) fn end(&self) -> Result<(), Unreadable> {
        if self.0.iter().all(|&b| b == b' ') { Ok(()) } else { Err(Unreadable) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.end().is_ok()
    }

    /// A word without quotes, perhaps with `+`, `/` and `=`: a mechanism, base64.
    pub(super) fn word(&mut self) -> Result<&'a [u8], Unreadable> {
        let end = self.0.iter().position(|&b| !is_astring(b) && b != b'*').unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at(end);
        self.0 = rest;
        if word.is_empty() { Err(Unreadable) } else { Ok(word) }
    }

    /// A string in any of its forms: word, quoted, literal (RFC 3501, `astring`).
    pub(super) fn astring(&mut self) -> Result<Zeroizing<Vec<u8>>, Unreadable> {
        match self.0.first() {
            Some(b'"' | b'{') => self.string(),
            _ => {
                let end = self.0.iter().position(|&b| !is_astring(b)).unwrap_or(self.0.len());
                let (word, rest) = self.0.split_at(end);
                self.0 = rest;
                if word.is_empty() { Err(Unreadable) } else { Ok(Zeroizing::new(word.to_vec())) }
            }
        }
    }

    fn string(&mut self) -> Result<Zeroizing<Vec<u8>>, Unreadable> {
        match self.0.first() {
            Some(b'"') => self.quoted(),
            Some(b'{') => self.literal(),
            _ => Err(Unreadable),
        }
    }

    fn quoted(&mut self) -> Result<Zeroizing<Vec<u8>>, Unreadable> {
        // Sized ahead: growing would leave copies behind.
        let mut text = Zeroizing::new(Vec::with_capacity(self.0.len()));
        let mut octets = self.0.iter().enumerate().skip(1);
        while let Some((at, &b)) = octets.next() {
            match b {
                b'"' => {
                    self.0 = &self.0[at + 1..];
                    return Ok(text);
                }
                b'\\' => match octets.next() {
                    Some((_, &escaped @ (b'"' | b'\\'))) => text.push(escaped),
                    _ => return Err(Unreadable),
                },
                b'\0' | b'\r' | b'\n' => return Err(Unreadable),
                _ => text.push(b),
            }
        }
        Err(Unreadable)
    }

    fn literal(&mut self) -> Result<Zeroizing<Vec<u8>>, Unreadable> {
        let line_end = self.0.iter().position(|&b| b == b'\n').ok_or(Unreadable)?;
        let announcement = without_end(&self.0[..=line_end]);
        // The string is all of it, so nothing stands before the brace.
        let (size, _) = announced_literal(announcement)
            .filter(|_| announcement.iter().rposition(|&b| b == b'{') == Some(0))
            .ok_or(Unreadable)?;
        let rest = &self.0[line_end + 1..];
        let (text, rest) = rest.split_at_checked(size).ok_or(Unreadable)?;
        if text.contains(&0) {
            return Err(Unreadable);
        }
        self.0 = rest;
        Ok(Zeroizing::new(text.to_vec()))
    }

    /// The parameters of ID (RFC 2971), within its bounds.
    pub(super) fn client_id(&mut self) -> Result<ClientId, Unreadable> {
        let mut id = ClientId::default();
        if self.nil() {
            return Ok(id);
        }
        self.literally(b"(")?;
        while self.literally(b")").is_err() {
            if !id.fields.is_empty() {
                self.space()?;
            }
            let field = self.string()?;
            self.space()?;
            let value = if self.nil() { None } else { Some(self.string()?) };
            let fits = field.len() <= ClientId::MAX_FIELD
                && value.as_ref().is_none_or(|value| value.len() <= ClientId::MAX_VALUE)
                && id.fields.len() < ClientId::MAX_FIELDS;
            if !fits {
                return Err(Unreadable);
            }
            let readable = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
            id.fields.push((readable(&field), value.map(|value| readable(&value))));
        }
        Ok(id)
    }

    fn nil(&mut self) -> bool {
        let is_nil = self.0.get(..3).is_some_and(|word| word.eq_ignore_ascii_case(b"NIL"))
            && self.0.get(3).is_none_or(|&b| !is_astring(b));
        if is_nil {
            self.0 = &self.0[3..];
        }
        is_nil
    }
}

/// How a client names itself (RFC 2971): its fields in the order it sent them.
///
/// The client chose every octet. At most 30 fields, names of at most 30 octets,
/// values of at most 1024; what was not UTF-8 has been replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientId {
    fields: Vec<(String, Option<String>)>,
}

impl ClientId {
    const MAX_FIELDS: usize = 30;
    const MAX_FIELD: usize = 30;
    const MAX_VALUE: usize = 1024;

    /// The fields with their values; `None` is the NIL of the protocol.
    pub fn fields(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.fields.iter().map(|(field, value)| (field.as_str(), value.as_deref()))
    }

    /// The value of the first field of this name, in any case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields().find(|(field, _)| field.eq_ignore_ascii_case(name)).and_then(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_ends_where_its_last_literal_leads() {
        let table: [(&[u8], Frame); 14] = [
            (b"", Frame::Incomplete),
            (b"a NOOP", Frame::Incomplete),
            (b"a NOOP\r", Frame::Incomplete),
            (b"a NOOP\r\nb", Frame::Whole(8)),
            (b"a NOOP\nb", Frame::Whole(7)),
            (b"a LOGIN {5}\r\n", Frame::Awaits(13)),
            (b"a LOGIN {5+}\r\nalice", Frame::Incomplete),
            (b"a LOGIN {5+}\r\nalice {3+}\r\nx\ny\r\nb", Frame::Whole(31)),
            (b"a LOGIN {5+}\r\nalice {3}\r\n", Frame::Awaits(25)),
            (b"a LOGIN {4097}\r\n", Frame::TooLong),
            (b"a LOGIN {4097+}\r\n", Frame::TooLong),
            (b"a LOGIN {99999999999999999999999999}\r\n", Frame::TooLong),
            (b"a LOGIN x{}\r\n", Frame::Whole(13)),
            (b"a LOGIN \"{5}\"\r\n", Frame::Whole(15)),
        ];
        for (octets, want) in table {
            assert_eq!(Extent::default().scan(octets), want, "{}", octets.escape_ascii());
            let mut extent = Extent::default();
            let bitwise = (0..=octets.len()).map(|n| extent.scan(&octets[..n])).find(|f| *f != Frame::Incomplete);
            assert_eq!(bitwise.unwrap_or(Frame::Incomplete), want, "{}", octets.escape_ascii());
        }
    }

    #[test]
    fn lines_are_bounded_over_all_their_literals() {
        let mut line = vec![b'x'; MAX_LINE - 1];
        line.push(b'\n');
        assert_eq!(Extent::default().scan(&line), Frame::Whole(MAX_LINE));
        line.insert(0, b'x');
        assert_eq!(Extent::default().scan(&line), Frame::TooLong);
        assert_eq!(Extent::default().scan(&line[..MAX_LINE]), Frame::Incomplete);
        assert_eq!(Extent::default().scan(&b"a {0+}\r\n".repeat(MAX_LINE / 8 + 1)), Frame::TooLong);
    }

    #[test]
    fn tag_and_verb() {
        let (tag, verb, args) = head(b"A1 login alice secret\r\n").unwrap();
        assert_eq!((tag.as_str(), verb, args.0), ("A1", Verb::Login, &b" alice secret"[..]));
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

    #[test]
    fn strings_in_every_form() {
        for (octets, want) in [
            (&b"alice"[..], Some(&b"alice"[..])),
            (b"alice]", Some(b"alice]")),
            (b"\"a \\\"b\\\\ c\"", Some(b"a \"b\\ c")),
            (b"\"\"", Some(b"")),
            (b"{5}\r\nali\"e", Some(b"ali\"e")),
            (b"{5+}\nal\r\ne", Some(b"al\r\ne")),
            (b"{0}\r\n", Some(b"")),
            (b"", None),
            (b"(", None),
            (b"\"open", None),
            (b"\"bad \\x escape\"", None),
            (b"\"nul \0\"", None),
            (b"\"line\r\nbreak\"", None),
            (b"{5}\r\nal\0ce", None),
            (b"{5}\r\nali", None),
            (b"{x}\r\nali", None),
            (b"{1}{2}\r\nab", None),
        ] {
            let got = Arguments(octets).astring().ok();
            assert_eq!(got.as_deref().map(Vec::as_slice), want, "{}", octets.escape_ascii());
        }
    }

    #[test]
    fn client_ids() {
        let id = Arguments(b"(\"name\" \"Thunderbird\" \"version\" \"153.7.0\" \"os\" NIL)").client_id().unwrap();
        assert_eq!(id.get("NAME"), Some("Thunderbird"));
        assert_eq!(id.get("os"), None);
        assert_eq!(id.fields().count(), 3);
        assert_eq!(Arguments(b"nil").client_id().unwrap(), ClientId::default());
        assert_eq!(Arguments(b"()").client_id().unwrap(), ClientId::default());
        assert_eq!(Arguments(b"({4}\r\nname {3+}\r\nx y)").client_id().unwrap().get("name"), Some("x y"));

        let many = |n: usize| format!("({})", vec!["\"a\" \"b\""; n].join(" "));
        assert!(Arguments(many(30).as_bytes()).client_id().is_ok());
        for bad in [
            many(31),
            format!("(\"{}\" NIL)", "k".repeat(31)),
            format!("(\"k\" \"{}\")", "v".repeat(1025)),
            "(\"name\")".into(),
            "(\"name\" )".into(),
            "(\"name\" \"x\"".into(),
            "(name x)".into(),
            "name".into(),
            String::new(),
        ] {
            assert!(Arguments(bad.as_bytes()).client_id().is_err(), "{bad}");
        }
    }
}
