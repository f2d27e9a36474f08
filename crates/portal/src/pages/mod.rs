//! The pages: what they need of a request, and where they hang.

mod app_lock;
mod app_password;
mod app_passwords;
mod apps;
mod factors;
mod generate;
mod notices;
mod second_factor;
mod security;
mod sessions;
mod set_up;
mod sign_in;
mod static_files;

use std::{net::IpAddr, sync::Arc};

use askama::Template;
use authority::Account;
use axum::{
    Router,
    extract::{DefaultBodyLimit, FromRequestParts},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use http::{HeaderValue, StatusCode, header, request::Parts};
use keeper::{Denied, Owner};
use serde::Deserialize;

use crate::{
    Caller, Shared,
    after::After,
    csrf::Token,
    forwarded,
    session::{Level, Seen},
    turned::Turned,
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
        .route("/security/second-factor", get(second_factor::form).post(second_factor::begin))
        .route("/security/second-factor/new", get(second_factor::new_form).post(second_factor::replace))
        .route("/security/recovery-codes", get(factors::recovery_form).post(factors::renew))
        .route("/security/sessions", get(sessions::list))
        .route("/security/sessions/end-app", post(sessions::end_app))
        .route("/security/sessions/end-browser", post(sessions::end_browser))
        .route("/security/sessions/end-others", post(sessions::end_others))
        .route("/security/notices", get(notices::list))
        .route("/security/notices/dismiss", post(notices::dismiss))
        .route("/security/notices/dismiss-all", post(notices::dismiss_all))
        .route("/security/app-passwords", get(app_passwords::list))
        .route("/security/app-passwords/new", get(generate::form).post(generate::generate))
        .route(
            "/security/app-passwords/revoke-all",
            get(app_passwords::confirm_revoke_all).post(app_passwords::revoke_all),
        )
        .route("/security/app-passwords/{id}", get(app_password::show))
        .route("/security/app-passwords/{id}/doors", get(app_password::doors))
        .route("/security/app-passwords/{id}/revoke", get(app_password::confirm_revoke).post(app_password::revoke))
        .route("/security/app-passwords/{id}/allow", post(app_lock::allow))
        .route("/security/app-passwords/{id}/relearn", get(app_lock::confirm_relearn).post(app_lock::relearn))
        .route("/.well-known/change-password", get(async || Redirect::to("/security/password")))
        .route("/static/postern.css", get(static_files::css))
        .route("/static/postern.js", get(static_files::js))
        .fallback(async || Turned::NotFound)
        .layer(DefaultBodyLimit::max(64 * 1024))
        .with_state(shared)
}

/// What frames every page.
pub(crate) struct Frame<'a> {
    pub(crate) site: &'a str,
    pub(crate) who: Option<Who<'a>>,
}

pub(crate) struct Who<'a> {
    pub(crate) login: &'a str,
    pub(crate) token: &'a str,
}

impl<'a> Frame<'a> {
    pub(crate) fn of(shared: &'a Shared, signed_in: &'a SignedIn) -> Self {
        let who = Who { login: signed_in.owner.login().as_str(), token: signed_in.seen.token.as_str() };
        Self { site: &shared.settings.site, who: Some(who) }
    }

    pub(crate) fn of_nobody(shared: &'a Shared) -> Self {
        Self::of_site(&shared.settings.site)
    }

    pub(crate) fn of_site(site: &'a str) -> Self {
        Self { site, who: None }
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

/// The client's address.
pub(crate) struct ClientAddress(pub(crate) IpAddr);

impl FromRequestParts<Arc<Shared>> for ClientAddress {
    type Rejection = Turned;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Turned> {
        let Caller(peer) = parts.extensions.get().copied().ok_or(Turned::Unavailable)?;
        Ok(Self(forwarded::client(peer, &parts.headers, &shared.settings.trusted_proxies)))
    }
}

impl FromRequestParts<Arc<Shared>> for Seen {
    type Rejection = Turned;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Turned> {
        let seen = shared.sessions.seen(&parts.headers, shared.keeper.now());
        seen.ok_or(Turned::NotSignedIn(After::from_path(parts.uri.path())))
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
        Self::confirmed(seen, After::from_path(parts.uri.path()), shared).await
    }
}

/// The same, for what a page asks by itself.
pub(crate) struct Watching(pub(crate) SignedIn);

impl FromRequestParts<Arc<Shared>> for Watching {
    type Rejection = Turned;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Turned> {
        let seen = shared.sessions.glimpsed(&parts.headers, shared.keeper.now());
        let seen = seen.ok_or(Turned::SIGN_IN)?;
        SignedIn::confirmed(seen, After::default(), shared).await.map(Self)
    }
}

impl SignedIn {
    async fn confirmed(seen: Seen, after: After, shared: &Shared) -> Result<Self, Turned> {
        let Level::Owner(owner) = seen.level.clone() else { return Err(Turned::NotSignedIn(after)) };
        let account = shared.keeper.confirm(&owner).await.map_err(|denied| match Turned::from(denied) {
            Turned::NotSignedIn(_) => Turned::NotSignedIn(after),
            other => other,
        })?;
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

/// A form with nothing to fill in but its token.
#[derive(Deserialize)]
pub(crate) struct Nothing {}
