//! A request, on its way to the server behind.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use http_body::Body as _;

use super::steady::{Broken, Steady};

/// So much of the body goes along with the head, if it is there by then.
const ALONG: usize = 16 * 1024;

/// What a client sends, without trailers: they would be headers that nobody checked.
pub(super) enum What {
    /// As it comes.
    Streaming(Steady),
    /// Read already, or ours.
    Whole(Bytes),
}

/// How the server behind sees where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    Nothing,
    Octets(u64),
    Chunks,
}

/// What of a request is still to be sent.
pub(super) struct Sending {
    /// Encoded.
    out: Bytes,
    body: Option<What>,
    length: Length,
    /// Something of it was taken.
    has_begun: bool,
}

/// What comes next.
pub(super) enum Step<'a> {
    Write(&'a [u8]),
    /// The client has to send more; [`Steady`] sees to it that it does.
    Awaits,
    Done,
    Broken(Broken),
}

impl What {
    pub(super) fn whole(octets: impl Into<Bytes>) -> Self {
        Self::Whole(octets.into())
    }

    pub(super) fn length(&self) -> Length {
        let length = match self {
            Self::Streaming(body) if body.is_end_stream() => Some(0),
            Self::Streaming(body) => body.size_hint().exact(),
            Self::Whole(body) => Some(body.len() as u64),
        };
        match length {
            None => Length::Chunks,
            Some(0) => Length::Nothing,
            Some(length) => Length::Octets(length),
        }
    }
}

impl Sending {
    /// `head` says of the body what [`What::length`] does.
    pub(super) fn new(head: Vec<u8>, body: What) -> Self {
        let length = body.length();
        let body = Some(body).filter(|_| length != Length::Nothing);
        Self { out: head.into(), body, length, has_begun: false }
    }

    /// The same once more, if that is possible.
    pub(super) fn again(&self) -> Option<Self> {
        let length = self.length;
        (length == Length::Nothing).then(|| Self { out: self.out.clone(), body: None, length, has_begun: false })
    }

    /// Something of it was taken.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    pub(super) fn is_done(&self) -> bool {
        self.out.is_empty() && self.body.is_none()
    }

    pub(super) fn was_taken(&mut self, count: usize) {
        self.has_begun |= count > 0;
        self.out.advance(count);
    }

    pub(super) fn step(&mut self, cx: &mut Context<'_>) -> Step<'_> {
        // As much as there is goes along with the head; then part by part.
        while self.body.is_some() && (self.out.is_empty() || !self.has_begun && self.out.len() <= ALONG) {
            let polled = match &mut self.body {
                Some(What::Streaming(body)) => Pin::new(body).poll_frame(cx),
                Some(What::Whole(body)) => {
                    let body = std::mem::take(body);
                    Poll::Ready(Some(body).filter(|body| !body.is_empty()).map(|body| Ok(http_body::Frame::data(body))))
                }
                None => Poll::Ready(None),
            };
            match polled {
                Poll::Pending if self.out.is_empty() => return Step::Awaits,
                Poll::Pending => break,
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data()
                        && let Err(broken) = self.encode(data)
                    {
                        return Step::Broken(broken);
                    }
                }
                Poll::Ready(Some(Err(broken))) => return Step::Broken(broken),
                Poll::Ready(None) => {
                    self.body = None;
                    match self.length {
                        Length::Octets(1..) => return Step::Broken(Broken::Length),
                        Length::Chunks => self.append(b"0\r\n\r\n"),
                        _ => {}
                    }
                }
            }
        }
        if self.out.is_empty() { Step::Done } else { Step::Write(&self.out) }
    }

    /// What would go beyond the length that the head says would be another request.
    fn encode(&mut self, data: Bytes) -> Result<(), Broken> {
        match &mut self.length {
            Length::Octets(left) => {
                *left = left.checked_sub(data.len() as u64).ok_or(Broken::Length)?;
                if *left == 0 {
                    self.body = None;
                }
                if self.out.is_empty() {
                    self.out = data;
                } else {
                    self.append(&data);
                }
            }
            Length::Chunks if !data.is_empty() => {
                let chunk = [format!("{:x}\r\n", data.len()).as_bytes(), &data, b"\r\n"].concat();
                self.append(&chunk);
            }
            Length::Chunks => {}
            Length::Nothing => return Err(Broken::Length),
        }
        Ok(())
    }

    fn append(&mut self, more: &[u8]) {
        self.out = [&self.out, more].concat().into();
    }
}
