//! Signing in and out: the primary password, then the second factor.

use std::sync::Arc;

use askama::Template;
use authority::Secret;
use axum::extract::Query;
use http::StatusCode;
use keeper::Denied;
use serde::Deserialize;

use super::{Answer, ClientAddress, Frame, Here, Nothing, factors::RecoveryShown, go, page, page_with};
use crate::{
    Shared,
    after::After,
    csrf::{Sent, SentByVisitor},
    session::{Level, Seen},
    turned::Turned,
    words::{Tried, denied as why},
};

#[derive(Template)]
#[template(path = "sign_in.html")]
struct Form<'a> {
    frame: Frame<'a>,
    login: &'a str,
    to: &'static str,
    problem: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    to: String,
}

pub(super) async fn form(here: Here, Query(wanted): Query<Wanted>) -> Answer {
    let to = After::from_path(&wanted.to).path();
    page(&Form { frame: Frame::of_nobody(&here), login: "", to, problem: None })
}

#[derive(Deserialize)]
pub(super) struct Typed {
    login: String,
    password: String,
    #[serde(default)]
    to: String,
}

pub(super) async fn begin(
    here: Here,
    ClientAddress(from): ClientAddress,
    seen: Result<Seen, Turned>,
    SentByVisitor(typed): SentByVisitor<Typed>,
) -> Answer {
    let (secret, after) = (Secret::new(typed.password), After::from_path(&typed.to));
    let pending = match here.keeper.begin_sign_in(&typed.login, &secret, from).await {
        Ok(pending) => Arc::new(pending),
        Err(denied) => {
            let (frame, problem) = (Frame::of_nobody(&here), Some(why(&denied, Tried::SignIn)));
            return page_with(status(&denied), &Form { frame, login: &typed.login, to: after.path(), problem });
        }
    };
    let (to, level) = if pending.has_second_factor() {
        ("/sign-in/code", Level::Pending(pending, after))
    } else {
        let proposal = Arc::new(here.keeper.propose_second_factor(&pending).await?);
        ("/sign-in/enrol", Level::Enrolling(pending, proposal))
    };
    go(to, Some(here.sessions.step_up(seen.as_ref().ok(), level, here.keeper.now()).1))
}

#[derive(Template)]
#[template(path = "code.html")]
struct CodeForm<'a> {
    frame: Frame<'a>,
    token: &'a str,
    problem: Option<String>,
}

pub(super) async fn code_form(here: Here, seen: Seen) -> Answer {
    let Level::Pending(..) = seen.level else { return Err(Turned::SIGN_IN) };
    page(&CodeForm { frame: Frame::of_nobody(&here), token: seen.token.as_str(), problem: None })
}

#[derive(Deserialize)]
pub(super) struct Code {
    code: String,
}

pub(super) async fn finish(here: Here, seen: Seen, Sent(Code { code }): Sent<Code>) -> Answer {
    let Level::Pending(pending, after) = &seen.level else { return Err(Turned::SIGN_IN) };
    match here.keeper.finish_sign_in(pending, &code).await {
        Ok(owner) => {
            let (_, cookie) = here.sessions.step_up(Some(&seen), Level::Owner(owner), here.keeper.now());
            go(after.path(), Some(cookie))
        }
        Err(Denied::Over) => Err(Turned::NotSignedIn(*after)),
        Err(denied) => {
            let problem = Some(why(&denied, Tried::Code));
            let form = CodeForm { frame: Frame::of_nobody(&here), token: seen.token.as_str(), problem };
            page_with(status(&denied), &form)
        }
    }
}

#[derive(Template)]
#[template(path = "enrol.html")]
struct EnrolForm<'a> {
    frame: Frame<'a>,
    token: &'a str,
    qr: String,
    typed: &'a str,
    problem: Option<String>,
}

fn enrol_page(here: &Shared, seen: &Seen, status: StatusCode, problem: Option<String>) -> Answer {
    let Level::Enrolling(_, proposal) = &seen.level else { return Err(Turned::SIGN_IN) };
    let form = EnrolForm {
        frame: Frame::of_nobody(here),
        token: seen.token.as_str(),
        qr: qr(proposal.uri.expose()),
        typed: proposal.typed.expose(),
        problem,
    };
    page_with(status, &form)
}

pub(super) async fn enrol_form(here: Here, seen: Seen) -> Answer {
    enrol_page(&here, &seen, StatusCode::OK, None)
}

pub(super) async fn enrol(here: Here, seen: Seen, Sent(Code { code }): Sent<Code>) -> Answer {
    let Level::Enrolling(pending, proposal) = &seen.level else {
        return Err(Turned::SIGN_IN);
    };
    match here.keeper.enrol(pending, proposal, &code).await {
        Ok((owner, codes)) => RecoveryShown::after_step_up(&here, &seen, owner, &codes),
        Err(Denied::Over) => Err(Turned::SIGN_IN),
        Err(denied) => enrol_page(&here, &seen, status(&denied), Some(why(&denied, Tried::FirstCode))),
    }
}

pub(super) async fn sign_out(here: Here, seen: Seen, Sent(Nothing {}): Sent<Nothing>) -> Answer {
    go("/sign-in", Some(here.sessions.end(&seen)))
}

/// The status of a form that is shown again: password managers offer to keep a
/// password that was answered with 200.
pub(super) fn status(denied: &Denied) -> StatusCode {
    match denied {
        Denied::Refused | Denied::Over | Denied::NotFresh => StatusCode::FORBIDDEN,
        Denied::Throttled => StatusCode::TOO_MANY_REQUESTS,
        Denied::Unfit(_) => StatusCode::UNPROCESSABLE_ENTITY,
        Denied::Unavailable | Denied::Unsettled => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// A QR code as inline SVG, so that the policy needs to allow no images from elsewhere.
pub(super) fn qr(text: &str) -> String {
    use std::fmt::Write;
    let Ok(code) = qrcodegen::QrCode::encode_text(text, qrcodegen::QrCodeEcc::Medium) else {
        return String::new();
    };
    let mut path = String::new();
    for y in 0..code.size() {
        for x in (0..code.size()).filter(|&x| code.get_module(x, y)) {
            let _ = write!(path, "M{},{}h1v1h-1z", x + 4, y + 4);
        }
    }
    let side = code.size() + 8;
    format!(
        "<svg viewBox=\"0 0 {side} {side}\" role=\"img\" aria-label=\"QR code for an authenticator app\" \
         shape-rendering=\"crispEdges\"><path d=\"{path}\" fill=\"#000\"/></svg>"
    )
}
