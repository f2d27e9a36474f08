//! Style and comfort, from the binary itself.

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use http::{
    HeaderMap, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH},
};
use sha2::{Digest, Sha256};

struct File {
    kind: &'static str,
    text: &'static str,
    etag: String,
}

impl File {
    fn new(kind: &'static str, text: &'static str) -> Self {
        Self { kind, text, etag: format!("\"{}\"", HEXLOWER.encode(&Sha256::digest(text)[..16])) }
    }

    /// Asked for anew with every page, sent only when it has changed: after an
    /// upgrade nobody sees new pages in the old style.
    fn answer(&self, headers: &HeaderMap) -> Response {
        let head = [(CACHE_CONTROL, "no-cache"), (ETAG, &self.etag)];
        if headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == self.etag.as_bytes()) {
            return (StatusCode::NOT_MODIFIED, head).into_response();
        }
        (head, [(CONTENT_TYPE, self.kind)], self.text).into_response()
    }
}

static CSS: LazyLock<File> =
    LazyLock::new(|| File::new("text/css; charset=utf-8", include_str!("../../static/postern.css")));
static JS: LazyLock<File> =
    LazyLock::new(|| File::new("text/javascript; charset=utf-8", include_str!("../../static/postern.js")));

pub(super) async fn css(headers: HeaderMap) -> Response {
    CSS.answer(&headers)
}

pub(super) async fn js(headers: HeaderMap) -> Response {
    JS.answer(&headers)
}
