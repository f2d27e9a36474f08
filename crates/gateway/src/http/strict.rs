//! Requests that are meant for somebody else, or that two servers could take for
//! two different ones, are answered here, and the connection closed: what follows
//! them may not be what it seems. How they are written [`protocols::http::head`] sees to.

use http::{HeaderMap, StatusCode, Version, header, request::Parts, uri::Authority};

use super::response_policy;

/// The longest request target, in octets.
const MAX_URI: usize = 8 * 1024;

/// Checks the head of a request.
pub(super) fn check(request: &Parts) -> Result<(), StatusCode> {
    let headers = &request.headers;
    if request.uri.path_and_query().map_or(0, |target| target.as_str().len()) > MAX_URI {
        return Err(StatusCode::URI_TOO_LONG);
    }
    let refused = response_policy::is_for_proxies(&request.method)
        || headers.get_all(header::AUTHORIZATION).iter().count() > 1
        || !request.uri.path().starts_with('/')
        || !is_addressed_to_us(request, headers);
    if refused { Err(StatusCode::BAD_REQUEST) } else { Ok(()) }
}

/// One `Host`, well-formed, and the target's authority is the same if it names one.
fn is_addressed_to_us(request: &Parts, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (None, _) => return request.version < Version::HTTP_11 && request.uri.authority().is_none(),
        (Some(host), None) => host.to_str().ok().and_then(|host| host.parse::<Authority>().ok()),
        (Some(_), Some(_)) => None,
    };
    let same = |host: &Authority| request.uri.authority().is_none_or(|target| target == host);
    host.is_some_and(|host| !host.as_str().contains('@') && same(&host))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    type Row<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], Result<(), StatusCode>);

    #[test]
    fn ambiguous_requests_are_refused() {
        let long = format!("/{}", "a".repeat(MAX_URI));
        let host = ("host", "dav.example.org");
        let table: &[Row<'_>] = &[
            ("GET", "/", &[host], Ok(())),
            ("GET", "http://dav.example.org/a", &[host], Ok(())),
            ("GET", &long, &[host], Err(StatusCode::URI_TOO_LONG)),
            ("GET", "http://other.example.org/a", &[host], Err(StatusCode::BAD_REQUEST)),
            ("TRACE", "/", &[host], Err(StatusCode::BAD_REQUEST)),
            ("CONNECT", "dav.example.org:80", &[host], Err(StatusCode::BAD_REQUEST)),
            ("OPTIONS", "*", &[host], Err(StatusCode::BAD_REQUEST)),
            ("GET", "/", &[], Err(StatusCode::BAD_REQUEST)),
            ("GET", "/", &[host, ("host", "other.example.org")], Err(StatusCode::BAD_REQUEST)),
            ("GET", "/", &[("host", "alice@dav.example.org")], Err(StatusCode::BAD_REQUEST)),
            ("GET", "/", &[host, ("authorization", "a"), ("authorization", "b")], Err(StatusCode::BAD_REQUEST)),
        ];
        for (method, uri, headers, verdict) in table {
            let mut request = Request::builder().method(*method).uri(*uri);
            for (name, value) in *headers {
                request = request.header(*name, *value);
            }
            let request = request.body(()).unwrap().into_parts().0;
            assert_eq!(check(&request), *verdict, "{method} {uri:.40} {headers:?}");
        }
    }
}
