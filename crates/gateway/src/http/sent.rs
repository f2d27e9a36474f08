//! The body of a request, on its way to the server behind.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::sync::watch;

use super::steady::{Broken, Steady};

/// What a client sends, without trailers: they would be headers that nobody checked.
pub(super) struct Sent {
    what: What,
    awaited: watch::Sender<Awaited>,
}

/// Where it comes from.
pub(super) enum What {
    /// As it comes.
    Streaming(Steady),
    /// Read already, or ours; `None` once it is sent.
    Whole(Option<Bytes>),
}

/// Tells who is waited for.
pub(super) struct Progress(watch::Receiver<Awaited>);

/// Who is waited for while a request is carried over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    /// To send more of the body; [`Steady`] sees to it that it does.
    Client,
    /// To take what there is of it, and to answer.
    Server,
}

impl What {
    pub(super) const NOTHING: Self = Self::Whole(None);

    pub(super) fn whole(octets: impl Into<Bytes>) -> Self {
        Self::Whole(Some(octets.into()).filter(|octets| !octets.is_empty()))
    }

    pub(super) fn is_nothing(&self) -> bool {
        match self {
            Self::Streaming(body) => http_body::Body::is_end_stream(body),
            Self::Whole(body) => body.as_ref().is_none_or(Bytes::is_empty),
        }
    }
}

impl Sent {
    pub(super) fn new(what: What) -> (Self, Progress) {
        let (awaited, changes) = watch::channel(Awaited::Server);
        (Self { what, awaited }, Progress(changes))
    }

    pub(super) fn into_what(self) -> What {
        self.what
    }
}

impl Progress {
    /// Returns when the server was waited for so long. Most answer when they
    /// have all of a body, which may take as long as it likes to come.
    pub(super) async fn stops(mut self, patience: Duration) {
        loop {
            let awaited = *self.0.borrow_and_update();
            let changed = match awaited {
                Awaited::Client => self.0.changed().await,
                Awaited::Server => match tokio::time::timeout(patience, self.0.changed()).await {
                    Ok(changed) => changed,
                    Err(_) => return,
                },
            };
            if changed.is_err() {
                // The body is over: only the answer is left.
                return tokio::time::sleep(patience).await;
            }
        }
    }
}

impl http_body::Body for Sent {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let polled = match &mut self.what {
            What::Streaming(body) => Pin::new(body).poll_frame(cx),
            What::Whole(body) => Poll::Ready(body.take().map(|octets| Ok(Frame::data(octets)))),
        };
        self.awaited.send_replace(if polled.is_pending() { Awaited::Client } else { Awaited::Server });
        match polled {
            Poll::Ready(Some(Ok(frame))) if frame.is_trailers() => Poll::Ready(None),
            other => other,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.what.is_nothing()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.what {
            What::Streaming(body) => body.size_hint(),
            What::Whole(body) => SizeHint::with_exact(body.as_ref().map_or(0, |octets| octets.len() as u64)),
        }
    }
}
