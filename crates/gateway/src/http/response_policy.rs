//! A data door is for apps. What people upload there may be a page with a
//! script, and must not be able to touch the portal, or anything else, in the
//! browser of somebody who is signed in.

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

/// Put on every answer of a data door, in place of what the server behind says.
pub(super) static ON_EVERY_ANSWER: [(HeaderName, HeaderValue); 4] = [
    // An origin of its own for each page, and nothing in it runs or loads.
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'")),
    // Text that looks like a page does not become one.
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    // No other site draws it into a page of its own.
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

/// True if a header of an answer passes: of the drive's and the servers' behind.
pub(super) fn passes(name: &HeaderName) -> bool {
    // A cookie for the domain would reach the portal's host too.
    *name != header::SET_COOKIE && ON_EVERY_ANSWER.iter().all(|(ours, _)| name != ours)
}

/// Holds an answer to it.
pub(super) fn apply(answer: &mut HeaderMap) {
    answer.remove(header::SET_COOKIE);
    for (name, value) in &ON_EVERY_ANSWER {
        answer.insert(name, value.clone());
    }
}

/// True if a browser asks because of a page, an address that somebody typed or
/// another site; and not an app for itself. Browsers do not let scripts set
/// these headers (Fetch Metadata), apps do not send them, or as a request of
/// their own: Thunderbird says `empty`, `no-cors`, `same-origin`.
pub(super) fn is_for_a_page(request: &HeaderMap) -> bool {
    let says = |name: &str, what: &[&str]| request.get_all(name).iter().any(|value| what.iter().any(|w| value == w));
    if !request.keys().any(|name| name.as_str().starts_with("sec-fetch-")) {
        return false;
    }
    let destination = request.get_all("sec-fetch-dest").iter().any(|destination| destination != "empty");
    destination
        || says("sec-fetch-mode", &["navigate", "nested-navigate", "websocket"])
        || says("sec-fetch-site", &["cross-site"])
}

/// What such a request is told.
pub(super) fn is_for_apps(portal: &str) -> String {
    format!("This address is for apps, not for browsers. Set an app up with it; make its password at {portal}")
}

/// Methods that are for proxies and for debugging them.
pub(super) fn is_for_proxies(method: &Method) -> bool {
    *method == Method::TRACE || *method == Method::CONNECT || method == "TRACK"
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

    #[test]
    fn browsers_pages_are_told_from_apps() {
        for (request, page) in [
            (&[][..], false),
            (&[("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "empty")], false),
            (&[("sec-fetch-mode", "cors")], false),
            (&[("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")], true),
            (&[("sec-fetch-mode", "navigate")], true),
            (&[("sec-fetch-dest", "iframe")], true),
            (&[("sec-fetch-dest", "image"), ("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-dest", "serviceworker")], true),
            (&[("sec-fetch-site", "cross-site"), ("sec-fetch-dest", "empty")], true),
            (&[("sec-fetch-dest", "empty"), ("sec-fetch-dest", "document")], true),
        ] {
            assert_eq!(is_for_a_page(&headers(request)), page, "{request:?}");
        }
    }

    #[test]
    fn the_policy_replaces_what_the_server_behind_says() {
        let mut answer = headers(&[
            ("content-security-policy", "default-src *"),
            ("content-security-policy", "script-src 'unsafe-inline'"),
            ("set-cookie", "a=1; Domain=example.org"),
            ("set-cookie", "b=2"),
            ("x-content-type-options", "sniff"),
        ]);
        assert_eq!(answer.keys().filter(|name| passes(name)).count(), 0);
        apply(&mut answer);
        assert!(!answer.contains_key("set-cookie"));
        let policies: Vec<_> = answer.get_all("content-security-policy").iter().collect();
        assert_eq!(policies, ["sandbox; default-src 'none'"]);
        assert_eq!(answer["x-content-type-options"], "nosniff");
        assert_eq!(answer["cross-origin-resource-policy"], "same-origin");
        assert_eq!(answer["referrer-policy"], "no-referrer");
    }
}
