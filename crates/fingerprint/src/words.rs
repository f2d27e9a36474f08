//! The short texts that signatures are made of.

/// How long the words of one part may be together, in octets.
const MAX_WORDS: usize = 64;
/// How long one word may be.
const MAX_WORD: usize = 24;

/// Words with commas between them, bounded: what a client says without end is
/// cut off, and is the same again next time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Words(String);

impl Words {
    /// Adds a word, unless the same was the last: how often a client repeats itself
    /// depends on how long it waits.
    pub(crate) fn push(&mut self, word: &str) {
        let last = self.0.rsplit(',').next();
        if word.is_empty() || last == Some(word) || self.0.len() + word.len() >= MAX_WORDS {
            return;
        }
        if !self.0.is_empty() {
            self.0.push(',');
        }
        self.0.push_str(word);
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a client wrote as a word of its protocol, in the case it wrote it. What
/// would end a part of a signature, or cannot be read, becomes `?`.
pub(crate) fn word(octets: &[u8]) -> String {
    let cut = &octets[..octets.len().min(MAX_WORD)];
    let readable = |octet: &u8| if octet.is_ascii_graphic() && !b",;.~".contains(octet) { *octet } else { b'?' };
    cut.iter().map(readable).map(char::from).collect()
}
