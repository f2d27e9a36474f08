//! The first message of a session whose client is not known yet.
//!
//! Before a message, submission shows little: many clients say the same words. The
//! order of a message's fields, and the name of the program among them, tell them
//! apart. So the header stays here until it is whole; nothing else has to wait.

use fingerprint::Dialogue;

/// The longest header that is waited for, in octets.
const MAX_HEADER: usize = 64 * 1024;

/// What was seen, and what is held.
#[derive(Debug)]
pub(super) struct First {
    seen: fingerprint::submission::Dialogue,
    /// Of the message, in the form in which it goes on.
    pub(super) held: Vec<u8>,
    /// How much of it was looked at: whole lines.
    read: usize,
    pub(super) shown: bool,
}

impl First {
    pub(super) fn new(dialogue: Dialogue) -> Self {
        let seen = match dialogue {
            Dialogue::Submission(seen) => seen,
            _ => fingerprint::submission::Dialogue::default(),
        };
        Self { seen, held: Vec::new(), read: 0, shown: false }
    }

    pub(super) fn dialogue(&self) -> Dialogue {
        Dialogue::Submission(self.seen.clone())
    }

    pub(super) fn mails(&mut self, verb: &[u8], parameters: &[u8]) {
        self.seen.mails(verb, parameters.split(|octet| *octet == b' ').filter(|word| !word.is_empty()));
    }

    /// Looks at what is held; `ended` if the message, or what of it comes without an
    /// answer of the server behind, is whole.
    pub(super) fn look(&mut self, ended: bool) {
        while !self.shown
            && let Some(end) = self.held[self.read..].iter().position(|octet| *octet == b'\n')
        {
            let line = &self.held[self.read..self.read + end];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            self.read += end + 1;
            match line.iter().position(|octet| *octet == b':') {
                // A folded line belongs to the field before.
                _ if line.first().is_some_and(|octet| b" \t".contains(octet)) => {}
                Some(colon) => self.seen.field(line[..colon].trim_ascii_end(), &line[colon + 1..]),
                // The header's end, or a text without one.
                None => self.shown = true,
            }
        }
        self.shown |= ended || self.held.len() > MAX_HEADER;
    }
}
