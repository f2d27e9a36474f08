//! What is checked of a request before `dav-server` sees it.

use dav_server::{
    davpath::{DavPath, ParseError},
    fs::FsError,
};
use http::{HeaderMap, HeaderName, Method, StatusCode, Uri, header, uri::Authority};

use super::place::Place;

/// Parts of a file asked for at once; with more, the whole file is given.
const MAX_RANGES: usize = 16;

/// The place that a request is about.
pub(super) fn place(uri: &Uri) -> Result<Place, StatusCode> {
    let path = DavPath::new(uri.path()).map_err(|error| match error {
        ParseError::ForbiddenPath => StatusCode::FORBIDDEN,
        _ => StatusCode::BAD_REQUEST,
    })?;
    Place::new(&path).map_err(|error| match error {
        FsError::PathTooLong => StatusCode::URI_TOO_LONG,
        _ => StatusCode::FORBIDDEN,
    })
}

/// Where a COPY or a MOVE is to. RFC 4918, 9.8.5: 502 for another server, whose
/// path the library would take for one of ours.
pub(super) fn destination(uri: &Uri, headers: &HeaderMap) -> Result<Place, StatusCode> {
    let mut named = headers.get_all("destination").iter();
    let (Some(destination), None) = (named.next(), named.next()) else { return Err(StatusCode::BAD_REQUEST) };
    let text = destination.to_str().map_err(|_| StatusCode::BAD_REQUEST)?;
    // `//elsewhere/b` names a host too, though `Uri` takes it for a path.
    if text.starts_with("//") {
        return Err(StatusCode::BAD_GATEWAY);
    }
    let destination: Uri = text.parse().map_err(|_| StatusCode::BAD_REQUEST)?;
    if destination.authority().is_none_or(|theirs| is_ours(theirs, uri, headers)) {
        place(&destination)
    } else {
        Err(StatusCode::BAD_GATEWAY)
    }
}

fn is_ours(theirs: &Authority, uri: &Uri, headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).and_then(|host| host.parse().ok());
    let Some(ours): Option<Authority> = host.or_else(|| uri.authority().cloned()) else { return false };
    // The port that goes without saying depends on who ends TLS in front of us.
    let port = |authority: &Authority| authority.port_u16().filter(|port| !matches!(port, 80 | 443));
    let same = theirs.host().eq_ignore_ascii_case(ours.host()) && port(theirs) == port(&ours);
    // `alice@host` names a user: nobody's but the one who is signed in.
    same && !theirs.as_str().contains('@')
}

/// True if an upload is meant for one version of a file, by its etag or its time.
pub(super) fn is_for_a_version(headers: &HeaderMap) -> bool {
    let any = |name, test: fn(&[u8]) -> bool| headers.get_all(name).iter().any(|value| test(value.as_bytes()));
    any(header::IF_MATCH, |value| value != b"*")
        || any(header::IF_NONE_MATCH, |value| value != b"*")
        || any(header::IF_UNMODIFIED_SINCE, |_| true)
        // RFC 4918, 10.4.2: an etag there is in square brackets.
        || any(HeaderName::from_static("if"), |value| value.contains(&b'['))
}

/// Refuses what would be done in part, and removes what would be believed
/// without being true.
pub(super) fn check_head(method: &Method, headers: &mut HeaderMap) -> Result<(), StatusCode> {
    // macOS names a length that does not bind; a chunked body is counted.
    headers.remove(HeaderName::from_static("x-expected-entity-length"));
    // RFC 9110, 14.5: a PUT with a range is not a PUT.
    if *method == Method::PUT && headers.contains_key(header::CONTENT_RANGE) {
        return Err(StatusCode::BAD_REQUEST);
    }
    if headers.get_all(header::RANGE).iter().any(|range| range.as_bytes().split(|&b| b == b',').count() > MAX_RANGES) {
        headers.remove(header::RANGE);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_elsewhere_is_refused() {
        for (host, destination, allowed) in [
            ("dav.example.org", "/b", true),
            ("dav.example.org", "http://dav.example.org/b", true),
            ("dav.example.org", "https://DAV.example.org:443/b", true),
            ("dav.example.org:8445", "https://dav.example.org:8445/b", true),
            ("dav.example.org:8445", "https://dav.example.org/b", false),
            ("dav.example.org", "http://elsewhere.example.org/b", false),
            ("dav.example.org", "http://bob@dav.example.org/b", false),
            ("dav.example.org", "//elsewhere.example.org/b", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            headers.insert("destination", destination.parse().unwrap());
            let got = super::destination(&Uri::from_static("/a"), &headers);
            assert_eq!(got.is_ok(), allowed, "{host} {destination} {got:?}");
        }
    }
}
