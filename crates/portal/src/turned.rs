//! Why somebody does not see the page they asked for.

use askama::Template;
use axum::response::{Html, IntoResponse, Redirect, Response};
use http::{HeaderValue, StatusCode, header};
use keeper::{Denied, StoreError};

use crate::{after::After, pages::Frame};

/// Each has a page of its own, with what to do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Turned {
    /// On to the sign-in, and from there to what was asked for.
    NotSignedIn(After),
    SetUpOver,
    Forged,
    NotFound,
    Unreadable,
    TooLarge,
    TooSlow,
    Unavailable,
    Unsettled,
}

impl From<StoreError> for Turned {
    fn from(error: StoreError) -> Self {
        Denied::from(error).into()
    }
}

impl From<Denied> for Turned {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Unavailable => Self::Unavailable,
            Denied::Unsettled => Self::Unsettled,
            _ => Self::SIGN_IN,
        }
    }
}

impl Turned {
    /// On to the sign-in.
    pub(crate) const SIGN_IN: Self = Self::NotSignedIn(After::Security);

    fn words(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::NotSignedIn(_) => (StatusCode::SEE_OTHER, "Sign in", "Sign in first."),
            Self::SetUpOver => (
                StatusCode::FORBIDDEN,
                "This set-up is over",
                "The code was used meanwhile, or its day has passed. If it was not you, tell whoever runs this service. Ask for a new set-up code.",
            ),
            Self::Forged => (
                StatusCode::FORBIDDEN,
                "This form has expired",
                "It was sent from another page, or you have signed out or in since. Nothing was changed. Go back, reload the page and try again.",
            ),
            Self::NotFound => (StatusCode::NOT_FOUND, "There is no such page", "Start from the first page."),
            Self::Unreadable => {
                (StatusCode::BAD_REQUEST, "That could not be read", "Go back, reload the page and try again.")
            }
            Self::TooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "That was too long", "Go back and enter something shorter.")
            }
            Self::TooSlow => {
                (StatusCode::REQUEST_TIMEOUT, "That took too long", "Nothing was changed. Go back and try again.")
            }
            Self::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "This cannot be done right now",
                "Nothing was changed. Try again in a minute.",
            ),
            Self::Unsettled => (
                StatusCode::SERVICE_UNAVAILABLE,
                "It is not known whether this was done",
                "What keeps everything was lost meanwhile. In a minute, look whether it was done, then try again if need be.",
            ),
        }
    }
}

#[derive(Template)]
#[template(path = "turned.html")]
struct Page<'a> {
    frame: Frame<'a>,
    heading: &'a str,
    text: &'a str,
}

/// Gives an answer that turned somebody away the look of the site.
pub(crate) fn framed(site: &str, mut response: Response) -> Response {
    let Some(turned) = response.extensions().get::<Turned>() else { return response };
    let (_, heading, text) = turned.words();
    let page = Page { frame: Frame::of_site(site), heading, text };
    if let Ok(html) = page.render() {
        let (parts, body) = Html(html).into_response().into_parts();
        response.headers_mut().extend(parts.headers);
        *response.body_mut() = body;
    }
    response
}

impl IntoResponse for Turned {
    fn into_response(self) -> Response {
        if let Self::NotSignedIn(after) = self {
            return Redirect::to(&after.sign_in()).into_response();
        }
        // What turned the request away may be what fills templates: this will do
        // where no page can be made.
        let (status, heading, text) = self.words();
        let mut response = (status, format!("{heading}\n{text}\n")).into_response();
        response.extensions_mut().insert(self);
        match self {
            Self::Unavailable | Self::Unsettled => {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
            }
            // What is left of the body would be read as the next request.
            Self::TooLarge | Self::TooSlow => {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            _ => {}
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_been_done_is_not_denied() {
        let lost = || StoreError::Unsettled("the connection broke".into());
        for turned in [Turned::from(lost()), Turned::from(Denied::from(lost()))] {
            let (status, heading, text) = turned.words();
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
            assert!(heading.contains("not known") && !text.contains("Nothing was changed"), "{heading}: {text}");
        }
    }
}
