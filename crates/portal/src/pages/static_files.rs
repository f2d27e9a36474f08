//! Style and comfort, from the binary itself.

use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};

type File = ([(HeaderName, &'static str); 2], &'static str);

const CACHE: &str = "public, max-age=3600";

pub(super) async fn css() -> File {
    let text = include_str!("../../static/postern.css");
    ([(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, CACHE)], text)
}

pub(super) async fn js() -> File {
    let text = include_str!("../../static/postern.js");
    ([(CONTENT_TYPE, "text/javascript; charset=utf-8"), (CACHE_CONTROL, CACHE)], text)
}
