//! Which headers pass, which are ours alone to set.

use std::net::IpAddr;

use front::Peer;
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header, uri::Authority};

use super::handover::{HttpHandover, Prefix};

/// RFC 9110, 7.6.1: between two neighbours only.
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Headers by which servers behind some proxy learn who is signed in, from
/// where, and what was asked for. From outside they are forgeries, folded as
/// [`fold`] does.
const OURS_TO_SET: [&str; 28] = [
    "forwarded",
    "x-remote-user",
    "remote-user",
    "x-remote-group",
    "x-remote-groups",
    "x-remote-name",
    "x-remote-email",
    "x-authenticated-user",
    "x-auth-user",
    "x-auth-username",
    "x-auth-request-user",
    "x-auth-request-email",
    "x-webauth-user",
    "remote-groups",
    "remote-name",
    "remote-email",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "x-script-name",
    // The path that is asked for, to some frameworks: past what was checked.
    "x-original-url",
    "x-rewrite-url",
    // Another method than the one that was checked.
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    // To CGI it is HTTP_PROXY, by which many libraries choose their way out.
    "proxy",
];

/// All that begins like this, likewise. SOGo believes the second.
const OURS_TO_BEGIN: [&str; 2] = ["x-forwarded-", "x-webobjects-"];

/// Headers that say what a request is. Spelled in another way, `Content_Length`,
/// they are something else to us, and the same to a server that folds names.
const SPELLED_ONE_WAY: [&str; 4] = ["content-length", "content-type", "content-encoding", "transfer-encoding"];

/// A WSGI or CGI server cannot tell `X_Remote_User`, `x-remote-user` and
/// `X.Remote.User` apart: all become `HTTP_X_REMOTE_USER`.
fn fold(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect()
}

/// Who asks, for the server behind.
pub(super) struct Asking<'a> {
    /// The person's login there.
    pub(super) login: &'a str,
    /// How that is said, as configured.
    pub(super) handover: &'a HttpHandover,
    pub(super) prefix: Option<&'a Prefix>,
    pub(super) peer: Peer,
    pub(super) encrypted: bool,
}

/// Rewrites the headers of a request for the server behind. `None` if the login
/// does not fit into a header.
pub(super) fn for_upstream(headers: &mut HeaderMap, asking: &Asking<'_>) -> Option<()> {
    remove_hop_by_hop(headers);
    let ours = [Some(asking.handover.header()), asking.prefix.map(Prefix::header)];
    let ours = ours.map(|name| name.map(|name| fold(name.as_str())).unwrap_or_default());
    let forged: Vec<HeaderName> = headers
        .keys()
        .filter(|name| {
            let folded = fold(name.as_str());
            ours.contains(&folded)
                || OURS_TO_SET.contains(&folded.as_str())
                || (SPELLED_ONE_WAY.contains(&folded.as_str()) && folded != name.as_str())
                || OURS_TO_BEGIN.iter().any(|begin| folded.starts_with(begin))
        })
        .cloned()
        .collect();
    for name in forged {
        headers.remove(name);
    }
    // The app password goes no further, and data doors know no cookies.
    for name in [header::AUTHORIZATION, header::COOKIE, header::EXPECT] {
        headers.remove(name);
    }
    asking.handover.say(asking.login, headers)?;
    if let Some(prefix) = asking.prefix {
        prefix.say(headers);
    }
    let host = headers.get(header::HOST).cloned();
    let scheme = if asking.encrypted { "https" } else { "http" };
    headers.insert("x-forwarded-proto", HeaderValue::from_static(scheme));
    headers.insert("x-forwarded-for", HeaderValue::try_from(asking.peer.address.to_string()).ok()?);
    let mut forwarded = format!("for={};proto={scheme}", node(asking.peer.address));
    if let Some(host) = host {
        forwarded += &format!(";host=\"{}\"", host.to_str().ok()?);
        headers.insert("x-forwarded-host", host);
    }
    headers.insert(header::FORWARDED, HeaderValue::try_from(forwarded).ok()?);
    Some(())
}

