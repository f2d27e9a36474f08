//! What the front hands over, and to whom.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use async_trait::async_trait;

use crate::{Seat, Shutdown, Stream, Tls};

/// Whatever answers behind an endpoint: an IMAP door, the portal.
#[async_trait]
pub trait Service: Send + Sync + 'static {
    /// Serves one connection to its end; it runs in a task of its own. When
    /// [`Connection::shutdown`] is requested it should say goodbye in its
    /// protocol; after the server's grace period it is dropped where it stands.
    async fn serve(&self, connection: Connection);
}

/// An accepted connection: the PROXY header read, implicit TLS established.
#[derive(Debug)]
pub struct Connection {
    /// The bytes.
    pub stream: Stream,
    /// The client, as far as trusted proxies name it.
    pub peer: Peer,
    /// The address the client connected to; `None` on a Unix socket.
    pub local: Option<SocketAddr>,
    /// For STARTTLS, where the endpoint offers it: see [`Stream::start_tls`].
    pub tls: Option<Tls>,
    /// Tells when to say goodbye.
    pub shutdown: Shutdown,
    /// To be [settled](Seat::settle) when it is known who this is: until then the
    /// connection may have to make room for another.
    pub seat: Seat,
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Peer {
    /// Never an IPv4-mapped IPv6 address.
    pub address: IpAddr,
    /// The client's port; 0 where there is none.
    pub port: u16,
}

impl Peer {
    /// Stands for whoever speaks over a Unix socket: a program on this machine.
    pub const LOCAL: Self = Self { address: IpAddr::V4(Ipv4Addr::LOCALHOST), port: 0 };
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        Self {
            // A dual-stack socket shows IPv4 clients as ::ffff:a.b.c.d, which
            // no IPv4 network of a rule would contain.
            address: address.ip().to_canonical(),
            port: address.port(),
        }
    }
}
