//! The parsers of what comes ahead of everything else, for the fuzzers alone.

use std::{
    future::Future,
    net::SocketAddr,
    pin::pin,
    task::{Context, Poll, Waker},
};

use crate::proxy_protocol::{self, Proxied};

/// What a PROXY header says: the client and where it went to; nothing if the proxy
/// speaks for itself.
pub type Passed = Option<(SocketAddr, SocketAddr)>;

/// Reads a PROXY header as from a connection on which these octets came: what it says,
/// or why not, and how many octets were read for that.
pub fn proxy_header(octets: &[u8]) -> (Result<Passed, String>, usize) {
    let mut rest = octets;
    let read = pin!(proxy_protocol::read(&mut rest)).poll(&mut Context::from_waker(Waker::noop()));
    let read = match read {
        Poll::Ready(Ok(Proxied::Client { source, destination })) => Ok(Some((source, destination))),
        Poll::Ready(Ok(Proxied::Proxy)) => Ok(None),
        Poll::Ready(Err(error)) => Err(error.to_string()),
        Poll::Pending => Err("it waits, though all has come".to_owned()),
    };
    (read, octets.len() - rest.len())
}
