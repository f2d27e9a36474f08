//! What a command with strings is made of: in IMAP, and in ManageSieve.

use zeroize::Zeroizing;

use crate::framing::announced_literal;
use crate::input::without_end;

/// The octet can stand in a word without quotes. RFC 3501 has them end at 0x7f;
/// clients send Latin-1 and UTF-8 all the same.
pub(crate) fn is_astring(b: u8) -> bool {
    b > 0x20 && b != 0x7f && !b"(){%*\"\\".contains(&b)
}

/// The arguments of a command, read from the front.
pub(crate) struct Arguments<'a>(pub(crate) &'a [u8]);

/// The arguments do not have the form that was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unreadable;

impl<'a> Arguments<'a> {
    pub(crate) fn space(&mut self) -> Result<(), Unreadable> {
        self.literally(b" ")
    }

    pub(crate) fn literally(&mut self, text: &[u8]) -> Result<(), Unreadable> {
        self.0 = self.0.strip_prefix(text).ok_or(Unreadable)?;
        Ok(())
    }

    /// Nothing but spaces is left: some clients end a line with one.
    pub(crate) fn end(&self) -> Result<(), Unreadable> {
        if self.0.iter().all(|&b| b == b' ') { Ok(()) } else { Err(Unreadable) }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.end().is_ok()
    }

    /// A word without quotes, perhaps with `+`, `/` and `=`: a mechanism, base64.
    pub(crate) fn word(&mut self) -> Result<&'a [u8], Unreadable> {
        let end = self.0.iter().position(|&b| !is_astring(b) && b != b'*').unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at(end);
        self.0 = rest;
        if word.is_empty() { Err(Unreadable) } else { Ok(word) }
    }

    /// A string in any of its forms: word, quoted, literal (RFC 3501, `astring`).
    pub(crate) fn astring(&mut self) -> Result<Zeroizing<Vec<u8>>, Unreadable> {
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

    pub(crate) fn string(&mut self) -> Result<Zeroizing<Vec<u8>>, Unreadable> {
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

    pub(crate) fn nil(&mut self) -> bool {
        let is_nil = self.0.get(..3).is_some_and(|word| word.eq_ignore_ascii_case(b"NIL"))
            && self.0.get(3).is_none_or(|&b| !is_astring(b));
        if is_nil {
            self.0 = &self.0[3..];
        }
        is_nil
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
