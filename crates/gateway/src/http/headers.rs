//! Which headers pass, which are ours alone to set.

use http::{HeaderMap, HeaderName, HeaderValue, Uri, header, request::Parts, uri::Authority};

use super::{
    caller::Caller,
    handover::{HttpHandover, Prefix},
    sent::Length,
};

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
fn fold(octet: u8) -> u8 {
    if octet.is_ascii_alphanumeric() { octet.to_ascii_lowercase() } else { b'-' }
}

fn folds_like(name: &str, other: &str) -> bool {
    name.len() == other.len() && name.bytes().map(fold).eq(other.bytes().map(fold))
}

/// Who asks, for the server behind.
pub(super) struct Asking<'a> {
    /// The person's login there.
    pub(super) login: &'a str,
    /// How that is said, as configured.
    pub(super) handover: &'a HttpHandover,
    pub(super) prefix: Option<&'a Prefix>,
    pub(super) caller: &'a Caller,
}

/// The head of a request, for the server behind. `None` if the login does not fit
/// into a header.
pub(super) fn for_upstream(request: &Parts, target: &str, length: Length, asking: &Asking<'_>) -> Option<Vec<u8>> {
    let headers = &request.headers;
    let mut head = Vec::with_capacity(1024);
    for part in [request.method.as_str(), " ", target, " HTTP/1.1\r\n"] {
        head.extend_from_slice(part.as_bytes());
    }
    let named = named_by_connection(headers);
    for (name, value) in headers {
        if passes(name, asking) && !named.contains(name) {
            line(&mut head, name.as_str(), value.as_bytes());
        }
    }
    match length {
        Length::Octets(length) => line(&mut head, "content-length", length.to_string().as_bytes()),
        Length::Chunks => line(&mut head, "transfer-encoding", b"chunked"),
        Length::Nothing if headers.contains_key(header::CONTENT_LENGTH) => line(&mut head, "content-length", b"0"),
        Length::Nothing => {}
    }
    line(&mut head, asking.handover.header().as_str(), asking.handover.value(asking.login)?.as_bytes());
    if let Some(prefix) = asking.prefix {
        line(&mut head, prefix.header().as_str(), prefix.value().as_bytes());
    }
    head.extend_from_slice(asking.caller.said.as_bytes());
    if let Some(host) = headers.get(header::HOST) {
        for part in [";host=\"", host.to_str().ok()?, "\"\r\n"] {
            head.extend_from_slice(part.as_bytes());
        }
        line(&mut head, "x-forwarded-host", host.as_bytes());
    } else {
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    Some(head)
}

fn line(head: &mut Vec<u8>, name: &str, value: &[u8]) {
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        head.extend_from_slice(part);
    }
}

/// False for what ends here, and for what is ours to say.
fn passes(name: &HeaderName, asking: &Asking<'_>) -> bool {
    // The app password goes no further, and data doors know no cookies. The length
    // is said anew.
    const ENDS_HERE: [HeaderName; 4] = [header::AUTHORIZATION, header::COOKIE, header::EXPECT, header::CONTENT_LENGTH];
    if HOP_BY_HOP.contains(name) || ENDS_HERE.contains(name) {
        return false;
    }
    let name = name.as_str();
    let begins = |begin: &&str| name.get(..begin.len()).is_some_and(|beginning| folds_like(beginning, begin));
    !(folds_like(name, asking.handover.header().as_str())
        || asking.prefix.is_some_and(|prefix| folds_like(name, prefix.header().as_str()))
        || OURS_TO_SET.iter().any(|ours| folds_like(name, ours))
        || OURS_TO_BEGIN.iter().any(begins)
        || SPELLED_ONE_WAY.iter().any(|known| folds_like(name, known) && name != *known))
}

/// Rewrites the headers of the answer. `upstream` is where it comes from, `host`
/// what the client calls us: what points to either must not lead the client past
/// us, nor tell where that is. nginx names the one with the port of the other.
pub(super) fn from_upstream(headers: &mut HeaderMap, upstream: &Authority, host: Option<&HeaderValue>) {
    let named = named_by_connection(headers);
    let ends_here = |name: &&HeaderName| HOP_BY_HOP.contains(name) || named.contains(name);
    let ending: Vec<HeaderName> = headers.keys().filter(ends_here).cloned().collect();
    for name in ending {
        headers.remove(name);
    }
    if !headers.contains_key(header::LOCATION) && !headers.contains_key(header::CONTENT_LOCATION) {
        return;
    }
    let host = host.and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    for name in [header::LOCATION, header::CONTENT_LOCATION] {
        let Some(value) = headers.get(&name) else { continue };
        let uri = value.to_str().ok().and_then(|value| value.parse::<Uri>().ok());
        let is_here = |uri: &Uri| {
            let here = host
                .as_ref()
                .is_some_and(|host| uri.host().is_some_and(|named| named.eq_ignore_ascii_case(host.host())));
            uri.scheme().is_some() && (here || uri.authority() == Some(upstream))
        };
        let Some(uri) = uri.filter(is_here) else { continue };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        if let Ok(path) = HeaderValue::try_from(path) {
            headers.insert(name, path);
        }
    }
}

/// What else ends here, as `Connection` says.
fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let names = values.flat_map(|value| value.split(',')).filter_map(|name| HeaderName::try_from(name.trim()).ok());
    // Without these it would be another message.
    names.filter(|name| *name != header::HOST && *name != header::CONTENT_LENGTH).collect()
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
        let mut request = http::Request::new(()).into_parts().0;
        request.headers = headers(list);
        let asking = Asking {
            login: "alice@example.org",
            handover: &HttpHandover::Header(HeaderName::from_static("x-remote-user")),
            prefix: None,
            caller: &Caller::new("2001:db8::7".parse().unwrap(), true, None),
        };
        let head = for_upstream(&request, "/a", Length::Octets(7), &asking).unwrap();
        let head = String::from_utf8(head).unwrap();
        let lines = head.strip_prefix("GET /a HTTP/1.1\r\n").unwrap().strip_suffix("\r\n\r\n").unwrap();
        let pair = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap();
        let mut list: Vec<_> = lines.split("\r\n").map(pair).collect();
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
            ("content-length", "7"),
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
            from_upstream(&mut answer, &upstream, Some(&HeaderValue::from_static("dav.example.org:8444")));
            assert_eq!(answer["location"], want);
            assert_eq!(answer.len(), 1);
        }
    }
}
