//! Cuts out of an answer what a password does not open. What is left is, octet
//! for octet, what the server behind said.

use std::ops::Range;

use authority::Grant;
use bytes::Bytes;
use http::request::Parts;
use protocols::http::{
    Path,
    dav::{self, Response},
};

use super::{
    ByKind,
    places::{Looking, Place, referred_to},
};
use crate::http::{act::Act, forward::ForwardError};

/// An answer without what is closed.
pub(super) async fn cut(
    terms: &ByKind,
    looking: &Looking<'_>,
    request: &Parts,
    answer: Bytes,
    grant: &Grant,
) -> Result<Bytes, ForwardError> {
    let responses = dav::responses(&answer).map_err(|_| ForwardError::Unreadable)?;
    if let (Ok(path), true) = (Path::parse(request.uri.path()), responses.len() > 1) {
        looking.look_into(&path).await?;
    }
    let mut closed = Vec::new();
    for response in &responses {
        if !is_open(terms, looking, response, grant).await? {
            closed.push(response.range.clone());
        }
    }
    Ok(without(&answer, &closed))
}

async fn is_open(
    terms: &ByKind,
    looking: &Looking<'_>,
    response: &Response,
    grant: &Grant,
) -> Result<bool, ForwardError> {
    let opens = |kinds| terms.opens(grant, kinds, Act::Reads);
    if response.kinds.is_some_and(|kinds| kinds.is_typed() && !opens(kinds)) {
        return Ok(false);
    }
    for href in &response.hrefs {
        let Some(path) = referred_to(href) else { return Ok(false) };
        let is_open = match looking.at(&path).await? {
            Place::Typed(kinds, _) => opens(kinds),
            Place::Home => true,
            // A server may name what it then does not show: nothing is told of it.
            Place::Absent | Place::Plain => false,
        };
        if !is_open {
            return Ok(false);
        }
    }
    Ok(!response.hrefs.is_empty())
}

/// A text without these parts of it, which come in order and may lie in each other.
fn without(text: &Bytes, parts: &[Range<usize>]) -> Bytes {
    if parts.is_empty() {
        return text.clone();
    }
    let mut left = Vec::with_capacity(text.len());
    let mut at = 0;
    for part in parts {
        if part.start >= at {
            left.extend_from_slice(&text[at..part.start]);
            at = part.end;
        }
    }
    left.extend_from_slice(&text[at..]);
    left.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_out_is_gone_and_the_rest_stays() {
        let text = Bytes::from_static(b"0123456789");
        for (parts, left) in [
            (&[][..], "0123456789"),
            (&[2..4, 4..4], "01456789"),
            (&[0..1, 9..10], "12345678"),
            (&[2..8, 3..5], "0189"),
            (&[2..4, 4..6], "016789"),
        ] {
            assert_eq!(without(&text, parts), left, "{parts:?}");
        }
    }
}
