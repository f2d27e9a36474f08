//! A TLS connection that holds no buffer while it has nothing to say.
//!
//! What comes in is decrypted in one scratch per thread and handed to whoever
//! asked; what goes out is encrypted there and handed to the socket. Kept are
//! the beginning of a record whose end has not come, what was decrypted and had
//! no room at the reader's, and what the socket would not take: each in memory
//! that goes when it is empty. A buffered connection of rustls keeps 4 KiB.
//!
//! Like any writer it pushes on what it holds only when it is polled to write,
//! to flush or to shut down. A session that has ended is polled no more.

use std::{
    cell::RefCell,
    fmt,
    future::poll_fn,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use rustls::{
    ProtocolVersion, ServerConfig,
    server::UnbufferedServerConnection,
    unbuffered::{ConnectionState, EncodeError, EncodeTlsData, UnbufferedStatus},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The longest record with its header (RFC 8446 section 5.2 and RFC 5246
/// section 6.2.3: 2^14 octets and 2048 of expansion).
const RECORD: usize = 5 + 16_384 + 2_048;
/// Encrypted with one call, and then handed to the socket with one. Twice as much was
/// slower: it falls out of the nearest cache in between.
const BATCH: usize = 32 * 1024;
/// Room for a batch with what encryption adds to its records, and for a message
/// about keys ahead of it. Also bounds what may be incomplete: a `ClientHello` with
/// the largest keys has some 2 KiB, a chain of certificates is not asked for.
const SCRATCH: usize = BATCH + 4 * 1024;

thread_local! {
    static OCTETS: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH].into_boxed_slice());
}

/// The server's end.
pub(crate) struct TlsStream<T> {
    io: T,
    tls: UnbufferedServerConnection,
    /// Read from the socket: the beginning of something whose end has not come.
    /// rustls remembers where it is with it, and wants to see it each time.
    incomplete: Vec<u8>,
    /// Decrypted, and not yet read.
    readable: Kept,
    /// Encrypted, and not yet taken by the socket.
    sendable: Kept,
    /// What is sendable are tickets to come back with, for which nobody waits: they go
    /// with the first words, in one piece.
    has_tickets: bool,
    /// All that came until the server had an answer: the client's hello, for whoever
    /// wants to know who is calling. rustls shows a part of it only.
    hello: Hello,
    /// The client's last word has come: `close_notify`.
    has_heard_all: bool,
    /// Ours is said.
    has_said_all: bool,
    /// The client broke the protocol: nothing that it sends or gets makes sense.
    is_broken: bool,
}

impl<T: AsyncRead + AsyncWrite + Unpin> TlsStream<T> {
    /// Answers the client's handshake, to its end.
    pub(crate) async fn accept(io: T, config: Arc<ServerConfig>) -> io::Result<Self> {
        let mut stream = Self {
            io,
            tls: UnbufferedServerConnection::new(config).map_err(invalid)?,
            incomplete: Vec::new(),
            readable: Kept::default(),
            sendable: Kept::default(),
            has_tickets: false,
            hello: Hello::Coming(Vec::new()),
            has_heard_all: false,
            has_said_all: false,
            is_broken: false,
        };
        poll_fn(|cx| {
            while stream.tls.is_handshaking() {
                ready!(stream.sendable.poll_into(cx, &mut stream.io))?;
                ready!(stream.poll_hear(cx, &mut ReadBuf::new(&mut [])))?;
            }
            // Before TLS 1.3 the server has the last word of a handshake.
            stream.has_tickets = stream.tls.protocol_version() == Some(ProtocolVersion::TLSv1_3);
            if stream.has_tickets { Poll::Ready(Ok(())) } else { Pin::new(&mut stream).poll_flush(cx) }
        })
        .await?;
        Ok(stream)
    }

    /// What was agreed on in the handshake, if anything was.
    pub(crate) fn alpn(&self) -> Option<&[u8]> {
        self.tls.alpn_protocol()
    }

    /// The records of the client's hello as they came, once: it is not kept for the
    /// life of the connection.
    pub(crate) fn take_hello(&mut self) -> Option<Vec<u8>> {
        match std::mem::replace(&mut self.hello, Hello::Taken) {
            Hello::Whole(records) => Some(records),
            Hello::Coming(_) | Hello::Taken => None,
        }
    }

    /// Reads once from the socket, and decrypts all that is complete then.
    fn poll_hear(&mut self, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        OCTETS.with_borrow_mut(|scratch| {
            let known = self.incomplete.len();
            scratch[..known].copy_from_slice(&self.incomplete);
            // No more than the reader has room for, and a record to make progress with.
            let most = (known + into.remaining() + RECORD).min(scratch.len());
            let mut room = ReadBuf::new(&mut scratch[known..most]);
            if room.remaining() == 0 {
                return Poll::Ready(Err(invalid("a message that is too long")));
            }
            ready!(Pin::new(&mut self.io).poll_read(cx, &mut room))?;
            let heard = room.filled().len();
            if heard == 0 {
                // Somebody on the way may have cut it: only the client's own
                // `close_notify` says that this was all (RFC 8446 section 6.1).
                return Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the client closed the connection without saying so in TLS",
                )));
            }
            self.hello.hear(&scratch[known..known + heard]);
            let understood = self.understand(&mut scratch[..known + heard], into);
            Poll::Ready(understood.map_err(|error| {
                self.break_off(cx);
                invalid(error)
            }))
        })
    }

    /// Decrypts `octets`, all that came since nothing was incomplete, and keeps their
    /// incomplete end.
    fn understand(&mut self, octets: &mut [u8], into: &mut ReadBuf<'_>) -> Result<(), rustls::Error> {
        let mut rest = octets;
        loop {
            let UnbufferedStatus { mut discard, state } = self.tls.process_tls_records(rest);
            let is_all = match state? {
                ConnectionState::ReadTraffic(mut records) => {
                    while let Some(record) = records.next_record() {
                        let record = record?;
                        discard += record.discard;
                        let (fits, surplus) = record.payload.split_at(record.payload.len().min(into.remaining()));
                        into.put_slice(fits);
                        self.readable.append(surplus);
                    }
                    false
                }
                ConnectionState::EncodeTlsData(data) => {
                    self.hello.is_answered();
                    encode(data, &mut self.sendable);
                    false
                }
                // It has gone where it waits to be sent.
                ConnectionState::TransmitTlsData(data) => {
                    data.done();
                    false
                }
                ConnectionState::PeerClosed | ConnectionState::Closed => {
                    self.has_heard_all = true;
                    // What follows is no part of it (RFC 8446 section 6.1).
                    discard = rest.len();
                    true
                }
                ConnectionState::BlockedHandshake | ConnectionState::WriteTraffic(_) => true,
                _ => return Err(rustls::Error::General("data came before the handshake".to_owned())),
            };
            rest = &mut std::mem::take(&mut rest)[discard..];
            if is_all {
                self.incomplete = rest.to_vec();
                return Ok(());
            }
        }
    }

    /// Tells the client what it has done wrong, as far as the socket takes it at once.
    fn break_off(&mut self, cx: &mut Context<'_>) {
        self.is_broken = true;
        self.incomplete = Vec::new();
        // Asked only while it has something to send: it would look for more in what is gone.
        while self.tls.wants_write() {
            match self.tls.process_tls_records(&mut []).state {
                Ok(ConnectionState::EncodeTlsData(data)) => encode(data, &mut self.sendable),
                _ => break,
            }
        }
        let _ = self.sendable.poll_into(cx, &mut self.io);
    }

    /// Encrypts this and hands it to the socket, behind tickets; what that does not
    /// take now is kept. Only when nothing else waits to be sent: records go in the
    /// order of their encryption.
    fn say(&mut self, cx: &mut Context<'_>, words: Words<'_>) -> io::Result<()> {
        OCTETS.with_borrow_mut(|scratch| {
            let state = self.tls.process_tls_records(&mut self.incomplete).state.map_err(invalid)?;
            let ConnectionState::WriteTraffic(mut traffic) = state else {
                return Err(io::ErrorKind::BrokenPipe.into());
            };
            let ahead = self.sendable.empty_into(scratch);
            let room = &mut scratch[ahead..];
            let sealed = match words {
                Words::Data(octets) => traffic.encrypt(octets, room),
                Words::Goodbye => traffic.queue_close_notify(room),
            };
            let mut rest = &scratch[..ahead + sealed.map_err(invalid)?];
            while !rest.is_empty() {
                match Pin::new(&mut self.io).poll_write(cx, rest) {
                    Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                    Poll::Ready(taken) => rest = &rest[taken?..],
                    Poll::Pending => {
                        self.sendable.append(rest);
                        break;
                    }
                }
            }
            Ok(())
        })
    }
}

