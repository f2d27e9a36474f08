//! Carries a session between the client and the server behind, until one of
//! them, or the owner, ends it.
//!
//! An idle session holds no buffer: what is read lies in one scratch of 64 KiB
//! per thread, and only what the other side would not take at once is kept.

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use fingerprint::Dialogue;
use protocols::{imap, smtp};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; 64 * 1024].into_boxed_slice());
}

/// One way of a session.
#[derive(Debug, Default)]
pub(crate) struct Way {
    /// Read, and not yet taken by the other side; empty unless that is slow.
    kept: Vec<u8>,
    /// How much of it has been taken.
    taken: usize,
    flow: Flow,
    /// Written since the last flush: TLS keeps records back until then.
    unflushed: bool,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Flow {
    #[default]
    Open,
    /// The source has said all; the sink is to be told.
    Ending,
    Ended,
}

impl Way {
    /// A way on which these bytes go first.
    pub(crate) fn beginning_with(first: Vec<u8>) -> Self {
        Self { kept: first, ..Self::default() }
    }

    /// True if the sink is behind: a word of ours would land within the bytes
    /// that it lacks, or push on those that TLS still holds.
    pub(crate) fn is_behind(&self) -> bool {
        self.unflushed || !self.kept.is_empty()
    }

    fn poll<R, W>(&mut self, cx: &mut Context<'_>, source: &mut R, sink: &mut W) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            ready!(self.poll_kept(cx, sink))?;
            match self.flow {
                Flow::Ended => return Poll::Ready(Ok(())),
                Flow::Ending => {
                    ready!(Pin::new(&mut *sink).poll_shutdown(cx))?;
                    self.flow = Flow::Ended;
                }
                Flow::Open => match self.poll_once(cx, source, sink) {
                    Poll::Ready(Ok(0)) => self.flow = Flow::Ending,
                    Poll::Ready(Ok(_)) => self.unflushed = true,
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => {
                        if self.unflushed {
                            ready!(Pin::new(&mut *sink).poll_flush(cx))?;
                            self.unflushed = false;
                        }
                        return Poll::Pending;
                    }
                },
            }
        }
    }

    /// Gets rid of what is kept, and of the memory that it took.
    fn poll_kept<W: AsyncWrite + Unpin>(&mut self, cx: &mut Context<'_>, sink: &mut W) -> Poll<io::Result<()>> {
        while self.taken < self.kept.len() {
            let taken = ready!(Pin::new(&mut *sink).poll_write(cx, &self.kept[self.taken..]))?;
            if taken == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.taken += taken;
            self.unflushed = true;
        }
        (self.kept, self.taken) = (Vec::new(), 0);
        Poll::Ready(Ok(()))
    }

    /// Ready when all that is kept has been handed over, and pushed out; and, if
    /// the source has ended, that is told.
    fn poll_gone<W: AsyncWrite + Unpin>(&mut self, cx: &mut Context<'_>, sink: &mut W) -> io::Result<Poll<()>> {
        if self.poll_kept(cx, sink)?.is_pending() {
            return Ok(Poll::Pending);
        }
        if self.unflushed {
            if Pin::new(&mut *sink).poll_flush(cx)?.is_pending() {
                return Ok(Poll::Pending);
            }
            self.unflushed = false;
        }
        if self.flow == Flow::Ending {
            if Pin::new(sink).poll_shutdown(cx)?.is_pending() {
                return Ok(Poll::Pending);
            }
            self.flow = Flow::Ended;
        }
        Ok(Poll::Ready(()))
    }

