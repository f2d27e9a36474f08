//! JA4, the TLS client's part alone: FoxIO's published format (BSD 3-clause, unlike
//! the other parts of JA4+).

use sha2::{Digest as _, Sha256};

use super::hello::ClientHello;

/// What tells no client from another, and has a place of its own in JA4.
const SERVER_NAME: u16 = 0x0000;
const ALPN: u16 = 0x0010;

impl ClientHello {
    /// The fingerprint as other tools write it: `t13d1516h2_8daaf6152771_e5627efa2ab1`.
    #[must_use]
    pub fn ja4(&self) -> String {
        let ciphers = list(sorted(&self.ciphers));
        let extensions = with_algorithms(list(self.sorted_extensions()), &self.signature_algorithms);
        format!("{}_{}_{}", self.summary(), short_hash(&ciphers), short_hash(&extensions))
    }

    /// The same with the lists that are hashed in [`ja4`](Self::ja4).
    #[must_use]
    pub fn ja4_r(&self) -> String {
        let ciphers = list(sorted(&self.ciphers));
        let extensions = with_algorithms(list(self.sorted_extensions()), &self.signature_algorithms);
        format!("{}_{ciphers}_{extensions}", self.summary())
    }

    fn summary(&self) -> String {
        let server_name = if self.names_server { 'd' } else { 'i' };
        let (first, last) = ends(&self.alpn);
        format!(
            "t{}{server_name}{:02}{:02}{first}{last}",
            version(self.version),
            self.ciphers.len().min(99),
            self.extensions.len().min(99),
        )
    }

    fn sorted_extensions(&self) -> Vec<u16> {
        let mut extensions = sorted(&self.extensions);
        extensions.retain(|kind| ![SERVER_NAME, ALPN].contains(kind));
        extensions
    }
}

/// The version in two characters.
pub(super) fn version(version: u16) -> &'static str {
    match version {
        0x0304 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        0x0300 => "s3",
        0x0002 => "s2",
        _ => "00",
    }
}

pub(super) fn sorted(numbers: &[u16]) -> Vec<u16> {
    let mut numbers = numbers.to_vec();
    numbers.sort_unstable();
    numbers
}

/// Four hexadecimal digits each, with commas.
pub(super) fn list(numbers: impl IntoIterator<Item = u16>) -> String {
    let mut text = String::with_capacity(160);
    for number in numbers {
        if !text.is_empty() {
            text.push(',');
        }
        number.to_be_bytes().into_iter().for_each(|octet| push_octet(&mut text, octet));
    }
    text
}

/// The extensions, and the signature algorithms behind them in their own order.
pub(super) fn with_algorithms(mut extensions: String, algorithms: &[u16]) -> String {
    if !algorithms.is_empty() {
        extensions.push('_');
        extensions.push_str(&list(algorithms.iter().copied()));
    }
    extensions
}

/// The first twelve digits of SHA-256; zeros for an empty list.
pub(super) fn short_hash(text: &str) -> String {
    if text.is_empty() {
        return "0".repeat(12);
    }
    let hash = Sha256::digest(text.as_bytes());
    let mut digits = String::with_capacity(12);
    hash[..6].iter().for_each(|octet| push_octet(&mut digits, *octet));
    digits
}

/// Two hexadecimal digits. Not by `format!`: that was a fifth of what a hello takes.
fn push_octet(text: &mut String, octet: u8) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for nibble in [octet >> 4, octet & 15] {
        text.push(char::from(DIGITS[usize::from(nibble)]));
    }
}

/// The first and the last character of a protocol; of its hexadecimal digits if
/// one of them is no letter or digit.
fn ends(alpn: &[u8]) -> (char, char) {
    let (Some(first), Some(last)) = (alpn.first(), alpn.last()) else { return ('0', '0') };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return (char::from(*first), char::from(*last));
    }
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or('0');
    (digit(first >> 4), digit(last & 15))
}
