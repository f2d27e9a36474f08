//! The pages: what they need of a request, and where they hang.

mod app_password;
mod app_passwords;
mod factors;
mod generate;
mod security;
mod set_up;
mod sign_in;
mod static_files;

use std::{net::IpAddr, sync::Arc};

use askama::Template;
use authority::Account;
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Request},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use http::{HeaderValue, StatusCode, header, request::Parts};
use keeper::{Denied, Owner, StoreError};
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    Caller, Shared, origin,
    session::{Level, Seen, Token},
};

pub(crate) type Here = axum::extract::State<Arc<Shared>>;
pub(crate) type Answer = Result<Response, Turned>;

pub(crate) fn routes(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/", get(security::start))
        .route("/sign-in", get(sign_in::form).post(sign_in::begin))
        .route("/sign-in/code", get(sign_in::code_form).post(sign_in::finish))
        .route("/sign-in/enrol", get(sign_in::enrol_form).post(sign_in::enrol))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/set-up", get(set_up::form).post(set_up::begin))
        .route("/set-up/factors", get(set_up::factors_form).post(set_up::finish))
        .route("/security", get(security::overview))
        .route("/security/password", get(factors::password_form).post(factors::change_password))
        .route("/security/recovery-codes", get(factors::recovery_form).post(factors::renew))
        .route("/security/app-passwords", get(app_passwords::list))
        .route("/security/app-passwords/new", get(generate::form).post(generate::generate))
        .route(
            "/security/app-passwords/revoke-all",
            get(app_passwords::confirm_revoke_all).post(app_passwords::revoke_all),
        )
        .route("/security/app-passwords/{id}", get(app_password::show))
        .route("/security/app-passwords/{id}/doors", get(app_password::doors))
        .route("/security/app-passwords/{id}/revoke", get(app_password::confirm_revoke).post(app_password::revoke))
        .route("/.well-known/change-password", get(async || Redirect::to("/security/password")))
        .route("/static/postern.css", get(static_files::css))
        .route("/static/postern.js", get(static_files::js))
        .fallback(async |here: Here| Turned::NotFound.page(&here))
        .layer(DefaultBodyLimit::max(64 * 1024))
        .with_state(shared)
}

/// What frames every page.
pub(crate) struct Frame<'a> {
    site: &'a str,
    who: Option<Who<'a>>,
}

struct Who<'a> {
    login: &'a str,
    token: &'a str,
}

impl<'a> Frame<'a> {
    pub(crate) fn of(shared: &'a Shared, signed_in: &'a SignedIn) -> Self {
        let who = Who { login: signed_in.owner.login().as_str(), token: signed_in.seen.token.as_str() };
        Self { site: &shared.settings.site, who: Some(who) }
    }

    pub(crate) fn of_nobody(shared: &'a Shared) -> Self {
        Self { site: &shared.settings.site, who: None }
    }
}

pub(crate) fn page(template: &impl Template) -> Answer {
    page_with(StatusCode::OK, template)
}

pub(crate) fn page_with(status: StatusCode, template: &impl Template) -> Answer {
    match template.render() {
        Ok(html) => Ok((status, Html(html)).into_response()),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered; this is a defect, please report it");
            Err(Turned::Unavailable)
        }
    }
}

/// On to a page, with a cookie.
pub(crate) fn go(to: &str, cookie: Option<HeaderValue>) -> Answer {
    // 303: the form is not sent again to the next page.
    let mut response = Redirect::to(to).into_response();
    if let Some(cookie) = cookie {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Why somebody does not see the page they asked for.
pub(crate) enum Turned {
    NotSignedIn,
    Forged,
    NotFound,
    Unreadable,
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
            _ => Self::NotSignedIn,
        }
    }
}

#[derive(Template)]
#[template(path = "message.html")]
struct Message<'a> {
    frame: Frame<'a>,
    heading: &'a str,
    text: &'a str,
}

impl Turned {
    fn page(&self, shared: &Shared) -> Response {
        let (status, heading, text) = self.words();
        let frame = Frame::of_nobody(shared);
        page_with(status, &Message { frame, heading, text }).unwrap_or_else(|_| status.into_response())
    }