/// The client's hello, as it came. After a HelloRetryRequest the first one counts
/// (RFC 8446 section 4.1.2: the second differs by what was asked for). Bounded by
/// what may be incomplete: see [`SCRATCH`].
enum Hello {
    Coming(Vec<u8>),
    Whole(Vec<u8>),
    Taken,
}

impl Hello {
    fn hear(&mut self, octets: &[u8]) {
        if let Self::Coming(records) = self {
            records.extend_from_slice(octets);
        }
    }

    fn is_answered(&mut self) {
        if let Self::Coming(records) = self {
            *self = Self::Whole(std::mem::take(records));
        }
    }
}

enum Words<'a> {
    /// At most a [`BATCH`].
    Data(&'a [u8]),
    Goodbye,
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = into.remaining();
        if before == 0 {
            return Poll::Ready(Ok(()));
        }
        this.readable.give(into);
        // A record may be empty, or hold a message about keys.
        while into.remaining() == before && !this.has_heard_all {
            if this.is_broken {
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            }
            ready!(this.poll_hear(cx, into))?;
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.has_said_all || this.is_broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if !std::mem::take(&mut this.has_tickets) {
            ready!(this.sendable.poll_into(cx, &mut this.io))?;
        }
        let batch = &octets[..octets.len().min(BATCH.saturating_sub(this.sendable.rest().len()))];
        if !batch.is_empty() {
            this.say(cx, Words::Data(batch))?;
        }
        Poll::Ready(Ok(batch.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.sendable.poll_into(cx, &mut this.io))?;
        Pin::new(&mut this.io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.sendable.poll_into(cx, &mut this.io))?;
        if !this.has_said_all && !this.is_broken {
            this.has_said_all = true;
            this.say(cx, Words::Goodbye)?;
            ready!(this.sendable.poll_into(cx, &mut this.io))?;
        }
        match ready!(Pin::new(&mut this.io).poll_shutdown(cx)) {
            // The client was quicker.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Poll::Ready(Ok(())),
            done => Poll::Ready(done),
        }
    }
}

/// Octets that wait for somebody to take them, in memory that goes with the last.
#[derive(Default)]
struct Kept {
    octets: Vec<u8>,
    taken: usize,
}

impl Kept {
    fn append(&mut self, octets: &[u8]) {
        self.octets.extend_from_slice(octets);
    }

    fn take(&mut self, count: usize) {
        self.taken += count;
        if self.taken == self.octets.len() {
            *self = Self::default();
        }
    }

    fn rest(&self) -> &[u8] {
        &self.octets[self.taken..]
    }

    /// All of it, to where there is room; how much that was.
    fn empty_into(&mut self, room: &mut [u8]) -> usize {
        let count = self.rest().len();
        room[..count].copy_from_slice(self.rest());
        self.take(count);
        count
    }

    /// As much as there is room for.
    fn give(&mut self, into: &mut ReadBuf<'_>) {
        let rest = self.rest();
        let count = rest.len().min(into.remaining());
        into.put_slice(&rest[..count]);
        self.take(count);
    }

    /// Until all of it is gone.
    fn poll_into<W: AsyncWrite + Unpin>(&mut self, cx: &mut Context<'_>, sink: &mut W) -> Poll<io::Result<()>> {
        while self.taken < self.octets.len() {
            match ready!(Pin::new(&mut *sink).poll_write(cx, &self.octets[self.taken..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.take(count),
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// A message that rustls has ready, behind what waits to be sent.
fn encode<D>(mut data: EncodeTlsData<'_, D>, sendable: &mut Kept) {
    if let Err(EncodeError::InsufficientSize(size)) = data.encode(&mut []) {
        let end = sendable.octets.len();
        sendable.octets.resize(end + size.required_size, 0);
        // It has just said that this is enough.
        let _ = data.encode(&mut sendable.octets[end..]);
    }
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

impl<T: fmt::Debug> fmt::Debug for TlsStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream").field("io", &self.io).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