/// Rewrites the headers of the answer. `upstream` is where it comes from, `host`
/// what the client calls us: what points to either must not lead the client past
/// us, nor tell where that is. nginx names the one with the port of the other.
pub(super) fn from_upstream(headers: &mut HeaderMap, upstream: &Authority, host: Option<&Authority>) {
    remove_hop_by_hop(headers);
    for name in [header::LOCATION, header::CONTENT_LOCATION] {
        let Some(value) = headers.get(&name) else { continue };
        let uri = value.to_str().ok().and_then(|value| value.parse::<Uri>().ok());
        let is_here = |uri: &Uri| {
            let here = host.is_some_and(|host| uri.host().is_some_and(|named| named.eq_ignore_ascii_case(host.host())));
            uri.scheme().is_some() && (here || uri.authority() == Some(upstream))
        };
        let Some(uri) = uri.filter(is_here) else { continue };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        if let Ok(path) = HeaderValue::try_from(path) {
            headers.insert(name, path);
        }
    }
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::try_from(name.trim()).ok())
        // Without these it would be another message.
        .filter(|name| *name != header::HOST && *name != header::CONTENT_LENGTH)
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// RFC 7239, 6: an IPv6 address in brackets and quotes.
fn node(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("\"[{address}]\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&str, &str)| {
            (HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap())
        };
        list.iter().map(pair).collect()
    }

    fn forwarded(list: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut headers = headers(list);
        let asking = Asking {
            login: "alice@example.org",
            handover: &HttpHandover::Header(HeaderName::from_static("x-remote-user")),
            prefix: None,
            peer: Peer { address: "2001:db8::7".parse().unwrap(), port: 1 },
            encrypted: true,
        };
        for_upstream(&mut headers, &asking).unwrap();
        let text = |(name, value): (&HeaderName, &HeaderValue)| {
            (name.as_str().to_owned(), String::from_utf8(value.as_bytes().to_vec()).unwrap())
        };
        let mut list: Vec<_> = headers.iter().map(text).collect();
        list.sort();
        list
    }

    #[test]
    fn nobody_outside_says_who_they_are() {
        let said = forwarded(&[
            ("host", "dav.example.org"),
            ("x-remote-user", "bob"),
            ("X_Remote_User", "bob"),
            ("X-REMOTE_USER", "bob"),
            ("x.remote.user", "bob"),
            ("remote_user", "bob"),
            ("X-Forwarded-User", "bob"),
            ("x_forwarded_for", "192.0.2.1"),
            ("x-forwarded-anything", "bob"),
            ("forwarded", "for=192.0.2.1"),
            ("x-script-name", "/evil"),
            ("proxy", "http://192.0.2.1:8080"),
            ("X-HTTP-Method", "DELETE"),
            ("X-Method-Override", "DELETE"),
            ("x_http_method_override", "DELETE"),
            ("X-Client-IP", "192.0.2.1"),
            ("True-Client-IP", "192.0.2.1"),
            ("X-Cluster-Client-IP", "192.0.2.1"),
            ("CF-Connecting-IP", "192.0.2.1"),
            ("x-webobjects-remote-user", "bob"),
            ("X_WebObjects_Auth_Type", "Basic"),
            ("x-webobjects-remote-host", "192.0.2.1"),
            ("x-webobjects-server-url", "https://evil.example.org"),
            ("authorization", "Basic c2VjcmV0"),
            ("cookie", "session=portal"),
            ("connection", "close, x-remote-user, X-Named, host, content-length"),
            ("x-named", "gone"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("transfer-encoding", "chunked"),
            ("proxy-authorization", "Basic c2VjcmV0"),
            ("expect", "100-continue"),
            ("content_length", "7"),
            ("Transfer_Encoding", "chunked"),
            ("content.type", "text/html"),
            ("depth", "1"),
        ]);
        let want = [
            ("depth", "1"),
            ("forwarded", "for=\"[2001:db8::7]\";proto=https;host=\"dav.example.org\""),
            ("host", "dav.example.org"),
            ("x-forwarded-for", "2001:db8::7"),
            ("x-forwarded-host", "dav.example.org"),
            ("x-forwarded-proto", "https"),
            ("x-remote-user", "alice@example.org"),
        ];
        assert_eq!(said, want.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn no_answer_leads_past_us() {
        let upstream = Authority::from_static("127.0.0.1:5232");
        for (location, want) in [
            ("http://127.0.0.1:5232/alice/?x=1", "/alice/?x=1"),
            ("http://127.0.0.1:5232", "/"),
            ("https://127.0.0.1:5232/a", "/a"),
            ("https://other.example.org/a", "https://other.example.org/a"),
            ("http://dav.example.org:5232/a", "/a"),
            ("https://DAV.example.org/a", "/a"),
            ("//dav.example.org/a", "//dav.example.org/a"),
            ("/a", "/a"),
            ("http://127.0.0.1:52320/a", "http://127.0.0.1:52320/a"),
        ] {
            let mut answer = headers(&[("location", location), ("connection", "close"), ("keep-alive", "1")]);
            from_upstream(&mut answer, &upstream, Some(&Authority::from_static("dav.example.org:8444")));
            assert_eq!(answer["location"], want);
            assert_eq!(answer.len(), 1);
        }
    }
}
