//! Answers into octets.

use super::capability::quoted;

/// `OK "text"`.
pub(super) fn ok(text: &str) -> Vec<u8> {
    format!("OK {}\r\n", quoted(text)).into()
}

/// `OK (TAG "tag") "text"`: what NOOP was given comes back (RFC 5804, 2.13).
pub(super) fn ok_tagged(tag: &str, text: &str) -> Vec<u8> {
    format!("OK (TAG {}) {}\r\n", quoted(tag), quoted(text)).into()
}

/// `NO "text"`.
pub(super) fn no(text: &str) -> Vec<u8> {
    format!("NO {}\r\n", quoted(text)).into()
}

/// `NO (ENCRYPT-NEEDED) "text"` (RFC 5804, 1.3).
pub(super) fn encrypt_needed(text: &str) -> Vec<u8> {
    format!("NO (ENCRYPT-NEEDED) {}\r\n", quoted(text)).into()
}

/// A challenge of a SASL exchange, a string alone on its line.
pub(super) fn challenge(text: &str) -> Vec<u8> {
    format!("{}\r\n", quoted(text)).into()
}

/// The connection is about to end. Also for a live session that is being cut
/// off, wherever its relay stands.
#[must_use]
pub fn bye(text: &str) -> Vec<u8> {
    format!("BYE {}\r\n", quoted(text)).into()
}

/// The connection ends because of an outage (RFC 5804, 1.3).
#[must_use]
pub fn unavailable(text: &str) -> Vec<u8> {
    format!("BYE (TRYLATER) {}\r\n", quoted(text)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_break_out_of_its_string() {
        assert_eq!(bye("see\r\nOK \"you\"\0\\"), b"BYE \"see  OK \\\"you\\\" \\\\\"\r\n");
    }
}
