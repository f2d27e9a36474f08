//! Heads of requests, read once and strictly: what two servers could read in two
//! ways is refused (RFC 9112, 6.3 and 11.2, request smuggling). And heads of
//! answers.

use std::{io::BufRead as _, mem::MaybeUninit};

use bytes::{Bytes, BytesMut};
use fingerprint::Dialogue;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header, request};
use httparse::{Header, ParserConfig, Status};

use super::rest::Rest;

/// The longest head, in octets.
pub const MAX_HEAD: usize = 64 * 1024;
/// The most headers in one.
const MAX_HEADERS: usize = 100;

/// A request, up to its body.
#[derive(Debug)]
pub struct Asked {
    /// Its head.
    pub parts: request::Parts,
    /// How it was written: the order and the case of headers tell clients apart, and
    /// `parts` have neither.
    pub seen: Dialogue,
    /// What follows.
    pub body: Rest,
    /// More requests may follow it.
    pub goes_on: bool,
    /// The body comes when it is told to.
    pub waits: bool,
}

/// An answer, up to its body.
#[derive(Debug)]
pub struct Answered {
    /// Its head.
    pub answer: Response<()>,
    /// What follows.
    pub body: Rest,
    /// The connection is good for another request.
    pub goes_on: bool,
}

/// A server does not speak HTTP/1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not HTTP/1.1")]
pub struct NotHttp;

/// Takes the head of a request off what was heard. `None` if it is not whole yet.
///
/// # Errors
/// It is malformed, too long, or says in two ways where the body ends.
pub fn request(heard: &mut BytesMut) -> Result<Option<Asked>, StatusCode> {
    let octets = heard.split().freeze();
    let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut head = httparse::Request::new(&mut []);
    match head.parse_with_uninit_headers(&octets, &mut headers) {
        Err(httparse::Error::TooManyHeaders) => Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
        Err(_) => Err(StatusCode::BAD_REQUEST),
        Ok(Status::Partial) if octets.len() > MAX_HEAD => Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
        Ok(Status::Partial) => {
            *heard = put_back(octets);
            Ok(None)
        }
        Ok(Status::Complete(end)) if end > MAX_HEAD => Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
        Ok(Status::Complete(end)) => {
            heard.extend_from_slice(&octets[end..]);
            if has_bare_line_ends(&octets[..end]) {
                return Err(StatusCode::BAD_REQUEST);
            }
            asked(&octets, &head).map(Some).ok_or(StatusCode::BAD_REQUEST)
        }
    }
}

fn asked(octets: &Bytes, head: &httparse::Request<'_, '_>) -> Option<Asked> {
    let (method, target) = (head.method?, head.path?);
    let version = version(head.version);
    let body = body_of_request(head.headers).filter(|body| version == Version::HTTP_11 || body.length().is_some())?;
    let mut parts = Request::new(()).into_parts().0;
    parts.method = Method::from_bytes(method.as_bytes()).ok()?;
    parts.uri = Uri::from_maybe_shared(octets.slice_ref(target.as_bytes())).ok()?;
    parts.version = version;
    parts.headers = headers(octets, head.headers)?;
    let mut seen = fingerprint::http::Dialogue::default();
    head.headers.iter().for_each(|header| seen.header(header.name.as_bytes(), header.value));
    let goes_on = version == Version::HTTP_11 && !says_close(&parts.headers);
    let expected = parts.headers.get(header::EXPECT);
    let waits = version == Version::HTTP_11
        && expected.is_some_and(|what| what.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    Some(Asked { parts, seen: Dialogue::Http(seen), body, goes_on, waits })
}

/// Takes the head of the answer to a request of this method off what was heard.
/// `None` if it is not whole yet.
///
/// # Errors
/// It is malformed or too long, or nobody knows where its body ends.
pub fn answer(heard: &mut BytesMut, method: &Method) -> Result<Option<Answered>, NotHttp> {
    let octets = heard.split().freeze();
    let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut head = httparse::Response::new(&mut []);
    match ParserConfig::default().parse_response_with_uninit_headers(&mut head, &octets, &mut headers) {
        Ok(Status::Complete(end)) if end <= MAX_HEAD => {
            heard.extend_from_slice(&octets[end..]);
            answered(&octets, &head, method).map(Some).ok_or(NotHttp)
        }
        Ok(Status::Partial) if octets.len() <= MAX_HEAD => {
            *heard = put_back(octets);
            Ok(None)
        }
        _ => Err(NotHttp),
    }
}

fn answered(octets: &Bytes, head: &httparse::Response<'_, '_>, method: &Method) -> Option<Answered> {
    let mut answer = Response::new(());
    *answer.status_mut() = StatusCode::from_u16(head.code?).ok()?;
    *answer.version_mut() = version(head.version);
    *answer.headers_mut() = headers(octets, head.headers)?;
    let (body, is_clear) = body_of_answer(&mut answer, method)?;
    let goes_on = is_clear && answer.version() == Version::HTTP_11 && !says_close(answer.headers());
    Some(Answered { answer, body, goes_on })
}

fn version(minor: Option<u8>) -> Version {
    if minor == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 }
}

