//! Forms: only from our own pages, only by the browser they were made for.
//!
//! Each carries its session's token. The first form of a sign-in has no session
//! yet, and needs none: it leads only to the second, which has. So a stranger's
//! page cannot sign anybody in to a stranger's account. Beside the token stands
//! what the browser itself tells of where a form comes from.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, FromRequestParts, Request},
};
use http::{HeaderMap, StatusCode, header, request::Parts};
use serde::{Deserialize, de::DeserializeOwned};
use subtle::ConstantTimeEq;

use crate::{Shared, session::Seen, turned::Turned};

/// The form's proof that it came from a page of this browser.
#[derive(Clone)]
pub(crate) struct Token(Box<str>);

impl Token {
    pub(crate) fn new(text: String) -> Self {
        Self(text.into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn matches(&self, sent: &str) -> bool {
        self.0.as_bytes().ct_eq(sent.as_bytes()).into()
    }
}

/// A form sent from a page of this session.
pub(crate) struct Sent<T>(pub(crate) T);

/// A form sent from a page of the portal by somebody who has proved nothing yet.
/// What it leads to opens nothing by itself.
pub(crate) struct SentByVisitor<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Arc<Shared>> for Sent<T> {
    type Rejection = Turned;

    async fn from_request(request: Request, shared: &Arc<Shared>) -> Result<Self, Turned> {
        let (mut parts, body) = request.into_parts();
        let seen = Seen::from_request_parts(&mut parts, shared).await?;
        let body = own_form(parts, body, shared).await?;
        let WithToken { token } = read(&body)?;
        if !seen.token.matches(&token) {
            return Err(Turned::Forged);
        }
        read(&body).map(Self)
    }
}

impl<T: DeserializeOwned> FromRequest<Arc<Shared>> for SentByVisitor<T> {
    type Rejection = Turned;

    async fn from_request(request: Request, shared: &Arc<Shared>) -> Result<Self, Turned> {
        let (parts, body) = request.into_parts();
        read(&own_form(parts, body, shared).await?).map(Self)
    }
}

/// A form that trickles in is given up after this long.
const BODY_WITHIN: Duration = Duration::from_secs(20);

#[derive(Deserialize)]
struct WithToken {
    #[serde(default)]
    token: String,
}

async fn own_form(parts: Parts, body: Body, shared: &Arc<Shared>) -> Result<Bytes, Turned> {
    if !is_own(&parts.headers, &shared.settings.url) {
        return Err(Turned::Forged);
    }
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(Turned::Unreadable);
    }
    let reading = Bytes::from_request(Request::from_parts(parts, body), shared);
    match tokio::time::timeout(BODY_WITHIN, reading).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(rejected)) if rejected.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(Turned::TooLarge),
        Ok(Err(_)) => Err(Turned::Unreadable),
        Err(_) => Err(Turned::TooSlow),
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Turned> {
    serde_urlencoded::from_bytes(body).map_err(|_| Turned::Unreadable)
}

/// True if a form was sent from a page of the portal, as far as the browser
/// tells. All browsers of today say `Sec-Fetch-Site`, older ones `Origin`; one
/// that says neither is left to the token.
fn is_own(headers: &HeaderMap, url: &str) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("unreadable"));
    match (text("sec-fetch-site"), text(header::ORIGIN.as_str())) {
        (Some(site), _) => site == "same-origin",
        (None, Some(origin)) => origin == url,
        (None, None) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_other_sites_are_told_apart() {
        const URL: &str = "https://id.example.org";
        for (sent, own) in [
            (&[("sec-fetch-site", "same-origin")][..], true),
            (&[("sec-fetch-site", "same-site"), ("origin", URL)], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("origin", URL)], true),
            (&[("origin", "null")], false),
            (&[("origin", "http://id.example.org")], false),
            (&[("origin", "https://id.example.org.evil.example")], false),
            (&[], true),
        ] {
            let headers: HeaderMap =
                sent.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
            assert_eq!(is_own(&headers, URL), own, "{sent:?}");
        }
    }
}
