//! Replies (RFC 5321, 4.2): ours into octets, and the server behind's into codes.

/// `250 text`, in one line.
pub(super) fn reply(code: u16, text: &str) -> Vec<u8> {
    let mut octets = String::with_capacity(6 + text.len());
    push_line(&mut octets, code, ' ', text);
    octets.into()
}

/// `250-first`, `250-...`, `250 last`.
pub(super) fn list(code: u16, lines: &[String]) -> Vec<u8> {
    let mut octets = String::with_capacity(lines.iter().map(|line| 6 + line.len()).sum());
    for (i, line) in lines.iter().enumerate() {
        push_line(&mut octets, code, if i + 1 < lines.len() { '-' } else { ' ' }, line);
    }
    octets.into()
}

/// The last word of a session that is cut off, wherever its relay stands.
#[must_use]
pub fn bye(text: &str) -> Vec<u8> {
    reply(421, &format!("4.3.2 {text}"))
}

/// The text in one line: a line break in a translation or an address would let
/// it speak for the server.
fn push_line(octets: &mut String, code: u16, parting: char, text: &str) {
    octets.push_str(&code.to_string());
    octets.push(parting);
    octets.extend(text.chars().map(|c| if c.is_control() { ' ' } else { c }));
    octets.push_str("\r\n");
}

/// A line of a reply from the server behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    pub(super) code: u16,
    /// No other line of this reply follows.
    pub(super) last: bool,
    pub(super) text: &'a [u8],
}

impl<'a> Line<'a> {
    /// `None` for what is no line of a reply. The line comes without its end.
    pub(super) fn read(line: &'a [u8]) -> Option<Self> {
        let (digits, rest) = line.split_at_checked(3)?;
        let code = std::str::from_utf8(digits).ok().filter(|_| digits.iter().all(u8::is_ascii_digit))?.parse().ok()?;
        let (last, text) = match rest.split_first() {
            None => (true, rest),
            Some((b' ', text)) => (true, text),
            Some((b'-', text)) => (false, text),
            Some(_) => return None,
        };
        Some(Self { code, last, text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_break_out_of_its_line() {
        assert_eq!(reply(535, "no\r\n235 yes"), b"535 no  235 yes\r\n");
        assert_eq!(list(250, &["a".into(), "b\nc".into()]), b"250-a\r\n250 b c\r\n");
    }

    #[test]
    fn lines_of_a_server_behind() {
        for (line, code, last, text) in
            [(&b"250-SIZE 7"[..], 250, false, &b"SIZE 7"[..]), (b"354 Go", 354, true, b"Go"), (b"220", 220, true, b"")]
        {
            assert_eq!(Line::read(line), Some(Line { code, last, text }));
        }
        for bad in [&b""[..], b"25", b"2x0 ok", b"250ok", b"* OK", b"+50 ok"] {
            assert_eq!(Line::read(bad), None);
        }
    }
}
