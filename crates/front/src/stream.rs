//! The bytes of one connection, whatever carries them.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
};

use crate::{Tls, tls_stream::TlsStream};

/// A connection over TCP or a Unix socket, with or without TLS. It buffers
/// nothing of its own: what it has not been asked to read stays in the kernel,
/// and an idle connection costs no more than its TLS session.
#[derive(Debug)]
pub struct Stream(Kind);

#[derive(Debug)]
enum Kind {
    Plain(Transport),
    // Boxed: a TLS session is some 1.5 KiB, and this type moves through futures
    // whose size is kept for the life of the connection.
    Tls(Box<TlsStream<Transport>>),
}

/// What the system hands us.
#[derive(Debug)]
pub(crate) enum Transport {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    /// True if TLS protects the bytes.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        matches!(self.0, Kind::Tls(_))
    }

    /// What was agreed on in the TLS handshake (ALPN, RFC 7301), if anything was.
    #[must_use]
    pub fn alpn(&self) -> Option<&[u8]> {
        match &self.0 {
            Kind::Tls(stream) => stream.alpn(),
            Kind::Plain(_) => None,
        }
    }

    /// The client's hello as it came, in its TLS records (RFC 8446 section 5.1), for
    /// whoever wants to know what program is calling, and for which server. Once: it goes with the taking.
    /// `None` without TLS.
    pub fn take_client_hello(&mut self) -> Option<Vec<u8>> {
        match &mut self.0 {
            Kind::Tls(stream) => stream.take_hello(),
            Kind::Plain(_) => None,
        }
    }

    /// Answers the client's TLS handshake, within [`Limits::handshake`].
    ///
    /// The caller must have read up to the end of the STARTTLS command and have
    /// refused or thrown away whatever it holds beyond: bytes sent in the clear
    /// could have been slipped in by anyone on the way (CVE-2011-0411).
    ///
    /// # Errors
    /// The handshake failed or took too long, or the stream is encrypted
    /// already. The connection is closed in each case.
    ///
    /// [`Limits::handshake`]: crate::Limits::handshake
    pub async fn start_tls(self, tls: &Tls) -> io::Result<Self> {
        let Kind::Plain(transport) = self.0 else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "TLS was asked for on a connection that has it"));
        };
        // The handshake's future is boxed, so that its size is given back when
        // it is done and not kept in the caller's future.
        let handshake = Box::pin(TlsStream::accept(transport, tls.config()));
        match tokio::time::timeout(tls.handshake_timeout(), handshake).await {
            Ok(done) => Ok(Self(Kind::Tls(Box::new(done?)))),
            Err(_) => {
                Err(io::Error::new(io::ErrorKind::TimedOut, "the client did not finish the TLS handshake in time"))
            }
        }
    }

    /// The bare transport, for what has to happen ahead of TLS.
    pub(crate) fn plain(&mut self) -> Option<&mut Transport> {
        match &mut self.0 {
            Kind::Plain(transport) => Some(transport),
            Kind::Tls(_) => None,
        }
    }
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        Self(Kind::Plain(Transport::Tcp(stream)))
    }
}

impl From<UnixStream> for Stream {
    fn from(stream: UnixStream) -> Self {
        Self(Kind::Plain(Transport::Unix(stream)))
    }
}

/// Hands every call on to the variant that is there.
macro_rules! each {
    ($self:expr, $($variant:path)|+, $inner:ident => $call:expr) => {
        match $self { $($variant($inner) => $call,)+ }
    };
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(&mut self.get_mut().0, Kind::Plain | Kind::Tls, io => Pin::new(io).poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        each!(&mut self.get_mut().0, Kind::Plain | Kind::Tls, io => Pin::new(io).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(&mut self.get_mut().0, Kind::Plain | Kind::Tls, io => Pin::new(io).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        each!(&self.0, Kind::Plain | Kind::Tls, io => io.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(&mut self.get_mut().0, Kind::Plain | Kind::Tls, io => Pin::new(io).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(&mut self.get_mut().0, Kind::Plain | Kind::Tls, io => Pin::new(io).poll_shutdown(cx))
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), Self::Tcp | Self::Unix, io => Pin::new(io).poll_read(cx, buf))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        each!(self.get_mut(), Self::Tcp | Self::Unix, io => Pin::new(io).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self.get_mut(), Self::Tcp | Self::Unix, io => Pin::new(io).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        each!(self, Self::Tcp | Self::Unix, io => io.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), Self::Tcp | Self::Unix, io => Pin::new(io).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), Self::Tcp | Self::Unix, io => Pin::new(io).poll_shutdown(cx))
    }
}
