//! A connection on which nothing passes once its session has ended: where the gate
//! of a [`LiveSession`] is asked, across one non-blocking call at a time.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{
    LiveSession,
    live_session::{Session, lock},
    sync::Mutex,
};

/// The session that a connection is under at the moment. Cheap to clone.
///
/// Empty at first: a connection that nobody is signed in on may be written to
/// freely (greetings, refusals). HTTP puts each request's session in, in turn.
#[derive(Clone, Default)]
pub struct Holder(Arc<Mutex<Option<Arc<Session>>>>);

impl Holder {
    /// From now on the connection is under this session.
    pub fn hold(&self, session: &LiveSession) {
        *lock(&self.0) = Some(session.session());
    }

    /// From now on the connection is under no session: what is said next is
    /// said to nobody in particular. Only for what comes from Postern itself.
    pub fn release(&self) {
        *lock(&self.0) = None;
    }

    fn pass<T>(&self, io: impl FnOnce() -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let held = lock(&self.0);
        match held.as_deref() {
            None => io(),
            Some(session) => session.while_open(io).unwrap_or_else(|| {
                Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the session was ended")))
            }),
        }
    }
}

/// A connection on which nothing passes once its session has ended.
pub struct Fenced<S> {
    io: S,
    holder: Holder,
}

impl<S> Fenced<S> {
    /// Puts `io` under whatever `holder` holds.
    pub fn new(io: S, holder: Holder) -> Self {
        Self { io, holder }
    }

    /// The connection itself, for a last word.
    pub fn into_inner(self) -> S {
        self.io
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Fenced<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.holder.pass(|| Pin::new(&mut this.io).poll_read(cx, buf))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Fenced<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        this.holder.pass(|| Pin::new(&mut this.io).poll_write(cx, buf))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.holder.pass(|| Pin::new(&mut this.io).poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.holder.pass(|| Pin::new(&mut this.io).poll_shutdown(cx))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        this.holder.pass(|| Pin::new(&mut this.io).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