    fn words(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::NotSignedIn => (StatusCode::SEE_OTHER, "Sign in", "Sign in first."),
            Self::Forged => (
                StatusCode::FORBIDDEN,
                "This form has expired",
                "It was sent from another page, or you have been signed out since. Nothing was changed. Go back, reload the page and try again.",
            ),
            Self::NotFound => (StatusCode::NOT_FOUND, "There is no such page", "It may have moved."),
            Self::Unreadable => {
                (StatusCode::BAD_REQUEST, "That could not be read", "Go back, reload the page and try again.")
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
        if matches!(self, Self::NotSignedIn) {
            return Redirect::to("/sign-in").into_response();
        }
        // Without the frame: what turned the request away may be what makes frames.
        let (status, heading, text) = self.words();
        let shut = format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
             <title>{heading}</title><link rel=\"stylesheet\" href=\"/static/postern.css\"><main><h1>{heading}</h1><p>{text}</p>\
             <p><a href=\"/\">Go on</a></p></main></html>"
        );
        (status, Html(shut)).into_response()
    }
}

/// The client's address.
pub(crate) struct ClientAddress(pub(crate) IpAddr);

impl FromRequestParts<Arc<Shared>> for ClientAddress {
    type Rejection = Turned;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Turned> {
        let Caller(peer) = parts.extensions.get().copied().ok_or(Turned::Unavailable)?;
        Ok(Self(origin::client(peer, &parts.headers, &shared.settings.trusted_proxies)))
    }
}

impl FromRequestParts<Arc<Shared>> for Seen {
    type Rejection = Turned;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Turned> {
        shared.sessions.seen(&parts.headers, shared.keeper.now()).ok_or(Turned::NotSignedIn)
    }
}

/// Somebody who has proved both factors, and whose account still stands as it did then.
pub(crate) struct SignedIn {
    pub(crate) seen: Seen,
    pub(crate) owner: Owner,
    pub(crate) account: Account,
}

impl FromRequestParts<Arc<Shared>> for SignedIn {
    type Rejection = Turned;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Turned> {
        let seen = Seen::from_request_parts(parts, shared).await?;
        let Level::Owner(owner) = seen.level.clone() else { return Err(Turned::NotSignedIn) };
        let account = shared.keeper.confirm(&owner).await?;
        Ok(Self { seen, owner, account })
    }
}

impl SignedIn {
    pub(crate) fn token(&self) -> &Token {
        &self.seen.token
    }

    pub(crate) fn is_fresh(&self, shared: &Shared) -> bool {
        shared.keeper.fresh_mandate(&self.owner).is_ok()
    }

    /// Takes the code of a form that asks for one, so that the owner is fresh.
    pub(crate) async fn freshen(&mut self, shared: &Shared, code: &str) -> Result<(), Denied> {
        if !code.trim().is_empty() {
            shared.keeper.freshen(&mut self.owner, code).await?;
            shared.sessions.update(&self.seen, Level::Owner(self.owner.clone()));
        }
        Ok(())
    }
}

/// A form sent from a page of this session.
pub(crate) struct Sent<T>(pub(crate) T);

/// A form sent from a page of the portal by somebody who has proved nothing yet.
pub(crate) struct SentByNobody<T>(pub(crate) T);

#[derive(Deserialize)]
struct WithToken {
    #[serde(default)]
    token: String,
}

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

impl<T: DeserializeOwned> FromRequest<Arc<Shared>> for SentByNobody<T> {
    type Rejection = Turned;

    async fn from_request(request: Request, shared: &Arc<Shared>) -> Result<Self, Turned> {
        let (parts, body) = request.into_parts();
        read(&own_form(parts, body, shared).await?).map(Self)
    }
}

async fn own_form(parts: Parts, body: Body, shared: &Arc<Shared>) -> Result<Bytes, Turned> {
    if !origin::is_own(&parts.headers, &shared.settings.url) {
        return Err(Turned::Forged);
    }
    let request = Request::from_parts(parts, body);
    Bytes::from_request(request, shared).await.map_err(|_| Turned::Unreadable)
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Turned> {
    serde_urlencoded::from_bytes(body).map_err(|_| Turned::Unreadable)
}
