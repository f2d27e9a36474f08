//! What a request is about to do, and to what, as far as its head tells.

use http::{HeaderMap, HeaderName, Method, StatusCode, Uri, header, request::Parts};
use protocols::http::Path;

const DESTINATION: HeaderName = HeaderName::from_static("destination");
const DEPTH: HeaderName = HeaderName::from_static("depth");

/// What a method does to what it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Leaves it as it is: enough for who may only read.
    Reads,
    /// Changes it, or might.
    Changes,
}

impl Act {
    /// A method that nobody here knows changes things.
    pub(super) fn of(method: &Method) -> Self {
        match method.as_str() {
            "GET" | "HEAD" | "OPTIONS" | "PROPFIND" | "REPORT" => Self::Reads,
            _ => Self::Changes,
        }
    }
}

/// True if all that the method touches is named where we look: its target, its
/// `Destination`, the references of a REPORT. Others (BIND, SEARCH, MERGE) name
/// more in places that we do not know.
pub(super) fn names_all_it_touches(method: &Method) -> bool {
    matches!(
        method.as_str(),
        "GET"
            | "HEAD"
            | "OPTIONS"
            | "PROPFIND"
            | "REPORT"
            | "PUT"
            | "POST"
            | "PATCH"
            | "DELETE"
            | "MKCOL"
            | "MKCALENDAR"
            | "PROPPATCH"
            | "COPY"
            | "MOVE"
            | "LOCK"
            | "UNLOCK"
            | "ACL"
    )
}

/// True if it does to all that lies beneath what it does to its target, or shows
/// something of it.
pub(super) fn reaches_beneath(request: &Parts) -> bool {
    match request.method.as_str() {
        "OPTIONS" | "PROPPATCH" | "MKCOL" | "MKCALENDAR" | "UNLOCK" => false,
        "PROPFIND" | "LOCK" => !is_for_one(&request.headers),
        _ => true,
    }
}

/// `Depth: 0`, said once.
pub(super) fn is_for_one(headers: &HeaderMap) -> bool {
    let mut depths = headers.get_all(DEPTH).iter();
    depths.next().is_some_and(|depth| depth == "0") && depths.next().is_none()
}

/// True if it says a depth that is neither 0 nor 1.
pub(super) fn is_for_all(headers: &HeaderMap) -> bool {
    headers.get_all(DEPTH).iter().any(|depth| depth != "0" && depth != "1")
}

/// Where COPY and MOVE put things; `None` for other methods.
pub(super) fn destination(request: &Parts) -> Result<Option<Path>, StatusCode> {
    if !matches!(request.method.as_str(), "COPY" | "MOVE") {
        return Ok(None);
    }
    let mut all = request.headers.get_all(DESTINATION).iter();
    let (Some(value), None) = (all.next(), all.next()) else { return Err(StatusCode::BAD_REQUEST) };
    let text = value.to_str().map_err(|_| StatusCode::BAD_REQUEST)?;
    // `//host/path` has an authority to some, and is a path to others.
    let is_whole = text.starts_with('/') || text.starts_with("http://") || text.starts_with("https://");
    if !is_whole || text.starts_with("//") || text.contains('#') {
        return Err(StatusCode::BAD_REQUEST);
    }
    let uri: Uri = text.parse().map_err(|_| StatusCode::BAD_REQUEST)?;
    let host = request.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    if uri.authority().is_some_and(|authority| host.is_none_or(|host| !authority.as_str().eq_ignore_ascii_case(host))) {
        return Err(StatusCode::BAD_GATEWAY);
    }
    Path::parse(uri.path()).map(Some).map_err(|_| StatusCode::BAD_REQUEST)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn request(method: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri("/a").header("host", "dav.example.org:8444");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_destination_is_one_place_on_this_server() {
        for (value, want) in [
            ("/b/c.ics", Ok("/b/c.ics")),
            ("https://dav.example.org:8444/b", Ok("/b")),
            ("https://DAV.example.org:8444/b?x", Ok("/b")),
            ("https://dav.example.org/b", Err(502)),
            ("https://evil.example.org/b", Err(502)),
            ("https://alice@dav.example.org:8444/b", Err(502)),
            ("//evil.example.org/b", Err(400)),
            ("/b/../c", Err(400)),
            ("/b%2fc", Err(400)),
            ("b", Err(400)),
            ("", Err(400)),
        ] {
            let got = destination(&request("MOVE", &[("destination", value)]));
            let got = got.map(|path| path.unwrap().as_str().to_owned()).map_err(|status| status.as_u16());
            assert_eq!(got, want.map(str::to_owned), "{value}");
        }
        let two = [("destination", "/b"), ("destination", "/c")];
        assert_eq!(destination(&request("COPY", &two)), Err(StatusCode::BAD_REQUEST));
        assert_eq!(destination(&request("COPY", &[])), Err(StatusCode::BAD_REQUEST));
        assert_eq!(destination(&request("PUT", &two)), Ok(None));
    }

    #[test]
    fn only_what_says_so_stays_on_the_surface() {
        for (method, depth, reaches) in [
            ("PROPFIND", Some("0"), false),
            ("PROPFIND", Some("1"), true),
            ("PROPFIND", Some("infinity"), true),
            ("PROPFIND", None, true),
            ("DELETE", Some("0"), true),
            ("LOCK", Some("0"), false),
            ("REPORT", Some("0"), true),
            ("MKCOL", None, false),
            ("BIND", Some("0"), true),
        ] {
            let headers: Vec<_> = depth.iter().map(|depth| ("depth", *depth)).collect();
            assert_eq!(reaches_beneath(&request(method, &headers)), reaches, "{method} {depth:?}");
        }
        assert!(reaches_beneath(&request("PROPFIND", &[("depth", "0"), ("depth", "1")])));
    }
}
