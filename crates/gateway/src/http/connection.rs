//! A client's connection in HTTP/1.1: one request after the other, each read and
//! answered in one place, so that what was checked is what was read.

use std::{
    future::poll_fn,
    io,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use front::Stream;
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};
use keeper::Fenced;
use protocols::http::{
    Rest,
    head::{self, Asked},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    time::timeout,
};

/// As much of a body is read at once, in octets.
pub(super) const AT_ONCE: usize = 32 * 1024;
/// So much of what a client goes on to say is listened to after the last word, so
/// that it hears that: a socket that is closed over unread octets takes it back.
const LINGER: (usize, Duration) = (256 * 1024, Duration::from_secs(1));

/// A client's connection; shared with the body of the request that is being answered.
#[derive(Clone)]
pub(super) struct Connection(Arc<Mutex<Inner>>);

struct Inner {
    io: Fenced<Stream>,
    heard: BytesMut,
    /// How much of it is known to be no whole head.
    looked_through: usize,
    /// Of the request that is being answered.
    body: Rest,
    /// What the client waits for before it sends the body.
    go_ahead: &'static [u8],
}

/// The body of the request that is being answered.
pub(super) struct Received {
    connection: Connection,
    /// Nothing of it was taken yet, and it is so long.
    length: Option<u64>,
}

impl Connection {
    pub(super) fn new(io: Fenced<Stream>) -> Self {
        let (heard, body) = (BytesMut::new(), Rest::Nothing);
        Self(Arc::new(Mutex::new(Inner { io, heard, looked_through: 0, body, go_ahead: b"" })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next request; `None` at the end. To what is malformed an answer is due,
    /// and the end of the connection.
    pub(super) fn poll_head(&self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Result<Asked, StatusCode>>>> {
        let inner = &mut *self.inner();
        loop {
            // Only the end of a line can end a head: a client that sends single
            // octets does not make us read all of it at each.
            if inner.heard[inner.looked_through..].contains(&b'\n') || inner.heard.len() > head::MAX_HEAD {
                match head::request(&mut inner.heard) {
                    Err(status) => return Poll::Ready(Ok(Some(Err(status)))),
                    Ok(Some(mut asked)) => {
                        inner.looked_through = 0;
                        inner.go_ahead = if asked.waits { b"HTTP/1.1 100 Continue\r\n\r\n" } else { b"" };
                        inner.body = std::mem::replace(&mut asked.body, Rest::Nothing);
                        return Poll::Ready(Ok(Some(Ok(asked))));
                    }
                    Ok(None) => {}
                }
            }
            inner.looked_through = inner.heard.len();
            if ready!(inner.poll_hear(cx))? == 0 {
                return Poll::Ready(Ok(None));
            }
        }
    }

    /// Nothing of the next request has come.
    pub(super) fn is_quiet(&self) -> bool {
        self.inner().heard.is_empty()
    }

    /// The body of the request whose head came last.
    pub(super) fn body(&self) -> Received {
        let length = self.inner().body.length();
        Received { connection: self.clone(), length }
    }

    /// True if all of the request has been read, and what follows is the next. What
    /// of it has come and nobody wanted is thrown away.
    pub(super) fn is_read(&self) -> bool {
        let inner = &mut *self.inner();
        while let Ok(Some(_)) = inner.body.take(&mut inner.heard) {}
        inner.body.is_over()
    }

    /// Returns when the client has gone. Only watched while nothing more of it is
    /// there to be read.
    pub(super) async fn is_left(&self) {
        poll_fn(|cx| {
            let inner = &mut *self.inner();
            if !inner.body.is_over() || !inner.heard.is_empty() {
                return Poll::Pending;
            }
            match ready!(inner.poll_hear(cx)) {
                Ok(1..) => Poll::Pending,
                Ok(0) | Err(_) => Poll::Ready(()),
            }
        })
        .await;
    }

    /// An answer has begun: nobody is told to go ahead any more.
    pub(super) fn begins_to_answer(&self) {
        self.inner().go_ahead = b"";
    }

    /// Says this, all of it.
    pub(super) async fn say(&self, octets: &mut impl Buf) -> io::Result<()> {
        poll_fn(|cx| {
            let inner = &mut *self.inner();
            while octets.has_remaining() {
                match ready!(Pin::new(&mut inner.io).poll_write(cx, octets.chunk()))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    count => octets.advance(count),
                }
            }
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// Returns when all that was said has left.
    pub(super) async fn flush(&self) -> io::Result<()> {
        poll_fn(|cx| Pin::new(&mut self.inner().io).poll_flush(cx)).await
    }

    /// The end, in such a way that the last word is heard.
    pub(super) async fn close(&self) {
        let (most, time) = LINGER;
        let closing = async {
            poll_fn(|cx| Pin::new(&mut self.inner().io).poll_shutdown(cx)).await?;
            let mut heard = 0;
            while heard < most {
                match poll_fn(|cx| self.inner().poll_throw_away(cx)).await? {
                    0 => break,
                    count => heard += count,
                }
            }
            Ok::<_, io::Error>(())
        };
        let _ = timeout(time, closing).await;
    }
}

impl Inner {
    /// Reads what there is, of a head. A connection that waits holds no room for it.
    fn poll_hear(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut room = [const { std::mem::MaybeUninit::uninit() }; 4096];
        let mut room = ReadBuf::uninit(&mut room);
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut room))?;
        self.heard.extend_from_slice(room.filled());
        Poll::Ready(Ok(room.filled().len()))
    }

    fn poll_throw_away(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.heard.clear();
        self.poll_hear(cx)
    }

    /// More of the body that is being read.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        loop {
            let taken = self.body.take(&mut self.heard);
            if let Some(data) = taken.map_err(|malformed| io::Error::new(io::ErrorKind::InvalidData, malformed))? {
                return Poll::Ready(Ok(Some(data)));
            }
            if self.body.is_over() {
                return Poll::Ready(Ok(None));
            }
            if !self.go_ahead.is_empty() {
                while !self.go_ahead.is_empty() {
                    let count = ready!(Pin::new(&mut self.io).poll_write(cx, self.go_ahead))?;
                    self.go_ahead = &self.go_ahead[count..];
                }
                ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            }
            self.heard.reserve(AT_ONCE);
            if ready!(pin!(self.io.read_buf(&mut self.heard)).poll(cx))? == 0 {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        let inner = &mut *this.connection.inner();
        let data = ready!(inner.poll_body(cx));
        this.length = inner.body.length();
        Poll::Ready(data.transpose().map(|data| data.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.length == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
