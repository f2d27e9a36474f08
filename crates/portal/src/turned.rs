//! Why somebody does not see the page they asked for.

use axum::response::{Html, IntoResponse, Redirect, Response};
use http::{HeaderValue, StatusCode, header};
use keeper::{Denied, StoreError};

use crate::after::After;

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
}

impl From<StoreError> for Turned {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the portal cannot use the store");
        Self::Unavailable
    }
}

impl From<Denied> for Turned {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Unavailable => Self::Unavailable,
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
        }
    }
}

impl IntoResponse for Turned {
    fn into_response(self) -> Response {
        if let Self::NotSignedIn(after) = self {
            return Redirect::to(&after.sign_in()).into_response();
        }
        // By hand: what turned the request away may be what fills templates.
        let (status, heading, text) = self.words();
        let page = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<title>{heading}</title>\n\
             <link rel=\"stylesheet\" href=\"/static/postern.css\">\n</head>\n<body>\n<main id=\"main\">\n\
             <h1>{heading}</h1>\n<p>{text}</p>\n<p><a class=\"button\" href=\"/\">To the first page</a></p>\n\
             </main>\n</body>\n</html>\n"
        );
        let mut response = (status, Html(page)).into_response();
        match self {
            Self::Unavailable => {
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
