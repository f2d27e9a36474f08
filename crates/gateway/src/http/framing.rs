//! Follows the requests on a connection beside hyper, which tidies their
//! framing up before anybody sees it: where both lengths and chunks are given,
//! or a length twice, it picks one. We refuse those (RFC 9112, 6.3 and 11.2).
//!
//! It fails safe: a request that was not followed is taken to be ambiguous.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use zeroize::Zeroizing;

use super::strict::MAX_HEAD;

/// More headers than hyper takes.
const MAX_HEADERS: usize = 128;

/// What was seen of each request that hyper has not handed on yet, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen(Arc<Mutex<VecDeque<Framing>>>);

/// How a request says where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// In one way.
    Clear,
    /// In two, or it could not be followed.
    Ambiguous,
}

impl Seen {
    /// Of the next request that hyper hands on.
    pub(super) fn next(&self) -> Framing {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front().unwrap_or(Framing::Ambiguous)
    }

    fn push(&self, framing: Framing) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(framing);
    }
}

/// Follows one connection.
#[derive(Debug)]
pub(super) struct Follower {
    seen: Seen,
    at: At,
    /// A head that is not whole yet; it may hold a password.
    head: Zeroizing<Vec<u8>>,
}

#[derive(Debug, PartialEq, Eq)]
enum At {
    Head,
    /// In a body with so many octets left.
    Body(u64),
    Chunked(Chunk),
    /// Hyper will end the connection, or we will.
    Lost,
}

/// Where in a chunked body (RFC 9112, 7.1).
#[derive(Debug, PartialEq, Eq)]
enum Chunk {
    Size(u64),
    Extension(u64),
    SizeEnd(u64),
    Data(u64),
    DataReturn,
    DataEnd,
    /// In the trailers; true at the start of a line.
    Trailer(bool),
    TrailerEnd,
}

impl Follower {
    pub(super) fn new(seen: Seen) -> Self {
        Self { seen, at: At::Head, head: Zeroizing::default() }
    }

    /// Takes what hyper is about to read.
    pub(super) fn feed(&mut self, mut octets: &[u8]) {
        while !octets.is_empty() {
            match &mut self.at {
                At::Lost => return,
                At::Head => octets = self.head(octets),
                At::Body(left) => {
                    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(octets.len());
                    octets = &octets[taken..];
                    *left -= taken as u64;
                    if *left == 0 {
                        self.at = At::Head;
                    }
                }
                At::Chunked(Chunk::Data(left)) => {
                    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(octets.len());
                    octets = &octets[taken..];
                    *left -= taken as u64;
                    if *left == 0 {
                        self.at = At::Chunked(Chunk::DataReturn);
                    }
                }
                At::Chunked(chunk) => {
                    self.at = chunk.step(octets[0]);
                    octets = &octets[1..];
                }
            }
        }
    }

    /// Takes a head, or the part of one that is there. Returns what follows.
    fn head<'a>(&mut self, octets: &'a [u8]) -> &'a [u8] {
        let before = self.head.len();
        if before == 0 {
            return match self.parse(octets) {
                Some(end) => &octets[end..],
                None => {
                    append(&mut self.head, octets);
                    &[]
                }
            };
        }
        append(&mut self.head, octets);
        // Only the end of a line can end a head: a client that sends single
        // octets does not make us parse at each.
        let end = if octets.contains(&b'\n') {
            let whole = std::mem::take(&mut self.head);
            let end = self.parse(&whole);
            if end.is_none() {
                self.head = whole;
            }
            end
        } else {
            None
        };
        if end.is_none() && self.head.len() > MAX_HEAD {
            self.at = At::Lost;
        }
        end.map_or(&[], |end| &octets[end.saturating_sub(before)..])
    }

    /// Reads a head if it is whole, and says where it ends.
    fn parse(&mut self, octets: &[u8]) -> Option<usize> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(octets) {
            Ok(httparse::Status::Partial) => None,
            Ok(httparse::Status::Complete(end)) => {
                self.at = if has_bare_line_ends(&octets[..end]) { At::Lost } else { follow(request.headers) };
                self.seen.push(if self.at == At::Lost { Framing::Ambiguous } else { Framing::Clear });
                Some(end)
            }
            Err(_) => {
                self.at = At::Lost;
                Some(octets.len())
            }
        }
    }
}

/// LF alone ends a line to some, and is an octet of it to others.
fn has_bare_line_ends(head: &[u8]) -> bool {
    head.iter().enumerate().any(|(at, octet)| *octet == b'\n' && (at == 0 || head[at - 1] != b'\r'))
}

/// Grows without leaving a copy behind, twice as large each time.
fn append(head: &mut Zeroizing<Vec<u8>>, octets: &[u8]) {
    let needed = head.len() + octets.len();
    if needed > head.capacity() {
        let mut larger = Zeroizing::new(Vec::with_capacity(needed.max(2 * head.capacity())));
        larger.extend_from_slice(head);
        *head = larger;
    }
    head.extend_from_slice(octets);
}

