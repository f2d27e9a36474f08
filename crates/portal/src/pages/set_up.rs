//! Setting an account up with a one-time code: all factors at once.

use std::sync::Arc;

use askama::Template;
use authority::Secret;
use http::StatusCode;
use keeper::Denied;
use serde::Deserialize;

use super::{
    Answer, ClientAddress, Frame, Here,
    factors::{NOT_THE_SAME, RecoveryShown},
    go, page, page_with,
    sign_in::{qr, status},
};
use crate::{
    Shared,
    csrf::{Sent, SentByVisitor},
    session::{Level, Seen},
    turned::Turned,
    words::{Tried, denied as why},
};

#[derive(Template)]
#[template(path = "set_up.html")]
struct Form<'a> {
    frame: Frame<'a>,
    login: &'a str,
    problem: Option<String>,
}

pub(super) async fn form(here: Here) -> Answer {
    page(&Form { frame: Frame::of_nobody(&here), login: "", problem: None })
}

#[derive(Deserialize)]
pub(super) struct Typed {
    login: String,
    code: String,
}

pub(super) async fn begin(
    here: Here,
    ClientAddress(from): ClientAddress,
    seen: Result<Seen, Turned>,
    SentByVisitor(typed): SentByVisitor<Typed>,
) -> Answer {
    match here.keeper.begin_set_up(&typed.login, &typed.code, from).await {
        Ok(setting_up) => {
            let proposal = Arc::new(here.keeper.propose_for_set_up(&setting_up));
            let level = Level::SettingUp(Arc::new(setting_up), proposal);
            go("/set-up/factors", Some(here.sessions.step_up(seen.as_ref().ok(), level, here.keeper.now()).1))
        }
        Err(denied) => {
            let problem = Some(why(&denied, Tried::SetUp));
            page_with(status(&denied), &Form { frame: Frame::of_nobody(&here), login: &typed.login, problem })
        }
    }
}

#[derive(Template)]
#[template(path = "set_up_factors.html")]
struct FactorsForm<'a> {
    frame: Frame<'a>,
    token: &'a str,
    login: &'a str,
    qr: String,
    typed: &'a str,
    problem: Option<String>,
}

fn factors_page(here: &Shared, seen: &Seen, status: StatusCode, problem: Option<String>) -> Answer {
    let Level::SettingUp(setting_up, proposal) = &seen.level else { return Err(Turned::SIGN_IN) };
    let form = FactorsForm {
        frame: Frame::of_nobody(here),
        token: seen.token.as_str(),
        login: setting_up.login().as_str(),
        qr: qr(proposal.uri.expose()),
        typed: proposal.typed.expose(),
        problem,
    };
    page_with(status, &form)
}

pub(super) async fn factors_form(here: Here, seen: Seen) -> Answer {
    factors_page(&here, &seen, StatusCode::OK, None)
}

#[derive(Deserialize)]
pub(super) struct Chosen {
    password: String,
    again: String,
    code: String,
}

pub(super) async fn finish(here: Here, seen: Seen, Sent(chosen): Sent<Chosen>) -> Answer {
    let Level::SettingUp(setting_up, proposal) = &seen.level else { return Err(Turned::SIGN_IN) };
    let (password, again) = (Secret::new(chosen.password), Secret::new(chosen.again));
    if password.expose() != again.expose() {
        return factors_page(&here, &seen, StatusCode::UNPROCESSABLE_ENTITY, Some(NOT_THE_SAME.into()));
    }
    match here.keeper.set_up(setting_up, &password, proposal, &chosen.code).await {
        Ok((owner, codes)) => RecoveryShown::after_step_up(&here, &seen, owner, &codes),
        Err(Denied::Over) => Err(Turned::SetUpOver),
        Err(denied) => factors_page(&here, &seen, status(&denied), Some(why(&denied, Tried::FirstCode))),
    }
}
