//! Answers, as they are written in HTTP/1.1.

use std::{future::poll_fn, io, io::Write as _, pin::Pin, task::Poll};

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderValue, Method, Response, StatusCode, Version, header, request, response::Parts};
use http_body::Body as _;

use super::{
    body::Body,
    connection::{AT_ONCE, Connection},
    response_policy,
};

/// To which request an answer is.
#[derive(Clone, Copy, Debug)]
pub(super) struct To {
    is_head: bool,
    version: Version,
    policy: Policy,
}

/// What browsers are told of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Policy {
    /// That of doors: [`response_policy`].
    OfDoors,
    /// Whoever made it has said so.
    ItsOwn,
}

/// How the client sees where the body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    /// There is none.
    Nothing,
    /// So much is left of it.
    After(u64),
    InChunks,
    /// With the connection.
    Closing,
}

impl To {
    pub(super) fn new(request: &request::Parts) -> Self {
        Self { is_head: request.method == Method::HEAD, version: request.version, policy: Policy::OfDoors }
    }

    /// An answer of the pages beside a door, which have cookies and a policy of their own.
    pub(super) fn of_pages(self) -> Self {
        Self { policy: Policy::ItsOwn, ..self }
    }

    /// To what cannot be read, close to nothing is known.
    pub(super) const MALFORMED: Self = Self { is_head: false, version: Version::HTTP_11, policy: Policy::OfDoors };

    fn ends(self, answer: &mut Parts, body: &Body) -> Ends {
        let headers = &mut answer.headers;
        headers.remove(header::TRANSFER_ENCODING);
        if answer.status == StatusCode::NO_CONTENT || answer.status.is_informational() {
            headers.remove(header::CONTENT_LENGTH);
            return Ends::Nothing;
        }
        let said = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let length = said.or_else(|| body.size_hint().exact());
        if answer.status == StatusCode::NOT_MODIFIED {
            return Ends::Nothing;
        }
        if let (None, Some(length)) = (said, length)
            && !(self.is_head && length == 0)
        {
            headers.insert(header::CONTENT_LENGTH, length.into());
        }
        match length {
            _ if self.is_head => Ends::Nothing,
            Some(length) => Ends::After(length),
            None if self.version == Version::HTTP_11 => {
                headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
                Ends::InChunks
            }
            None => Ends::Closing,
        }
    }
}

/// Writes an answer, under the policy of data doors. False if it was the last on this connection: also if it
/// `goes_on` in every other way.
///
/// # Errors
/// The client does not take it, or it broke off: no part of it is to be taken for
/// the whole.
pub(super) async fn answer(
    connection: &Connection,
    answer: Response<Body>,
    to: To,
    date: &HeaderValue,
    goes_on: bool,
) -> io::Result<bool> {
    let (mut head, mut body) = answer.into_parts();
    let mut ends = to.ends(&mut head, &body);
    let goes_on = goes_on && ends != Ends::Closing && !head.headers.contains_key(header::CONNECTION);
    let mut out = BytesMut::with_capacity(1024);
    write_head(&mut out, &head, to.policy, date, goes_on);
    connection.begins_to_answer();
    while ends != Ends::Nothing {
        let frame = poll_fn(|cx| match Pin::new(&mut body).poll_frame(cx) {
            Poll::Pending if !out.is_empty() => Poll::Ready(None),
            polled => polled.map(Some),
        });
        match frame.await {
            // The next is not there yet: what is can go.
            None => {
                connection.say(&mut out).await?;
                connection.flush().await?;
            }
            Some(Some(Ok(frame))) => {
                let Ok(data) = frame.into_data() else { continue };
                write_data(connection, &mut out, data, &mut ends).await?;
            }
            Some(None) => break,
            Some(Some(Err(error))) => {
                connection.say(&mut out).await?;
                connection.flush().await?;
                return Err(io::Error::other(error));
            }
        }
    }
    match ends {
        Ends::After(1..) => return Err(io::ErrorKind::UnexpectedEof.into()),
        Ends::InChunks => out.extend_from_slice(b"0\r\n\r\n"),
        _ => {}
    }
    connection.say(&mut out).await?;
    connection.flush().await?;
    Ok(goes_on)
}

fn write_head(out: &mut BytesMut, head: &Parts, policy: Policy, date: &HeaderValue, goes_on: bool) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(head.status.as_str().as_bytes());
    out.put_u8(b' ');
    out.extend_from_slice(head.status.canonical_reason().unwrap_or_default().as_bytes());
    let passes = |name| policy == Policy::ItsOwn || response_policy::passes(name);
    let of_answer = head.headers.iter().filter(|(name, _)| passes(name) && *name != header::CONNECTION);
    let on_every_answer = match policy {
        Policy::OfDoors => &response_policy::ON_EVERY_ANSWER[..],
        Policy::ItsOwn => &[],
    };
    let policy = on_every_answer.iter().map(|(name, value)| (name, value));
    let close = (&header::CONNECTION, &HeaderValue::from_static("close"));
    let dated = (&header::DATE, date);
    let own = [(!goes_on).then_some(close), (!head.headers.contains_key(header::DATE)).then_some(dated)];
    for (name, value) in of_answer.chain(policy).chain(own.into_iter().flatten()) {
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
    }
    out.extend_from_slice(b"\r\n\r\n");
}

async fn write_data(connection: &Connection, out: &mut BytesMut, data: Bytes, ends: &mut Ends) -> io::Result<()> {
    let mut data = data;
    match ends {
        Ends::InChunks if !data.is_empty() => {
            write!(out.writer(), "{:x}\r\n", data.len())?;
            out.extend_from_slice(&data);
            out.extend_from_slice(b"\r\n");
        }
        Ends::After(left) => {
            *left = left.checked_sub(data.len() as u64).ok_or(io::ErrorKind::InvalidData)?;
            if out.is_empty() {
                return connection.say(&mut data).await;
            }
            out.extend_from_slice(&data);
        }
        _ => out.extend_from_slice(&data),
    }
    if out.len() >= AT_ONCE {
        connection.say(out).await?;
    }
    Ok(())
}
