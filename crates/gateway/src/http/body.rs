//! Bodies of answers, wherever they come from.

use std::error::Error;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full, combinators::UnsyncBoxBody};

/// Why a body breaks off. The connection is then cut, so that no client
/// takes a part for the whole.
pub type BodyError = Box<dyn Error + Send + Sync>;

/// The body of an answer.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

pub(crate) fn empty() -> Body {
    from_body(Empty::new())
}

/// A sentence for people who see answers.
pub(super) fn text(text: &str) -> Body {
    from_body(Full::from(format!("{text}\n")))
}

pub(crate) fn from_body<B>(body: B) -> Body
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BodyError>,
{
    body.map_err(Into::into).boxed_unsync()
}
