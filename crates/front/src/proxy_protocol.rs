//! The PROXY protocol, versions 1 and 2
//! (<https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt>): a proxy in
//! front of us says who the client is. Whoever may send it chooses the address
//! that throttles and audit see, so it is read from trusted networks only, and
//! there it must come.

use std::{io, net::SocketAddr};

use proxy_header::{Error as HeaderError, ParseConfig, Protocol, ProxyHeader};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt};

/// What the header tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proxied {
    /// The proxy passes a client on.
    Client { source: SocketAddr, destination: SocketAddr },
    /// The proxy speaks for itself (a health check): LOCAL, UNKNOWN.
    Proxy,
}

/// Why there is no usable header.
#[derive(Debug, Error)]
pub(crate) enum ProxyError {
    #[error("the connection begins without a PROXY header")]
    Missing,
    #[error("its PROXY header is longer than {LONGEST} bytes")]
    TooLong,
    #[error("its PROXY header is malformed")]
    Malformed,
    #[error(transparent)]
    Io(#[from] io::Error),
}

const V1_SIGNATURE: &[u8] = b"PROXY ";
const V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// `PROXY UNKNOWN` and its line end (section 2.1).
const V1_SHORTEST: usize = 15;
/// Section 2.1: the longest line, without the NUL of the C example.
const V1_LONGEST: usize = 107;
/// Section 2.2: signature, command, family, length.
const V2_FIXED: usize = 16;
/// Addresses and the fields that proxies add (TLS details, names) stay far below.
const LONGEST: usize = 2048;

/// Reads the header and not one byte more: what follows belongs to TLS.
pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Proxied, ProxyError> {
    let mut header = Vec::with_capacity(V1_LONGEST + 1);
    loop {
        let missing = missing(&header)?;
        if missing == 0 {
            return parse(&header);
        }
        let have = header.len();
        header.resize(have + missing, 0);
        stream.read_exact(&mut header[have..]).await?;
    }
}

/// How many bytes the header lacks at the least; 0 when it is whole.
fn missing(header: &[u8]) -> Result<usize, ProxyError> {
    let have = header.len();
    if have < V2_SIGNATURE.len() {
        return Ok(V2_SIGNATURE.len() - have);
    }
    if header.starts_with(V2_SIGNATURE) {
        if have < V2_FIXED {
            return Ok(V2_FIXED - have);
        }
        let whole = V2_FIXED + usize::from(u16::from_be_bytes([header[14], header[15]]));
        if whole > LONGEST {
            return Err(ProxyError::TooLong);
        }
        return Ok(whole - have);
    }
    if !header.starts_with(V1_SIGNATURE) {
        return Err(ProxyError::Missing);
    }
    match header[have - 1] {
        b'\n' => Ok(0),
        _ if have >= V1_LONGEST => Err(ProxyError::TooLong),
        _ if have < V1_SHORTEST => Ok(V1_SHORTEST - have),
        b'\r' => Ok(1),
        // The line end itself: two bytes can never reach beyond it.
        _ => Ok(2),
    }
}

fn parse(header: &[u8]) -> Result<Proxied, ProxyError> {
    let config = ParseConfig { include_tlvs: false, ..ParseConfig::default() };
    let (parsed, used) = ProxyHeader::parse(header, config).map_err(|error| match error {
        HeaderError::HeaderTooBig => ProxyError::TooLong,
        _ => ProxyError::Malformed,
    })?;
    if used != header.len() {
        return Err(ProxyError::Malformed);
    }
    match parsed.proxied_address() {
        None => Ok(Proxied::Proxy),
        // A datagram cannot have been passed on over a stream.
        Some(addresses) if addresses.protocol == Protocol::Datagram => Err(ProxyError::Malformed),
        Some(addresses) => Ok(Proxied::Client { source: addresses.source, destination: addresses.destination }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proxy_header::{ProxiedAddress, Tlv};

    use super::*;

    fn v1(text: &str) -> Vec<u8> {
        text.as_bytes().to_vec()
    }

    fn v2(source: &str, destination: &str, tlvs: usize) -> Vec<u8> {
        let addresses = ProxiedAddress::stream(source.parse().unwrap(), destination.parse().unwrap());
        let mut bytes = Vec::new();
        ProxyHeader::with_tlvs(Some(addresses), [Tlv::Noop(tlvs)]).encode_v2(&mut bytes).unwrap();
        bytes
    }

    /// Reads from a peer that sends `bytes` and keeps the connection open;
    /// returns what is left unread too.
    fn run(bytes: &[u8]) -> (Result<Proxied, ProxyError>, Vec<u8>) {
        let mut rest = bytes;
        let result = tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(read(&mut rest));
        (result, rest.to_vec())
    }

    #[test]
    fn both_versions_name_the_client_and_leave_what_follows() {
        for (header, source) in [
            (v1("PROXY TCP4 192.0.2.1 192.0.2.9 4711 993\r\n"), "192.0.2.1:4711"),
            (v1("PROXY TCP6 2001:db8::1 2001:db8::9 4711 993\r\n"), "[2001:db8::1]:4711"),
            (v2("192.0.2.1:4711", "192.0.2.9:993", 0), "192.0.2.1:4711"),
            (v2("[2001:db8::1]:4711", "[2001:db8::9]:993", 500), "[2001:db8::1]:4711"),
        ] {
            let sent = [&header[..], b"\x16\x03\x01 the ClientHello"].concat();
            let (read, rest) = run(&sent);
            let Proxied::Client { source: read, destination } = read.unwrap() else {
                panic!("no client in {header:?}")
            };
            assert_eq!(read, source.parse().unwrap());
            assert_eq!(destination.port(), 993);
            assert_eq!(rest, b"\x16\x03\x01 the ClientHello");
        }
    }

    #[test]
    fn a_health_check_is_the_proxy_itself() {
        let mut local = Vec::new();
        ProxyHeader::with_local().encode_v2(&mut local).unwrap();
        for header in [v1("PROXY UNKNOWN\r\n"), v1("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"), local] {
            let (read, rest) = run(&header);
            assert_eq!(read.unwrap(), Proxied::Proxy, "{header:?}");
            assert!(rest.is_empty());
        }
    }

    #[test]
    fn what_is_no_header_is_told_apart_and_bounded() {
        let mut long = v2("192.0.2.1:1", "192.0.2.9:993", 3000);
        long.truncate(V2_FIXED);
        let mut datagram = v2("192.0.2.1:1", "192.0.2.9:993", 0);
        datagram[13] = 0x12;
        let mut version_3 = v2("192.0.2.1:1", "192.0.2.9:993", 0);
        version_3[12] = 0x31;
        for (bytes, expected) in [
            (v1("a1 CAPABILITY\r\n"), "begins without"),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00".to_vec(), "begins without"),
            (v1("PROXYxTCP4 192.0.2.1 192.0.2.9 1 993\r\n"), "begins without"),
            (format!("PROXY TCP4 {}", "1".repeat(200)).into_bytes(), "longer"),
            (long, "longer"),
            (v1("PROXY TCP4 192.0.2.1 192.0.2.9 1\r\n"), "malformed"),
            (v1("PROXY TCP4 192.0.2.1 2001:db8::9 1 993\r\n"), "malformed"),
            (v1("PROXY TCP4 192.0.2.1 192.0.2.9 1 993\n"), "malformed"),
            (datagram, "malformed"),
            (version_3, "malformed"),
            (v1("PROXY TCP4 192"), "early eof"),
        ] {
            let error = run(&bytes).0.unwrap_err().to_string();
            assert!(error.contains(expected), "{bytes:?}: {error}");
        }
    }

    proptest! {
        /// Whatever comes: no panic, no byte past the bound, none past the header.
        #[test]
        fn arbitrary_bytes_are_survived(
            version in 0..3usize,
            bytes in proptest::collection::vec(any::<u8>(), 0..3000),
        ) {
            let start: &[u8] = [&b""[..], V1_SIGNATURE, V2_SIGNATURE][version];
            let sent = [start, &bytes].concat();
            let (read, rest) = run(&sent);
            let used = sent.len() - rest.len();
            prop_assert!(used <= LONGEST);
            if read.is_ok() {
                prop_assert_eq!(ProxyHeader::parse(&sent, ParseConfig::default()).unwrap().1, used);
            }
        }

        #[test]
        fn no_line_is_read_past_its_end(source: std::net::Ipv4Addr, port: u16, follows: Vec<u8>) {
            let header = format!("PROXY TCP4 {source} 192.0.2.9 {port} 993\r\n");
            let (read, rest) = run(&[header.as_bytes(), &follows].concat());
            prop_assert!(read.is_ok());
            prop_assert_eq!(rest, follows);
        }
    }
}
