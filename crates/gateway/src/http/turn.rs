//! Whose turn it is on a connection: each request signs in for itself, and its
//! session lives until its answer has left.
//!
//! An answer's body is done before its last octets are written, so the session
//! is let go of by the flush that follows. The next request of the connection
//! waits for that: no octet goes out under a session that it is not part of.

use std::{
    future::pending,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use keeper::{Holder, LiveSession};
use tokio::sync::watch;

use super::body::{Body, BodyError, from_body};

/// Shared by a connection, its requests and their answers.
#[derive(Clone)]
pub(super) struct Turn(Arc<Inner>);

struct Inner {
    holder: Holder,
    session: watch::Sender<Option<Arc<LiveSession>>>,
    /// The body of the answer is done; what is buffered is left to write.
    done: AtomicBool,
}

impl Turn {
    /// A connection under `holder`, which nobody has signed in on.
    pub(super) fn new(holder: Holder) -> Self {
        Self(Arc::new(Inner { holder, session: watch::Sender::new(None), done: AtomicBool::new(false) }))
    }

    /// Waits until the answer before has left.
    pub(super) async fn comes(&self) {
        // An error would mean that there is no sender; it is ours.
        let _ = self.0.session.subscribe().wait_for(Option::is_none).await;
    }

    /// From now on all that passes is this session's.
    pub(super) fn take(&self, session: Arc<LiveSession>) {
        self.0.done.store(false, Ordering::Release);
        self.0.holder.hold(&session);
        self.0.session.send_replace(Some(session));
    }

    /// The body after which the turn is over.
    pub(super) fn last(&self, body: Body) -> Body {
        from_body(Last { body, _done: Done(self.0.clone()) })
    }

    /// Returns when a session is ended while it has the turn.
    pub(super) async fn is_cut_short(&self) {
        let mut changes = self.0.session.subscribe();
        loop {
            let session = changes.borrow_and_update().clone();
            let ended = async {
                match &session {
                    Some(session) => session.ended().await,
                    None => pending().await,
                }
            };
            tokio::select! {
                () = ended => return,
                _ = changes.changed() => {}
            }
        }
    }

    /// All that was written has left.
    pub(super) fn flushed(&self) {
        if self.0.done.swap(false, Ordering::AcqRel) {
            // First the connection, then the session: its end closes the gate.
            self.0.holder.release();
            self.0.session.send_replace(None);
        }
    }
}

struct Done(Arc<Inner>);

impl Drop for Done {
    fn drop(&mut self) {
        self.0.done.store(true, Ordering::Release);
    }
}

struct Last {
    body: Body,
    _done: Done,
}

impl http_body::Body for Last {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