    /// One reading, written as far as it goes. Returns how much was read.
    fn poll_once<R, W>(&mut self, cx: &mut Context<'_>, source: &mut R, sink: &mut W) -> Poll<io::Result<usize>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buf = ReadBuf::new(scratch);
            ready!(Pin::new(&mut *source).poll_read(cx, &mut buf))?;
            let read = buf.filled();
            let mut written = 0;
            while written < read.len() {
                match Pin::new(&mut *sink).poll_write(cx, &read[written..]) {
                    Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    Poll::Ready(Ok(n)) => written += n,
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => {
                        self.kept = read[written..].to_vec();
                        break;
                    }
                }
            }
            Poll::Ready(Ok(read.len()))
        })
    }
}

/// What passes in a session, and how it is watched.
#[derive(Debug)]
pub enum Traffic {
    /// Octets that need no watching: nobody can become somebody else in them.
    AsItComes,
    /// IMAP, until the client has shown itself; then as it comes.
    Imap(Box<imap::Provisional>),
    /// Commands of SMTP, each looked at.
    Smtp(Box<smtp::Session>),
}

/// Why a relay stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// The server behind has ended the session.
    Over,
    /// The client has shown itself: it is to be judged, and what it shows is held.
    Shown,
}

impl Traffic {
    /// The way to the server behind, on which goes first what the client sent ahead.
    pub(crate) fn begin(&mut self, pipelined: Vec<u8>, to_client: &mut Way) -> io::Result<Way> {
        let mut up = Way::default();
        match self {
            Self::AsItComes => up.kept = pipelined,
            watched => watched.client(&pipelined, &mut up.kept, &mut to_client.kept)?,
        }
        Ok(up)
    }

    /// True once there is all of a client that it takes to judge it.
    fn is_shown(&self) -> bool {
        match self {
            Self::AsItComes => false,
            Self::Imap(session) => session.is_shown(),
            Self::Smtp(session) => session.is_shown(),
        }
    }

    /// What was seen so far of a client that is not known.
    pub(crate) fn dialogue(&self) -> Option<Dialogue> {
        match self {
            Self::AsItComes => None,
            Self::Imap(session) => Some(session.dialogue()),
            Self::Smtp(session) => session.dialogue(),
        }
    }

    /// The client is admitted: what was held goes on.
    pub(crate) fn release(&mut self, up: &mut Way, down: &mut Way) -> io::Result<()> {
        match std::mem::replace(self, Self::AsItComes) {
            Self::AsItComes => {}
            Self::Imap(session) => up.kept.extend(session.release()),
            Self::Smtp(mut session) => {
                session.release(&mut up.kept, &mut down.kept).map_err(broken)?;
                *self = Self::Smtp(session);
            }
        }
        Ok(())
    }

    fn listens(&self) -> bool {
        match self {
            Self::AsItComes => true,
            Self::Imap(_) => !self.is_shown(),
            Self::Smtp(session) => session.listens(),
        }
    }

    fn client(&mut self, octets: &[u8], up: &mut Vec<u8>, down: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::AsItComes => up.extend_from_slice(octets),
            Self::Imap(session) => session.feed(octets, up).map_err(broken)?,
            Self::Smtp(session) => session.client(octets, up, down).map_err(broken)?,
        }
        Ok(())
    }

    fn upstream(&mut self, octets: &[u8], up: &mut Vec<u8>, down: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::AsItComes | Self::Imap(_) => down.extend_from_slice(octets),
            Self::Smtp(session) => session.upstream(octets, up, down).map_err(broken)?,
        }
        Ok(())
    }
}

fn broken(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// Relays until the server behind has ended the session, the client is to be judged,
/// or a way has broken.
pub(crate) async fn relay<C, U>(
    client: &mut C,
    upstream: &mut U,
    traffic: &mut Traffic,
    to_upstream: &mut Way,
    to_client: &mut Way,
) -> io::Result<Stopped>
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    poll_fn(|cx| match &mut *traffic {
        Traffic::AsItComes => {
            let _half = to_upstream.poll(cx, client, upstream)?;
            // When the server behind has ended it, it is over: a client that lingers
            // would hold a session that nobody answers.
            to_client.poll(cx, upstream, client).map_ok(|()| Stopped::Over)
        }
        watched => poll_watched(cx, client, upstream, watched, to_upstream, to_client),
    })
    .await
}

