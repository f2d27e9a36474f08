//! Bodies of requests, which have to keep coming: else whoever is signed in
//! holds a connection, and room that was set aside for an upload, for ever.

use std::{
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Sleep, sleep};

use super::{body::BodyError, connection::Received};

/// A body that fails when nothing of it comes for a while.
pub(super) struct Steady {
    body: Source,
    patience: Duration,
    /// Since somebody waits for the client; not while nobody reads.
    waiting: Option<Pin<Box<Sleep>>>,
    stalled: Stalled,
}

/// Where it comes from.
pub(super) enum Source {
    /// A connection that carries one request at a time.
    Alone(Received),
    /// One of HTTP/2.
    Among(Incoming),
}

/// Tells that it has failed so.
#[derive(Clone, Debug, Default)]
pub(super) struct Stalled(Arc<AtomicBool>);

impl Stalled {
    pub(super) fn is_true(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl Steady {
    pub(super) fn new(body: Source, patience: Duration, stalled: Stalled) -> Self {
        Self { body, patience, waiting: None, stalled }
    }
}

/// Why there is no more of it.
#[derive(Debug)]
pub(super) enum Broken {
    Connection(BodyError),
    Stalled,
    /// It is longer or shorter than its head says.
    Length,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(error) => error.fmt(f),
            Self::Stalled => f.write_str("nothing more of the body came in time"),
            Self::Length => f.write_str("the body is not as long as its head says"),
        }
    }
}

impl Error for Broken {}

impl http_body::Body for Steady {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let polled = match &mut self.body {
            Source::Alone(body) => Pin::new(body).poll_frame(cx).map_err(|error| Broken::Connection(error.into())),
            Source::Among(body) => Pin::new(body).poll_frame(cx).map_err(|error| Broken::Connection(error.into())),
        };
        if polled.is_ready() {
            self.waiting = None;
            return polled;
        }
        let patience = self.patience;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(patience)));
        std::task::ready!(waiting.as_mut().poll(cx));
        self.stalled.0.store(true, Ordering::Release);
        Poll::Ready(Some(Err(Broken::Stalled)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            Source::Alone(body) => body.is_end_stream(),
            Source::Among(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Source::Alone(body) => body.size_hint(),
            Source::Among(body) => body.size_hint(),
        }
    }
}
