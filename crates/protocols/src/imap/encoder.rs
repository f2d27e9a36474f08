//! Answers into octets.

use super::capability;
use super::decoder::Tag;
use crate::dialogue::Transport;

/// The state of a tagged answer (RFC 3501, 7.1).
#[derive(Clone, Copy)]
pub(super) enum Status {
    Ok,
    No,
    Bad,
}

pub(super) fn greeting(transport: Transport) -> Vec<u8> {
    format!("* OK [CAPABILITY {}] Postern ready.\r\n", capability::announced(transport)).into()
}

/// `tag OK text`, where `text` may begin with a `[CODE]`; without a tag, untagged.
pub(super) fn answer(tag: Option<&Tag>, status: Status, text: &str) -> Vec<u8> {
    let tag = tag.map_or("*", Tag::as_str);
    let status = match status {
        Status::Ok => "OK",
        Status::No => "NO",
        Status::Bad => "BAD",
    };
    format!("{tag} {status} {}\r\n", one_line(text)).into()
}

/// An untagged line.
pub(super) fn untagged(line: &str) -> Vec<u8> {
    format!("* {}\r\n", one_line(line)).into()
}

/// `+ text`: go on (RFC 3501, 7.5). The space is there even before nothing.
pub(super) fn go_on(text: &str) -> Vec<u8> {
    format!("+ {text}\r\n").into()
}

/// `* BYE text`: the connection is about to end. Also for a live session that
/// is being cut off, wherever its relay stands.
#[must_use]
pub fn bye(text: &str) -> Vec<u8> {
    untagged(&format!("BYE {text}"))
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
        assert_eq!(bye("see\r\n* OK you\0"), b"* BYE see  * OK you \r\n");
    }
}
