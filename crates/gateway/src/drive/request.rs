//! What is checked of a request before `dav-server` sees it.

use http::{HeaderMap, HeaderName, Method, StatusCode, Uri, header, uri::Authority};

/// Parts of a file asked for at once; with more, the whole file is given.
const MAX_RANGES: usize = 16;

/// Refuses what would be done in part or elsewhere, and removes what would be
/// believed without being true.
pub(super) fn check_head(method: &Method, uri: &Uri, headers: &mut HeaderMap) -> Result<(), StatusCode> {
    // macOS names a length that does not bind; a chunked body is counted.
    headers.remove(HeaderName::from_static("x-expected-entity-length"));
    // RFC 9110, 14.5: a PUT with a range is not a PUT.
    if *method == Method::PUT && headers.contains_key(header::CONTENT_RANGE) {
        return Err(StatusCode::BAD_REQUEST);
    }
    if headers.get_all(header::RANGE).iter().any(|range| range.as_bytes().split(|&b| b == b',').count() > MAX_RANGES) {
        headers.remove(header::RANGE);
    }
    match headers.get("destination") {
        Some(destination) if matches!(method.as_str(), "COPY" | "MOVE") => {
            let text = destination.to_str().map_err(|_| StatusCode::BAD_REQUEST)?;
            // `//elsewhere/b` names a host too, though `Uri` takes it for a path.
            if text.starts_with("//") {
                return Err(StatusCode::BAD_GATEWAY);
            }
            let destination = text.parse().map_err(|_| StatusCode::BAD_REQUEST)?;
            check_destination(&destination, uri, headers)
        }
        _ => Ok(()),
    }
}

/// RFC 4918, 9.8.5: 502 for a destination on another server. The library would
/// take its path for one of ours.
fn check_destination(destination: &Uri, uri: &Uri, headers: &HeaderMap) -> Result<(), StatusCode> {
    let Some(theirs) = destination.authority() else { return Ok(()) };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).and_then(|host| host.parse().ok());
    let ours: Authority = host.or_else(|| uri.authority().cloned()).ok_or(StatusCode::BAD_GATEWAY)?;
    // The port that goes without saying depends on who ends TLS in front of us.
    let port = |authority: &Authority| authority.port_u16().filter(|port| !matches!(port, 80 | 443));
    let same = theirs.host().eq_ignore_ascii_case(ours.host()) && port(theirs) == port(&ours);
    // `alice@host` names a user: nobody's but the one who is signed in.
    if same && !theirs.as_str().contains('@') { Ok(()) } else { Err(StatusCode::BAD_GATEWAY) }
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
            for method in ["COPY", "MOVE"] {
                let mut headers = HeaderMap::new();
                headers.insert(header::HOST, host.parse().unwrap());
                headers.insert("destination", destination.parse().unwrap());
                let method = Method::from_bytes(method.as_bytes()).unwrap();
                let got = check_head(&method, &Uri::from_static("/a"), &mut headers);
                assert_eq!(got.is_ok(), allowed, "{host} {destination} {got:?}");
            }
        }
    }
}