/// They share their octets.
fn headers(octets: &Bytes, list: &[Header<'_>]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(list.len());
    for header in list {
        let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
        headers.append(name, HeaderValue::from_maybe_shared(octets.slice_ref(header.value)).ok()?);
    }
    Some(headers)
}

fn says_close(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::CONNECTION).iter();
    let mut words = values.flat_map(|value| value.as_bytes().split(|&octet| octet == b','));
    words.any(|word| word.trim_ascii().eq_ignore_ascii_case(b"close"))
}

/// LF alone ends a line to some, and is an octet of it to others.
fn has_bare_line_ends(head: &[u8]) -> bool {
    let mut rest = head;
    while let Ok(count @ 1..) = rest.skip_until(b'\n') {
        let line = head.len() - rest.len();
        if head[line - 1] == b'\n' && (count == 1 || head[line - 2] != b'\r') {
            return true;
        }
    }
    false
}

fn digits(value: &[u8]) -> Option<u64> {
    let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(value).ok().filter(|_| is_number)?.parse().ok()
}

/// `None` where it is said in two ways, or in one that nobody needs.
fn body_of_request(headers: &[Header<'_>]) -> Option<Rest> {
    let mut body = None;
    for header in headers {
        let said = if header.name.eq_ignore_ascii_case("content-length") {
            Rest::octets(digits(header.value)?)
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            if !header.value.eq_ignore_ascii_case(b"chunked") {
                return None;
            }
            Rest::CHUNKED
        } else {
            continue;
        };
        if body.replace(said).is_some() {
            return None;
        }
    }
    Some(body.unwrap_or(Rest::Nothing))
}

/// And whether it is said in one way only; `None` where it is in none that is known.
fn body_of_answer(answer: &mut Response<()>, method: &Method) -> Option<(Rest, bool)> {
    let status = answer.status();
    if *method == Method::HEAD
        || status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
    {
        return Some((Rest::Nothing, true));
    }
    let headers = answer.headers_mut();
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next() {
        let is_chunked = coding.as_bytes().eq_ignore_ascii_case(b"chunked") && codings.next().is_none();
        // The other length counts for nothing, and says that somebody may be misled.
        let is_clear = headers.remove(header::CONTENT_LENGTH).is_none();
        return is_chunked.then_some((Rest::CHUNKED, is_clear));
    }
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(first) = lengths.next().cloned() else { return Some((Rest::UntilClosed, false)) };
    let (length, same) = (digits(first.as_bytes())?, lengths.all(|length| *length == first));
    headers.insert(header::CONTENT_LENGTH, first);
    same.then_some((Rest::octets(length), true))
}

/// Without a copy, as nobody else has seen them.
fn put_back(octets: Bytes) -> BytesMut {
    octets.try_into_mut().unwrap_or_else(|octets| BytesMut::from(&octets[..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read of these octets, however they come.
    fn read(octets: &[u8], cut: usize) -> Result<Option<Asked>, StatusCode> {
        let mut heard = BytesMut::new();
        for part in octets.chunks(cut) {
            heard.extend_from_slice(part);
            if let Some(asked) = request(&mut heard)? {
                return Ok(Some(asked));
            }
        }
        Ok(None)
    }

    #[test]
    fn a_head_is_read_however_it_is_cut() {
        let head = b"\r\nPUT /a?b HTTP/1.1\r\nHost: h\r\nContent-Length: 20\r\nExpect: 100-Continue\r\n\r\n";
        for cut in 1..head.len() {
            let asked = read(head, cut).unwrap().unwrap();
            assert_eq!((asked.parts.method.as_str(), asked.parts.uri.to_string().as_str()), ("PUT", "/a?b"));
            assert_eq!((asked.body, asked.goes_on, asked.waits), (Rest::Octets(20), true, true));
            assert!(read(&head[..head.len() - 1], cut).unwrap().is_none());
        }
        for (headers, goes_on) in
            [("Connection: keep-alive", true), ("Connection: x, CLOSE", false), ("X: close", true)]
        {
            let asked = read(format!("GET / HTTP/1.1\r\n{headers}\r\n\r\n").as_bytes(), 9).unwrap().unwrap();
            assert_eq!((asked.body, asked.goes_on), (Rest::Nothing, goes_on), "{headers}");
        }
        assert!(!read(b"GET / HTTP/1.0\r\n\r\n", 9).unwrap().unwrap().goes_on);
        let mut heard = BytesMut::from(&b"GET /a HTTP/1.1\r\n\r\nGET /b"[..]);
        assert_eq!(request(&mut heard).unwrap().unwrap().parts.uri, "/a");
        assert_eq!(heard, "GET /b");
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for headers in [
            "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\ncontent-length: 3\r\n",
            "Content-Length: 3\r\nContent-Length: 3\r\n",
            "Content-Length: 0\r\nContent-Length: 0\r\n",
            "Content-Length: +3\r\n",
            "Content-Length:\r\n",
            "Content-Length: 3, 3\r\n",
            "Content-Length: 99999999999999999999\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: identity\r\n",
            "Host: h\nContent-Length: 3\r\n",
            "X: a\r\n b\r\n",
            "X : a\r\n",
            "no colon\r\n",
        ] {
            let request = format!("PUT / HTTP/1.1\r\n{headers}\r\n");
            for cut in [1, 7, request.len()] {
                assert_eq!(read(request.as_bytes(), cut).unwrap_err(), StatusCode::BAD_REQUEST, "{headers}");
            }
        }
        let chunked = b"PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(read(chunked, 99).unwrap_err(), StatusCode::BAD_REQUEST);
        for long in [format!("X: {}\r\n", "a".repeat(MAX_HEAD)), "X: y\r\n".repeat(MAX_HEADERS + 1)] {
            let long = format!("GET / HTTP/1.1\r\n{long}\r\n");
            assert_eq!(read(long.as_bytes(), 9999).unwrap_err(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        }
    }

    #[test]
    fn an_answer_ends_as_it_says() {
        for (said, method, want) in [
            ("200 OK\r\nContent-Length: 2\r\n", "GET", Some((Rest::Octets(2), true))),
            ("200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n", "GET", Some((Rest::Octets(2), true))),
            ("200 OK\r\nContent-Length: 2\r\nConnection: Close\r\n", "GET", Some((Rest::Octets(2), false))),
            ("200 OK\r\nContent-Length: 2\r\n", "HEAD", Some((Rest::Nothing, true))),
            ("204 No Content\r\nContent-Length: 2\r\n", "GET", Some((Rest::Nothing, true))),
            ("304 Not Modified\r\nTransfer-Encoding: x\r\n", "GET", Some((Rest::Nothing, true))),
            ("200 OK\r\nTransfer-Encoding: Chunked\r\n", "GET", Some((Rest::CHUNKED, true))),
            ("200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n", "GET", Some((Rest::CHUNKED, false))),
            ("200 OK\r\n", "GET", Some((Rest::UntilClosed, false))),
            ("200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n", "GET", None),
            ("200 OK\r\nContent-Length: +2\r\n", "GET", None),
            ("200 OK\r\nTransfer-Encoding: gzip, chunked\r\n", "GET", None),
            ("200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", "GET", None),
        ] {
            let mut heard = BytesMut::from(format!("HTTP/1.1 {said}\r\n").as_bytes());
            let got = answer(&mut heard, &Method::from_bytes(method.as_bytes()).unwrap());
            assert_eq!(got.ok().flatten().map(|got| (got.body, got.goes_on)), want, "{said} {method}");
        }
        let mut old = BytesMut::from(&b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n"[..]);
        assert!(!answer(&mut old, &Method::GET).unwrap().unwrap().goes_on);
        let mut half = BytesMut::from(&b"HTTP/1.1 200 OK\r\n"[..]);
        assert!(answer(&mut half, &Method::GET).unwrap().is_none() && half.len() == 17);
        assert!(answer(&mut BytesMut::from(&b"* OK IMAP4rev1\r\n"[..]), &Method::GET).is_err());
    }
}
