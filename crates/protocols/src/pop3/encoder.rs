//! Answers into octets.

use crate::dialogue::Transport;

/// What there is to use once signed in, as real servers show it before, too:
/// clients decide by it. Frozen, since a changed list changes what clients do next.
const BASE: &str = "TOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\nAUTH-RESP-CODE\r\n";

/// `+OK text`.
pub(super) fn ok(text: &str) -> Vec<u8> {
    format!("+OK {}\r\n", one_line(text)).into()
}

/// `-ERR text`, where `text` may begin with a `[CODE]` (RFC 2449, 8).
pub(super) fn err(text: &str) -> Vec<u8> {
    format!("-ERR {}\r\n", one_line(text)).into()
}

/// `+ text`: go on (RFC 5034, 4). The space is there even before nothing.
pub(super) fn go_on(text: &str) -> Vec<u8> {
    format!("+ {text}\r\n").into()
}

/// The answer to CAPA (RFC 2449, 5).
pub(super) fn capabilities(transport: Transport) -> Vec<u8> {
    let rest = match transport {
        Transport::Encrypted => "USER\r\nSASL PLAIN LOGIN\r\n",
        // Neither in the clear: a client that may not use them must not be tempted.
        Transport::Plain { starttls: true } => "STLS\r\n",
        Transport::Plain { starttls: false } => "",
    };
    format!("+OK Capability list follows.\r\n{BASE}{rest}.\r\n").into()
}

/// The answer to AUTH alone, by which Thunderbird and Outlook ask for mechanisms.
pub(super) fn mechanisms(transport: Transport) -> Vec<u8> {
    let list = if transport == Transport::Encrypted { "PLAIN\r\nLOGIN\r\n" } else { "" };
    format!("+OK Mechanisms follow.\r\n{list}.\r\n").into()
}

/// The connection is about to end. Also for a live session that is being cut
/// off, wherever its relay stands: as a temporary failure (RFC 3206, 4), which
/// no client takes for a wrong password.
#[must_use]
pub fn bye(text: &str) -> Vec<u8> {
    err(&format!("[SYS/TEMP] {text}"))
}

/// The text in one line: a line break in a translation or an address would let
/// it speak for the server.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_break_out_of_its_line() {
        assert_eq!(bye("see\r\n+OK you\0"), b"-ERR [SYS/TEMP] see  +OK you \r\n");
    }
}
