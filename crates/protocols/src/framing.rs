//! Where a command with literals ends: in IMAP, and in ManageSieve.

use crate::input::without_end;

/// The longest command line, in octets with its end, literals not counted.
pub const MAX_LINE: usize = 8192;
/// The longest literal before a sign-in, in octets.
pub const MAX_LITERAL: usize = 4096;
/// All literals of one command: LOGIN needs two.
const MAX_LITERALS: usize = 2 * MAX_LITERAL;

/// Finds where a command ends: a line, and what its literals drag behind.
///
/// Every bound is checked on what a client announces, before it is buffered.
#[derive(Debug, Default)]
pub(crate) struct Extent {
    /// Where the text begins that has not been looked at: after the literals so far.
    text_from: usize,
    scanned: usize,
    text: usize,
    literals: usize,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
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
    pub(crate) fn scan(&mut self, unread: &[u8]) -> Frame {
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
pub(crate) fn announced_literal(line: &[u8]) -> Option<(usize, bool)> {
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
}