/// Both ways at once, since what is read from one side may be answered to it, or
/// let go on what the other has said.
fn poll_watched<C, U>(
    cx: &mut Context<'_>,
    client: &mut C,
    upstream: &mut U,
    traffic: &mut Traffic,
    to_upstream: &mut Way,
    to_client: &mut Way,
) -> Poll<io::Result<Stopped>>
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    SCRATCH.with_borrow_mut(|scratch| {
        loop {
            let up = to_upstream.poll_gone(cx, upstream)?;
            let down = to_client.poll_gone(cx, client)?;
            if traffic.is_shown() && down.is_ready() {
                return Poll::Ready(Ok(Stopped::Shown));
            }
            let mut idle = true;
            if to_upstream.flow == Flow::Open && up.is_ready() && down.is_ready() && traffic.listens() {
                match poll_some(cx, client, scratch)? {
                    Poll::Ready([]) => {
                        to_upstream.flow = Flow::Ending;
                        idle = false;
                    }
                    Poll::Ready(read) => {
                        traffic.client(read, &mut to_upstream.kept, &mut to_client.kept)?;
                        idle = false;
                    }
                    Poll::Pending => {}
                }
            }
            if down.is_ready() {
                match poll_some(cx, upstream, scratch)? {
                    Poll::Ready([]) => return Poll::Ready(Ok(Stopped::Over)),
                    Poll::Ready(read) => {
                        traffic.upstream(read, &mut to_upstream.kept, &mut to_client.kept)?;
                        idle = false;
                    }
                    Poll::Pending => {}
                }
            }
            if idle {
                return Poll::Pending;
            }
        }
    })
}

fn poll_some<'a, R: AsyncRead + Unpin>(
    cx: &mut Context<'_>,
    source: &mut R,
    scratch: &'a mut [u8],
) -> io::Result<Poll<&'a [u8]>> {
    let mut buf = ReadBuf::new(scratch);
    match Pin::new(source).poll_read(cx, &mut buf)? {
        Poll::Pending => Ok(Poll::Pending),
        Poll::Ready(()) => {
            let length = buf.filled().len();
            Ok(Poll::Ready(&scratch[..length]))
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn every_byte_arrives_once_and_in_order_over_a_slow_link() {
        let (mut client, mut near) = duplex(7);
        let (mut far, mut server) = duplex(5);
        let (mut up, mut down) = (Way::beginning_with(b"first ".to_vec()), Way::default());
        let relaying =
            tokio::spawn(async move { relay(&mut near, &mut far, &mut Traffic::AsItComes, &mut up, &mut down).await });
        let sent: Vec<u8> = (0..10_000u32).flat_map(u32::to_be_bytes).collect();
        let talk = {
            let sent = sent.clone();
            async move {
                client.write_all(&sent).await.unwrap();
                client.shutdown().await.unwrap();
                let mut heard = Vec::new();
                client.read_to_end(&mut heard).await.unwrap();
                heard
            }
        };
        let serve = async move {
            let mut heard = Vec::new();
            server.read_to_end(&mut heard).await.unwrap();
            server.write_all(&heard).await.unwrap();
            server.shutdown().await.unwrap();
            heard
        };
        let (back, there) = tokio::join!(talk, serve);
        assert_eq!(there, [b"first ", &sent[..]].concat());
        assert_eq!(back, there);
        relaying.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_server_that_hangs_up_ends_the_session() {
        let (mut client, mut near) = duplex(64);
        let (mut far, server) = duplex(64);
        drop(server);
        let (mut up, mut down) = (Way::default(), Way::default());
        relay(&mut near, &mut far, &mut Traffic::AsItComes, &mut up, &mut down).await.unwrap();
        drop(near);
        assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);
    }
}