/// Where a body begins after these headers.
fn follow(headers: &[httparse::Header<'_>]) -> At {
    let values = |name: &str| {
        let named = headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
        named.map(|header| header.value).collect::<Vec<_>>()
    };
    match (values("content-length").as_slice(), values("transfer-encoding").as_slice()) {
        ([], []) => At::Head,
        ([length], []) => match std::str::from_utf8(length).ok().filter(|l| l.bytes().all(|b| b.is_ascii_digit())) {
            Some(digits) => {
                digits.parse().map_or(At::Lost, |length| if length == 0 { At::Head } else { At::Body(length) })
            }
            None => At::Lost,
        },
        ([], [coding]) if coding.eq_ignore_ascii_case(b"chunked") => At::Chunked(Chunk::Size(0)),
        _ => At::Lost,
    }
}

impl Chunk {
    fn step(&self, octet: u8) -> At {
        let next = match (self, octet) {
            (Self::Size(size), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = u64::from(char::from(octet).to_digit(16).unwrap_or_default());
                match size.checked_mul(16).and_then(|size| size.checked_add(digit)) {
                    Some(size) => Self::Size(size),
                    None => return At::Lost,
                }
            }
            (Self::Size(size) | Self::Extension(size), b'\r') => Self::SizeEnd(*size),
            (Self::Size(size), b';' | b' ' | b'\t') => Self::Extension(*size),
            (Self::Extension(size), octet) if octet != b'\n' => Self::Extension(*size),
            (Self::SizeEnd(0), b'\n') => Self::Trailer(true),
            (Self::SizeEnd(size), b'\n') => Self::Data(*size),
            (Self::DataReturn, b'\r') => Self::DataEnd,
            (Self::DataEnd, b'\n') => Self::Size(0),
            (Self::Trailer(true), b'\r') => Self::TrailerEnd,
            (Self::Trailer(_), octet) => Self::Trailer(octet == b'\n'),
            (Self::TrailerEnd, b'\n') => return At::Head,
            _ => return At::Lost,
        };
        At::Chunked(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow_all(octets: &[u8], cut: usize) -> (Vec<Framing>, At) {
        let seen = Seen::default();
        let mut follower = Follower::new(seen.clone());
        octets.chunks(cut).for_each(|part| follower.feed(part));
        let framings = seen.0.lock().unwrap().iter().copied().collect();
        (framings, follower.at)
    }

    #[test]
    fn requests_are_told_apart_however_they_are_cut() {
        let three = b"PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 20\r\n\r\nGET / HTTP/1.1\r\n\r\n\r\n\
            POST /b HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n\
            1A;x=y\r\nGET /hidden HTTP/1.1\r\n\r\n..\r\n0\r\nX: y\r\nZ: \r\n\r\n\
            \r\nGET /c HTTP/1.1\r\nHost: h\r\n\r\n";
        for cut in 1..three.len() {
            assert_eq!(follow_all(three, cut), (vec![Framing::Clear; 3], At::Head), "{cut}");
        }
    }

    #[test]
    fn what_is_framed_twice_is_ambiguous() {
        for headers in [
            "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\ncontent-length: 3\r\n",
            "Content-Length: 3\r\nContent-Length: 3\r\n",
            "Content-Length: +3\r\n",
            "Content-Length: 3, 3\r\n",
            "Content-Length: 99999999999999999999\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: identity\r\n",
            "Host: h\nContent-Length: 3\r\n",
        ] {
            let request = format!("PUT / HTTP/1.1\r\n{headers}\r\nGET / HTTP/1.1\r\n\r\n");
            for cut in [1, 7, request.len()] {
                let (seen, at) = follow_all(request.as_bytes(), cut);
                assert_eq!((seen, at), (vec![Framing::Ambiguous], At::Lost), "{headers}");
            }
        }
    }

    #[test]
    fn a_request_that_was_not_followed_is_ambiguous() {
        for broken in [
            "GET / HTTP/1.1\r\nno colon\r\n\r\n".to_owned(),
            format!("GET / HTTP/1.1\r\nX: {}\r\n", "a".repeat(MAX_HEAD)),
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n".to_owned(),
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxx\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n"
                .to_owned(),
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n".to_owned(),
        ] {
            let seen = Seen::default();
            let mut follower = Follower::new(seen.clone());
            broken.as_bytes().chunks(1000).for_each(|part| follower.feed(part));
            assert_eq!(follower.at, At::Lost, "{broken:.80}");
            if broken.starts_with("POST") {
                assert_eq!(seen.next(), Framing::Clear, "until its body broke");
            }
            assert_eq!(seen.next(), Framing::Ambiguous);
        }
    }
}
