//! Connections to the server behind, kept for the next request.
//!
//! A connection belongs to one request at a time, which drives it itself: no
//! task of its own carries it. So a request that is cut off takes its connection
//! with it where it stands, whatever was still to come; and one comes back here
//! only when its answer has been read to the end and it has nothing else to say.
//! Before the next request it is looked at once more: one that has said
//! anything meanwhile is dropped, since that would be taken for the answer.

use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as _, Frame, SizeHint};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, sleep};

use super::{
    sent::Sent,
    wire::{Heard, Wire},
};
use crate::Upstream;

/// Idle connections are dropped before common servers do it: one that is closed
/// just as a request goes out costs that request.
const IDLE: Duration = Duration::from_secs(3);
/// How many are kept.
const MOST: usize = 64;

/// The connections to one server.
#[derive(Clone)]
pub(super) struct Pool(Arc<Inner>);

struct Inner {
    upstream: Upstream,
    patience: Duration,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    /// The one that was used last is the last.
    lines: VecDeque<(Instant, Line)>,
    /// Somebody sees to it that they go.
    is_swept: bool,
}

/// What reads and writes, whenever it is polled.
type Driven = Pin<Box<http1::Connection<TokioIo<Wire>, Sent>>>;

/// One connection.
pub(super) struct Line {
    sender: http1::SendRequest<Sent>,
    /// `None` once it is over.
    connection: Option<Driven>,
    heard: Heard,
}

/// Why a request has no answer.
pub(super) struct Failed {
    pub(super) error: hyper::Error,
    /// The request, if nothing of it was sent.
    pub(super) unsent: Option<Request<Sent>>,
    /// The server had begun to answer.
    pub(super) has_spoken: bool,
}

impl Pool {
    /// A server that takes nothing for as long as `patience` loses its connection.
    pub(super) fn new(upstream: Upstream, patience: Duration) -> Self {
        Self(Arc::new(Inner { upstream, patience, idle: Mutex::default() }))
    }

    pub(super) fn upstream(&self) -> &Upstream {
        &self.0.upstream
    }

    /// A connection that was used before, and is fit to be used again.
    pub(super) async fn kept(&self) -> Option<Line> {
        loop {
            let mut line = self.0.take()?;
            if poll_fn(|cx| Poll::Ready(line.is_at_rest(cx))).await {
                return Some(line);
            }
        }
    }

    /// A new one.
    pub(super) async fn opened(&self) -> io::Result<Line> {
        let heard = Heard::default();
        let wire = Wire::new(self.0.upstream.connect().await?, heard.clone(), self.0.patience);
        let (sender, connection) = http1::handshake(TokioIo::new(wire)).await.map_err(io::Error::other)?;
        Ok(Line { sender, connection: Some(Box::pin(connection)), heard })
    }

    /// The body of an answer, after which its connection is kept.
    pub(super) async fn answering(&self, body: Incoming, line: Line) -> Answering {
        let mut answering = Answering { body, line: Some(line), pool: self.clone(), broken: None };
        // Nobody would ask for any of it, and so notice its end.
        if answering.body.is_end_stream() {
            poll_fn(|cx| {
                answering.end(cx);
                Poll::Ready(())
            })
            .await;
        }
        answering
    }

    fn keep(&self, line: Line) {
        let mut idle = self.0.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.lines.len() == MOST {
            idle.lines.pop_front();
        }
        idle.lines.push_back((Instant::now(), line));
        if !idle.is_swept {
            idle.is_swept = true;
            tokio::spawn(sweep(Arc::downgrade(&self.0)));
        }
    }
}

impl Inner {
    fn take(&self) -> Option<Line> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, line) = idle.lines.pop_back()?;
        if since.elapsed() < IDLE {
            return Some(line);
        }
        idle.lines.clear();
        None
    }
}

/// Lets those go that nobody has used for a while.
async fn sweep(pool: std::sync::Weak<Inner>) {
    loop {
        sleep(IDLE).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut idle = pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.lines.retain(|(since, _)| since.elapsed() < IDLE);
        if idle.lines.is_empty() {
            idle.is_swept = false;
            return;
        }
    }
}

impl Line {
    /// Carries a request over and reads the head of its answer.
    pub(super) async fn ask(&mut self, request: Request<Sent>) -> Result<Response<Incoming>, Failed> {
        let before = self.heard.so_far();
        let mut connection = self.connection.take();
        let answered = {
            let mut answering = pin!(self.sender.try_send_request(request));
            poll_fn(|cx| {
                if let Poll::Ready(answer) = answering.as_mut().poll(cx) {
                    return Poll::Ready(answer);
                }
                drive(&mut connection, cx);
                answering.as_mut().poll(cx)
            })
            .await
        };
        self.connection = connection;
        answered.map_err(|mut error| {
            let unsent = error.take_message();
            Failed { unsent, error: error.into_error(), has_spoken: self.heard.so_far() != before }
        })
    }

    /// True if the next request can go out, and nothing is left of the last one.
    fn is_at_rest(&mut self, cx: &mut Context<'_>) -> bool {
        drive(&mut self.connection, cx);
        self.connection.is_some() && self.sender.is_ready()
    }
}

/// Reads and writes what there is to be read and written.
fn drive(connection: &mut Option<Driven>, cx: &mut Context<'_>) {
    if let Some(driven) = connection
        && driven.as_mut().poll(cx).is_ready()
    {
        // What went wrong is told to whoever waits for the answer.
        *connection = None;
    }
}

/// The body of an answer.
pub(super) struct Answering {
    body: Incoming,
    line: Option<Line>,
    pool: Pool,
    broken: Option<hyper::Error>,
}

impl Answering {
    /// Gives the connection back, if it is good for another request.
    fn end(&mut self, cx: &mut Context<'_>) {
        if let Some(mut line) = self.line.take()
            && line.is_at_rest(cx)
        {
            self.pool.keep(line);
        }
    }
}

impl http_body::Body for Answering {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = &mut *self;
        if let Some(error) = this.broken.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let mut polled = Pin::new(&mut this.body).poll_frame(cx);
        if polled.is_pending()
            && let Some(line) = &mut this.line
        {
            drive(&mut line.connection, cx);
            polled = Pin::new(&mut this.body).poll_frame(cx);
        }
        match polled {
            Poll::Ready(Some(Err(error))) => {
                // First what has come leaves: hyper drops it with the connection.
                (this.line, this.broken) = (None, Some(error));
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(None) => {
                this.end(cx);
                Poll::Ready(None)
            }
            Poll::Ready(Some(Ok(frame))) => {
                if this.body.is_end_stream() {
                    this.end(cx);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
