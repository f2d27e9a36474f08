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

/// A body that fails when nothing of it comes for a while.
pub(super) struct Steady {
    body: Incoming,
    patience: Duration,
    /// Since somebody waits for the client; not while nobody reads.
    waiting: Option<Pin<Box<Sleep>>>,
    stalled: Stalled,
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
    pub(super) fn new(body: Incoming, patience: Duration, stalled: Stalled) -> Self {
        Self { body, patience, waiting: None, stalled }
    }
}

/// Why there is no more of it.
#[derive(Debug)]
pub(super) enum Broken {
    Connection(hyper::Error),
    Stalled,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(error) => error.fmt(f),
            Self::Stalled => f.write_str("nothing more of the body came in time"),
        }
    }
}

impl Error for Broken {}

impl http_body::Body for Steady {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            self.waiting = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(Broken::Connection)));
        }
        let patience = self.patience;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(patience)));
        std::task::ready!(waiting.as_mut().poll(cx));
        self.stalled.0.store(true, Ordering::Release);
        Poll::Ready(Some(Err(Broken::Stalled)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
