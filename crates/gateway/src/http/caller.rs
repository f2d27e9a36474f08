//! Who speaks on a connection, and how servers behind are told.

use std::net::IpAddr;

use fingerprint::tls::Family;
use front::Stream;

use crate::tls_hello::family_of;

/// Who speaks on a connection.
pub(super) struct Caller {
    pub(super) address: IpAddr,
    /// The TLS library at the other end; `None` where TLS ends in front.
    pub(super) family: Option<Family>,
    /// The headers that say so, the same for each request; the last is left open, for
    /// the host that it names.
    pub(super) said: Box<str>,
}

impl Caller {
    pub(super) fn on(stream: &mut Stream, address: IpAddr) -> Self {
        let is_encrypted = stream.is_encrypted();
        Self::new(address, is_encrypted, family_of(stream))
    }

    pub(super) fn new(address: IpAddr, is_encrypted: bool, family: Option<Family>) -> Self {
        let scheme = if is_encrypted { "https" } else { "http" };
        let node = match address {
            IpAddr::V4(address) => address.to_string(),
            // RFC 7239, 6: in brackets and quotes.
            IpAddr::V6(address) => format!("\"[{address}]\""),
        };
        let said = format!(
            "x-forwarded-proto: {scheme}\r\nx-forwarded-for: {address}\r\nforwarded: for={node};proto={scheme}"
        );
        Self { address, family, said: said.into() }
    }
}
