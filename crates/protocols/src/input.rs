//! What a peer sent and nobody has read yet.

use zeroize::{Zeroize, Zeroizing};

/// A buffer that wipes what was read from it, and the memory it grows out of:
/// passwords pass through here.
#[derive(Default)]
pub(crate) struct Input {
    octets: Zeroizing<Vec<u8>>,
    /// Everything before is read, and wiped.
    start: usize,
}

/// A line did not end within its limit.
#[derive(Debug)]
pub(crate) struct TooLong;

impl Input {
    pub(crate) fn push(&mut self, more: &[u8]) {
        let unread = self.octets.len() - self.start;
        if self.octets.capacity() < self.octets.len() + more.len() {
            // Not Vec's own growth: that would leave a copy in freed memory.
            let mut grown = Zeroizing::new(Vec::with_capacity((unread + more.len()).next_power_of_two().max(64)));
            grown.extend_from_slice(self.unread());
            self.octets = grown;
            self.start = 0;
        }
        self.octets.extend_from_slice(more);
    }

    pub(crate) fn unread(&self) -> &[u8] {
        &self.octets[self.start..]
    }

    /// Hands over the next `count` octets and wipes them here.
    pub(crate) fn take(&mut self, count: usize) -> Zeroizing<Vec<u8>> {
        let end = self.start + count;
        let taken = Zeroizing::new(self.octets[self.start..end].to_vec());
        self.octets[self.start..end].zeroize();
        self.start = end;
        if self.start == self.octets.len() {
            // A client that waits, or is made to wait, costs no memory.
            self.wipe();
        }
        taken
    }

    /// The next line of at most `limit` octets with its end, handed over without it.
    ///
    /// A line ends with LF; a CR before it belongs to the end.
    pub(crate) fn line(&mut self, limit: usize) -> Result<Option<Zeroizing<Vec<u8>>>, TooLong> {
        let unread = self.unread();
        let within = &unread[..unread.len().min(limit)];
        let Some(end) = within.iter().position(|&b| b == b'\n') else {
            return if unread.len() > limit { Err(TooLong) } else { Ok(None) };
        };
        let mut line = self.take(end + 1);
        let length = without_end(&line).len();
        line.truncate(length);
        Ok(Some(line))
    }

    pub(crate) fn wipe(&mut self) {
        *self = Self::default();
    }
}

/// A line without its LF or CRLF.
pub(crate) fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_out_in_order_however_they_came_in() {
        let mut input = Input::default();
        input.push(b"one\r\ntw");
        assert_eq!(input.line(9).unwrap().unwrap().as_slice(), b"one");
        assert!(input.line(9).unwrap().is_none());
        input.push(b"o\n\r\nrest");
        assert_eq!(input.line(9).unwrap().unwrap().as_slice(), b"two");
        assert_eq!(input.line(9).unwrap().unwrap().as_slice(), b"");
        assert!(input.line(9).unwrap().is_none());
        assert_eq!(input.unread(), b"rest");
    }

    #[test]
    fn a_line_is_too_long_by_what_it_is_and_not_by_how_it_came() {
        for (text, fits) in [(&b"12345678\n"[..], true), (b"123456789\n", false)] {
            let mut whole = Input::default();
            whole.push(text);
            assert_eq!(whole.line(9).is_ok_and(|line| line.is_some()), fits);

            let mut bitwise = Input::default();
            let last = text.iter().map(|&b| {
                bitwise.push(&[b]);
                bitwise.line(9)
            });
            assert_eq!(last.last().unwrap().is_ok_and(|line| line.is_some()), fits);
        }
    }

    #[test]
    fn what_was_read_is_wiped_in_place() {
        let mut input = Input::default();
        input.push(b"secret\r\nnext");
        let _ = input.line(64).unwrap();
        assert_eq!(&input.octets[..8], &[0; 8]);
        assert_eq!(input.unread(), b"next");
    }
}
