//! Where a request comes from when it has passed proxies.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

/// The client's address: the connection's, or what a trusted proxy in front
/// says, in `X-Forwarded-For` or in `Forwarded` (RFC 7239).
///
/// A proxy writes one of the two and passes the other on as the client sent it.
/// So where both are there and tell of different clients, one is made up, and
/// the proxy itself is the last that is known.
pub(crate) fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let peer = peer.to_canonical();
    let x_forwarded_for = lines(headers, "x-forwarded-for");
    let forwarded = lines(headers, "forwarded");
    let told = [
        x_forwarded_for.map(|line| walk(peer, line.split(',').map(address), trusted)),
        forwarded.map(|line| walk(peer, line.split(',').map(for_parameter), trusted)),
    ];
    match told {
        [None, None] => peer,
        [Some(client), None] | [None, Some(client)] => client,
        [Some(one), Some(other)] if one == other => one,
        _ => peer,
    }
}

/// Read from the right: everything left of the first hop that is not ours may
/// be made up. A hop that cannot be read ends the walk.
fn walk(peer: IpAddr, hops: impl DoubleEndedIterator<Item = Option<IpAddr>>, trusted: &[IpNet]) -> IpAddr {
    let is_ours = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
    let mut client = peer;
    for hop in hops.rev() {
        match hop {
            Some(address) if is_ours(&client) => client = address,
            _ => break,
        }
    }
    client
}

/// All lines of this name as one, if there are any.
fn lines(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines: Vec<_> =
        headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect();
    (!lines.is_empty()).then(|| lines.join(","))
}

/// `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]:4711`.
fn address(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    let bare = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']')).unwrap_or(hop);
    let address = bare.parse::<IpAddr>().or_else(|_| hop.parse::<SocketAddr>().map(|socket| socket.ip()));
    Some(address.ok()?.to_canonical())
}

/// The `for=` of one element: `for=192.0.2.1;proto=https`, `For="[2001:db8::1]:4711"`.
fn for_parameter(element: &str) -> Option<IpAddr> {
    let mut pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
    let (_, node) = pairs.find(|(name, _)| name.eq_ignore_ascii_case("for"))?;
    address(node.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(peer: &str, pairs: &[(&'static str, &'static str)]) -> String {
        let trusted: Vec<IpNet> = vec!["127.0.0.1/32".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        client(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn only_trusted_proxies_say_where_somebody_is() {
        for (peer, told, is) in [
            ("127.0.0.1", "203.0.113.9", "203.0.113.9"),
            ("127.0.0.1", "198.51.100.1, 203.0.113.9", "203.0.113.9"),
            ("127.0.0.1", "198.51.100.1, 203.0.113.9, 10.0.0.3", "203.0.113.9"),
            ("127.0.0.1", "10.0.0.4, 10.0.0.3", "10.0.0.4"),
            ("127.0.0.1", "203.0.113.9:4711", "203.0.113.9"),
            ("127.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"),
            ("127.0.0.1", "2001:db8::1", "2001:db8::1"),
            ("192.0.2.1", "203.0.113.9", "192.0.2.1"),
            ("127.0.0.1", "made up", "127.0.0.1"),
            ("127.0.0.1", "198.51.100.1, made up", "127.0.0.1"),
            ("::ffff:127.0.0.1", "203.0.113.9", "203.0.113.9"),
        ] {
            assert_eq!(ask(peer, &[("x-forwarded-for", told)]), is, "{peer} {told}");
        }
        assert_eq!(ask("127.0.0.1", &[]), "127.0.0.1");
    }

    #[test]
    fn forwarded_is_read_as_the_standard_writes_it() {
        for (told, is) in [
            ("for=203.0.113.9", "203.0.113.9"),
            ("For=203.0.113.9;proto=https;by=10.0.0.1", "203.0.113.9"),
            ("for=198.51.100.1, for=203.0.113.9, for=10.0.0.3", "203.0.113.9"),
            ("for=\"[2001:db8::1]:4711\"", "2001:db8::1"),
            ("for=_hidden", "127.0.0.1"),
            ("for=unknown, for=203.0.113.9", "203.0.113.9"),
            ("proto=https", "127.0.0.1"),
        ] {
            assert_eq!(ask("127.0.0.1", &[("forwarded", told)]), is, "{told}");
        }
        assert_eq!(ask("192.0.2.1", &[("forwarded", "for=203.0.113.9")]), "192.0.2.1");
    }

    // nginx appends to the one and passes the other on untouched.
    #[test]
    fn a_client_cannot_choose_its_address_with_the_header_that_the_proxy_does_not_write() {
        let both = [("x-forwarded-for", "203.0.113.9"), ("forwarded", "for=192.0.2.77")];
        assert_eq!(ask("127.0.0.1", &both), "127.0.0.1");
        let agreeing = [("x-forwarded-for", "203.0.113.9"), ("forwarded", "for=203.0.113.9")];
        assert_eq!(ask("127.0.0.1", &agreeing), "203.0.113.9");
    }

    #[test]
    fn a_second_line_stands_to_the_right_of_the_first() {
        let lines = [("x-forwarded-for", "192.0.2.77"), ("x-forwarded-for", "203.0.113.9")];
        assert_eq!(ask("127.0.0.1", &lines), "203.0.113.9");
    }
}
