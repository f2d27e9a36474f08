//! From an accepted socket to a [`Connection`]: PROXY header, place in the
//! crowd, TLS; one straight path under one deadline.

use std::{io, net::SocketAddr};

use ipnet::IpNet;
use thiserror::Error;
use tokio::time::{Instant, timeout_at};

use crate::{
    Connection, Limits, Peer, Shutdown,
    limits::{Full, Place},
    listener::Accepted,
    proxy_protocol::{self, Proxied, ProxyError},
    server::Security,
};

/// What stands between the socket and the service.
#[derive(Debug)]
pub(crate) struct Rules {
    /// The endpoint's, for logs.
    pub(crate) name: String,
    pub(crate) security: Security,
    pub(crate) proxy_from: Vec<IpNet>,
    pub(crate) limits: Limits,
}

/// Why a connection was closed before the service saw it.
#[derive(Debug, Error)]
pub(crate) enum Closed {
    #[error("{0}")]
    Proxy(#[from] ProxyError),
    #[error("no PROXY header came in time")]
    ProxyLate,
    #[error("its address has as many connections as one may have")]
    Crowded,
    #[error("no TLS: {0}")]
    Tls(io::Error),
}

/// On success the place belongs to the connection, for as long as it lasts.
pub(crate) async fn admit(
    accepted: Accepted,
    rules: &Rules,
    place: &mut Place,
    shutdown: Shutdown,
) -> Result<Connection, Closed> {
    let Accepted { mut stream, mut peer, mut local } = accepted;
    let handshake = rules.limits.handshake;
    let deadline = Instant::now() + handshake;
    let unix = local.is_none();

    let mut passed_on = false;
    if rules.trusts(peer) {
        let transport = stream.plain().ok_or(ProxyError::Missing)?;
        let header = timeout_at(deadline, proxy_protocol::read(transport));
        if let Proxied::Client { source, destination } = header.await.map_err(|_| Closed::ProxyLate)?? {
            peer = source.into();
            local = Some(SocketAddr::new(destination.ip().to_canonical(), destination.port()));
            passed_on = true;
        }
    }
    // A program on this machine's socket is one peer for everybody behind it.
    if passed_on || !unix {
        place.count_against(peer.address, &rules.limits).map_err(|_: Full| Closed::Crowded)?;
    }
    let tls = match &rules.security {
        Security::Implicit(tls) => {
            let left = deadline.saturating_duration_since(Instant::now());
            stream = stream.start_tls(&tls.clone().within(left)).await.map_err(Closed::Tls)?;
            None
        }
        Security::StartTls(tls) => Some(tls.clone().within(handshake)),
        Security::None => None,
    };
    Ok(Connection { stream, peer, local, tls, shutdown, seat: place.seat() })
}

impl Rules {
    fn trusts(&self, peer: Peer) -> bool {
        self.proxy_from.iter().any(|net| net.contains(&peer.address))
    }
}
