//! The floor: TLS in front, bytes carried on, and nothing else. It authenticates
//! nobody, counts nobody, and can cut nobody off. The way it carries is the way
//! the gateway's relay does: one scratch buffer, and nothing held while idle.

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    net::Ipv4Addr,
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::NoServerSessionStorage,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpSocket, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use crate::Outcome;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; 64 * 1024].into_boxed_slice());
}

/// Carries until it is killed.
pub(crate) fn serve(port: u16, upstream: u16, certificate: &Path, key: &Path) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (listener, acceptor) = (listen(port)?, acceptor(certificate, key)?);
        loop {
            let (client, _) = listener.accept().await?;
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // Boxed, so that the room a handshake takes is not kept afterwards.
                if let Ok((mut client, mut server)) = Box::pin(open(client, &acceptor, upstream)).await {
                    let (mut there, mut back) = (Way::default(), Way::default());
                    let _ = poll_fn(|cx| {
                        let there = there.poll(cx, &mut client, &mut server)?;
                        let back = back.poll(cx, &mut server, &mut client)?;
                        if there.is_ready() && back.is_ready() {
                            Poll::Ready(io::Result::Ok(()))
                        } else {
                            Poll::Pending
                        }
                    })
                    .await;
                }
            });
        }
    })
}

/// A listener on loopback that may be there again at once.
pub(super) fn listen(port: u16) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind((Ipv4Addr::LOCALHOST, port).into())?;
    socket.listen(4096)
}

/// As the gateway has it: tickets, no session storage.
fn acceptor(certificate: &Path, key: &Path) -> Outcome<TlsAcceptor> {
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(key)?)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    Ok(Arc::new(config).into())
}

async fn open(
    client: TcpStream,
    acceptor: &TlsAcceptor,
    upstream: u16,
) -> io::Result<(tokio_rustls::server::TlsStream<TcpStream>, TcpStream)> {
    client.set_nodelay(true)?;
    let client = acceptor.accept(client).await?;
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, upstream)).await?;
    server.set_nodelay(true)?;
    Ok((client, server))
}

/// One direction.
#[derive(Default)]
struct Way {
    /// Read, and not yet taken by the other side.
    kept: Vec<u8>,
    taken: usize,
    flow: Flow,
    unflushed: bool,
}

#[derive(Default, PartialEq, Eq)]
enum Flow {
    #[default]
    Open,
    Ending,
    Ended,
}

impl Way {
    fn poll<R, W>(&mut self, cx: &mut Context<'_>, source: &mut R, sink: &mut W) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            while self.taken < self.kept.len() {
                self.taken += ready!(Pin::new(&mut *sink).poll_write(cx, &self.kept[self.taken..]))?;
            }
            (self.kept, self.taken) = (Vec::new(), 0);
            match self.flow {
                Flow::Ended => return Poll::Ready(Ok(())),
                Flow::Ending => {
                    ready!(Pin::new(&mut *sink).poll_shutdown(cx))?;
                    self.flow = Flow::Ended;
                }
                Flow::Open => match self.once(cx, source, sink)? {
                    Poll::Ready(0) => self.flow = Flow::Ending,
                    Poll::Ready(_) => self.unflushed = true,
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

    fn once<R, W>(&mut self, cx: &mut Context<'_>, source: &mut R, sink: &mut W) -> io::Result<Poll<usize>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buf = ReadBuf::new(scratch);
            if Pin::new(&mut *source).poll_read(cx, &mut buf)?.is_pending() {
                return Ok(Poll::Pending);
            }
            let (read, mut written) = (buf.filled(), 0);
            while written < read.len() {
                match Pin::new(&mut *sink).poll_write(cx, &read[written..])? {
                    Poll::Ready(count) => written += count,
                    Poll::Pending => {
                        self.kept = read[written..].to_vec();
                        break;
                    }
                }
            }
            Ok(Poll::Ready(read.len()))
        })
    }
}
