//! The head of a request as it was sent. HTTP libraries hide the order and the
//! case of headers, which tell clients apart.

use fingerprint::Dialogue;

/// The longest head that is looked at, in octets.
pub const MAX_HEAD: usize = 16 * 1024;
/// Headers that are looked at.
const MAX_HEADERS: usize = 100;

/// What the first octets of a request are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Head {
    /// A head that has not ended yet.
    Incomplete,
    /// A whole head: what was seen of its client, and how many octets it has.
    Whole(Dialogue, usize),
    /// Over [`MAX_HEAD`], or no head: there is nothing to be seen.
    Unreadable,
}

impl Head {
    /// Looks at the head. It is not judged here: a server that obeys it reads it
    /// again, strictly.
    #[must_use]
    pub fn read(octets: &[u8]) -> Self {
        let mut seen = fingerprint::http::Dialogue::default();
        let mut at = 0;
        for (count, line) in octets.split_inclusive(|octet| *octet == b'\n').enumerate() {
            at += line.len();
            if at > MAX_HEAD || count > MAX_HEADERS {
                return Self::Unreadable;
            }
            let Some(line) = line.strip_suffix(b"\n") else { return Self::Incomplete };
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            match (count, line) {
                // An empty line before a request is skipped by servers (RFC 9112, 2.2),
                // and sent by no client that matters.
                (0, []) => return Self::Unreadable,
                (0, _) => {}
                (_, []) => return Self::Whole(Dialogue::Http(seen), at),
                (_, line) => {
                    let Some(colon) = line.iter().position(|octet| *octet == b':') else { return Self::Unreadable };
                    seen.header(&line[..colon], &line[colon + 1..]);
                }
            }
        }
        Self::Incomplete
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"PROPFIND / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n";

    #[test]
    fn a_head_is_read_when_it_is_whole() {
        for cut in 0..HEAD.len() {
            assert_eq!(Head::read(&HEAD[..cut]), Head::Incomplete);
        }
        let more = [HEAD, b"body"].concat();
        let Head::Whole(seen, length) = Head::read(&more) else { panic!() };
        assert_eq!((seen.declared(), length), (Some("curl"), HEAD.len()));
    }

    #[test]
    fn what_is_no_head_shows_nothing() {
        let long = [&b"GET / HTTP/1.1\r\n"[..], &[b'a'; MAX_HEAD]].concat();
        let many = [&b"GET / HTTP/1.1\r\n"[..], &b"a: b\r\n".repeat(MAX_HEADERS + 1)].concat();
        for octets in [&b"\r\n"[..], b"GET / HTTP/1.1\r\nno header\r\n", &long, &many] {
            assert_eq!(Head::read(octets), Head::Unreadable);
        }
    }
}
