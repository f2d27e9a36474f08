//! Who speaks on a connection, and how servers behind are told.

use std::net::IpAddr;

use front::Connection;

/// Who speaks on a connection.
pub(super) struct Caller {
    pub(super) address: IpAddr,
    /// The headers that say so, the same for each request; the last is left open, for
    /// the host that it names.
    pub(super) said: Box<str>,
}

impl Caller {
    pub(super) fn on(connection: &Connection) -> Self {
        Self::new(connection.peer.address, connection.stream.is_encrypted())
    }

    pub(super) fn new(address: IpAddr, is_encrypted: bool) -> Self {
        let scheme = if is_encrypted { "https" } else { "http" };
        let node = match address {
            IpAddr::V4(address) => address.to_string(),
            // RFC 7239, 6: in brackets and quotes.
            IpAddr::V6(address) => format!("\"[{address}]\""),
        };
        let said = format!(
            "x-forwarded-proto: {scheme}\r\nx-forwarded-for: {address}\r\nforwarded: for={node};proto={scheme}"
        );
        Self { address, said: said.into() }
    }
}
