//! A message on its way after DATA.
//!
//! What ends it has to end it for both servers at the same octet, or what one of
//! them takes for text the other one obeys ("SMTP smuggling", CVE-2023-51764).
//! So only `CR LF . CR LF` ends a message, and what goes on has no other line
//! ends: a lone LF becomes CR LF, a lone CR a space, and a dot alone between
//! lone line ends is stuffed.

/// Where in a line the message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// At its beginning, after CR LF.
    Start,
    /// At its beginning, after a lone LF: a dot here is text.
    LooseStart,
    /// After a dot at its beginning, held back. `true` if it may end the message.
    Dot(bool),
    /// After a dot and a CR, both held back.
    DotCr(bool),
    Text,
    /// After a CR in the text, held back.
    Cr,
}

/// One message.
#[derive(Debug)]
pub(super) struct Message(At);

impl Message {
    pub(super) fn new() -> Self {
        Self(At::Start)
    }

    /// Passes octets on. Returns how many belong to the message, its end
    /// included, and whether it has ended with them.
    pub(super) fn pass(&mut self, octets: &[u8], on: &mut Vec<u8>) -> (usize, bool) {
        let mut at = 0;
        while at < octets.len() {
            if self.0 == At::Text {
                let rest = &octets[at..];
                let run = rest.iter().position(|octet| matches!(octet, b'\r' | b'\n')).unwrap_or(rest.len());
                on.extend_from_slice(&rest[..run]);
                at += run;
                if at == octets.len() {
                    break;
                }
            }
            let octet = octets[at];
            at += 1;
            if self.octet(octet, on) {
                return (at, true);
            }
        }
        (octets.len(), false)
    }

    /// True at the end of the message.
    fn octet(&mut self, octet: u8, on: &mut Vec<u8>) -> bool {
        self.0 = match (self.0, octet) {
            (At::Start, b'.') => At::Dot(true),
            (At::LooseStart, b'.') => At::Dot(false),
            (At::Dot(ends), b'\r') => At::DotCr(ends),
            (At::DotCr(true), b'\n') => {
                on.extend_from_slice(b".\r\n");
                return true;
            }
            // A dot alone, but for one of the two line ends around it.
            (At::DotCr(false), b'\n') => Self::go_on(on, b"..\r\n", At::Start),
            (At::Dot(_), b'\n') => Self::go_on(on, b"..\r\n", At::LooseStart),
            (At::Dot(_), _) => {
                on.push(b'.');
                Self::text(octet, on)
            }
            (At::DotCr(_), _) => {
                on.extend_from_slice(b". ");
                Self::text(octet, on)
            }
            (At::Cr, b'\n') => Self::go_on(on, b"\r\n", At::Start),
            (At::Cr, _) => {
                on.push(b' ');
                Self::text(octet, on)
            }
            (At::Start | At::LooseStart | At::Text, _) => Self::text(octet, on),
        };
        false
    }

    fn text(octet: u8, on: &mut Vec<u8>) -> At {
        match octet {
            b'\r' => At::Cr,
            b'\n' => Self::go_on(on, b"\r\n", At::LooseStart),
            _ => Self::go_on(on, &[octet], At::Text),
        }
    }

    fn go_on(on: &mut Vec<u8>, octets: &[u8], at: At) -> At {
        on.extend_from_slice(octets);
        at
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What goes on, and what is left after the end of the message.
    fn pass(message: &[u8], size: usize) -> (Vec<u8>, Option<Vec<u8>>) {
        let (mut state, mut on) = (Message::new(), Vec::new());
        let mut at = 0;
        for chunk in message.chunks(size) {
            let (taken, ended) = state.pass(chunk, &mut on);
            at += taken;
            if ended {
                return (on, Some(message[at..].to_vec()));
            }
        }
        (on, None)
    }

    #[test]
    fn only_one_end_ends_a_message() {
        for (message, on, rest) in [
            (&b".\r\nQUIT"[..], &b".\r\n"[..], Some(&b"QUIT"[..])),
            (b"a\r\n.\r\nQUIT", b"a\r\n.\r\n", Some(b"QUIT")),
            (b"a\r\n..\r\nb\r\n.x\r\n.\r\n", b"a\r\n..\r\nb\r\n.x\r\n.\r\n", Some(b"")),
            // Each of these ends the message for some server.
            (b"a\n.\nXCLIENT LOGIN=bob\r\n", b"a\r\n..\r\nXCLIENT LOGIN=bob\r\n", None),
            (b"a\n.\r\nXCLIENT LOGIN=bob\r\n", b"a\r\n..\r\nXCLIENT LOGIN=bob\r\n", None),
            (b"a\r\n.\nXCLIENT LOGIN=bob\r\n", b"a\r\n..\r\nXCLIENT LOGIN=bob\r\n", None),
            (b"a\r.\rXCLIENT LOGIN=bob\r\n", b"a . XCLIENT LOGIN=bob\r\n", None),
            (b"a\r\n.\rXCLIENT LOGIN=bob\r\n", b"a\r\n. XCLIENT LOGIN=bob\r\n", None),
            (b"a\r\n.\r\r\nb", b"a\r\n. \r\nb", None),
            (b"a\r\r\n.\r\n", b"a \r\n.\r\n", Some(b"")),
            (b"a\n\r\n.\r\n", b"a\r\n\r\n.\r\n", Some(b"")),
        ] {
            for size in 1..=message.len() {
                let passed = pass(message, size);
                assert_eq!(passed, (on.to_vec(), rest.map(<[u8]>::to_vec)), "{} by {size}", message.escape_ascii());
            }
        }
    }

    proptest! {
        #[test]
        fn no_line_end_but_one_goes_on(message in prop::collection::vec(prop::sample::select(b"\r\n.a".to_vec()), 0..64), size in 1usize..9) {
            let (on, rest) = pass(&message, size);
            let text = String::from_utf8(on).unwrap();
            let bare = text.replace("\r\n", "");
            prop_assert!(!bare.contains(['\r', '\n']), "{text:?}");
            let end = if text.starts_with(".\r\n") { Some(3) } else { text.find("\r\n.\r\n").map(|at| at + 5) };
            prop_assert_eq!(end, rest.map(|_| text.len()), "{:?}", text);
        }
    }
}
