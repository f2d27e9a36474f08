//! Bodies of requests that are looked through before they are passed on.

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use protocols::http::dav::BadXml;

use super::steady::Steady;

/// No client's REPORT is longer; some name all of a collection in one.
const MOST: usize = 4 << 20;

/// All of a body, as it will be passed on.
pub(super) async fn read(headers: &HeaderMap, body: Steady) -> Result<Bytes, StatusCode> {
    if !is_plain(headers) {
        return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    match Limited::new(body, MOST).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(StatusCode::PAYLOAD_TOO_LARGE),
        Err(_) => Err(StatusCode::BAD_REQUEST),
    }
}

/// What is wrong with it, for the client.
pub(super) fn status(bad: BadXml) -> StatusCode {
    match bad {
        BadXml::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        BadXml::Syntax | BadXml::Encoding | BadXml::Declaration => StatusCode::BAD_REQUEST,
    }
}

/// Radicale reads bodies in the charset of `Content-Type`: in UTF-7 they say
/// something else than what we saw. And what is compressed we do not see at all.
fn is_plain(headers: &HeaderMap) -> bool {
    let types = headers.get_all(header::CONTENT_TYPE).iter();
    let plain = types.map(|value| value.to_str().unwrap_or("charset=?").to_ascii_lowercase());
    let charsets: Vec<String> = plain.filter(|value| value.contains("charset")).collect();
    let is_utf8 = |value: &String| {
        let charset = value.split(';').skip(1).filter_map(|parameter| parameter.trim().split_once('='));
        let mut charset = charset.filter(|(name, _)| name.trim_end() == "charset");
        let named = charset.next().map(|(_, value)| value.trim().trim_matches('"').to_owned());
        matches!(named.as_deref(), Some("utf-8" | "utf8"))
            && charset.next().is_none()
            && value.matches("charset").count() == 1
    };
    charsets.iter().all(is_utf8) && !headers.contains_key(header::CONTENT_ENCODING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_utf_8_is_looked_through() {
        for (kind, encoding, plain) in [
            ("", "", true),
            ("application/xml", "", true),
            ("application/xml; charset=utf-8", "", true),
            ("text/xml;charset=\"UTF-8\"", "", true),
            ("text/xml; charset=utf-7", "", false),
            ("text/xml; charset=utf-8; charset=utf-7", "", false),
            ("text/xml; xcharset=utf-8", "", false),
            ("text/xml; charset", "", false),
            ("text/xml", "gzip", false),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in [(header::CONTENT_TYPE, kind), (header::CONTENT_ENCODING, encoding)] {
                if !value.is_empty() {
                    headers.insert(name, value.parse().unwrap());
                }
            }
            assert_eq!(is_plain(&headers), plain, "{kind} {encoding}");
        }
    }
}
