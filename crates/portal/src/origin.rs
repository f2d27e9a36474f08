//! Whose browser it is that asks, and on whose behalf.

use std::net::IpAddr;

use http::{HeaderMap, header};
use ipnet::IpNet;

/// True if a form was sent from a page of the portal, as far as the browser
/// tells. All browsers of today say `Sec-Fetch-Site`; older ones say `Origin`;
/// what says neither is no browser, and cannot be led to send a form.
pub(crate) fn is_own(headers: &HeaderMap, url: &str) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("unreadable"));
    match (text("sec-fetch-site"), text(header::ORIGIN.as_str())) {
        (Some(site), _) => site == "same-origin",
        (None, Some(origin)) => origin == url,
        (None, None) => true,
    }
}

/// The client's address: the connection's, or what a trusted proxy in front
/// says. Read from the right, since everything left of the first hop that is
/// not ours may be made up.
pub(crate) fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let ours = |address: IpAddr| trusted.iter().any(|net| net.contains(&address));
    let mut client = peer.to_canonical();
    let lines = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let hops: Vec<&str> = lines.flat_map(|line| line.split(',')).map(str::trim).collect();
    for hop in hops.iter().rev() {
        if !ours(client) {
            break;
        }
        match hop.parse::<IpAddr>() {
            Ok(address) => client = address.to_canonical(),
            Err(_) => break,
        }
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn forms_of_other_sites_are_told_apart() {
        const URL: &str = "https://id.example.org";
        for (sent, own) in [
            (&[("sec-fetch-site", "same-origin")][..], true),
            (&[("sec-fetch-site", "same-site"), ("origin", URL)], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("origin", URL)], true),
            (&[("origin", "null")], false),
            (&[("origin", "https://id.example.org.evil.example")], false),
            (&[], true),
        ] {
            assert_eq!(is_own(&headers(sent), URL), own, "{sent:?}");
        }
    }

    #[test]
    fn only_trusted_proxies_say_where_somebody_is() {
        let trusted: Vec<IpNet> = vec!["127.0.0.1/32".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
        for (peer, forwarded, client_is) in [
            ("127.0.0.1", "203.0.113.9", "203.0.113.9"),
            ("127.0.0.1", "198.51.100.1, 203.0.113.9", "203.0.113.9"),
            ("127.0.0.1", "198.51.100.1, 203.0.113.9, 10.0.0.3", "203.0.113.9"),
            ("192.0.2.1", "203.0.113.9", "192.0.2.1"),
            ("127.0.0.1", "made up", "127.0.0.1"),
            ("::ffff:127.0.0.1", "203.0.113.9", "203.0.113.9"),
        ] {
            let headers = headers(&[("x-forwarded-for", forwarded)]);
            let got = client(peer.parse().unwrap(), &headers, &trusted);
            assert_eq!(got, client_is.parse::<IpAddr>().unwrap(), "{peer} {forwarded}");
        }
    }
}
