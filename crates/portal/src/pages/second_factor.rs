//! Setting the second factor up anew: the old one is good until the new one has
//! shown its first code.

use askama::Template;
use http::StatusCode;
use keeper::{Denied, Owner, Proposal};
use serde::Deserialize;

use super::{
    Answer, Frame, Here, SignedIn,
    factors::RecoveryShown,
    go, page_with,
    sign_in::{qr, status},
};
use crate::{
    Shared,
    after::After,
    csrf::Sent,
    turned::Turned,
    words::{Tried, denied as why},
};

const HERE: &str = "/security/second-factor";

#[derive(Template)]
#[template(path = "second_factor.html")]
struct Form<'a> {
    frame: Frame<'a>,
    token: &'a str,
    fresh: bool,
    problem: Option<String>,
}

fn form_page(here: &Shared, signed_in: &SignedIn, status: StatusCode, problem: Option<String>) -> Answer {
    let token = signed_in.token().as_str();
    page_with(status, &Form { frame: Frame::of(here, signed_in), token, fresh: signed_in.is_fresh(here), problem })
}

pub(super) async fn form(here: Here, signed_in: SignedIn) -> Answer {
    form_page(&here, &signed_in, StatusCode::OK, None)
}

#[derive(Deserialize)]
pub(super) struct Begun {
    #[serde(default)]
    code: String,
}

pub(super) async fn begin(here: Here, mut signed_in: SignedIn, Sent(Begun { code }): Sent<Begun>) -> Answer {
    match try_begin(&here, &mut signed_in, &code).await {
        Ok(proposal) => {
            here.sessions.propose(&signed_in.seen, proposal);
            go("/security/second-factor/new", None)
        }
        Err(Denied::Over) => Err(Turned::NotSignedIn(After::SecondFactor)),
        Err(denied) => form_page(&here, &signed_in, status(&denied), Some(why(&denied, Tried::Code))),
    }
}

async fn try_begin(here: &Shared, signed_in: &mut SignedIn, code: &str) -> Result<Proposal, Denied> {
    signed_in.freshen(here, code).await?;
    Ok(here.keeper.propose_another(&signed_in.owner, &here.keeper.fresh_mandate(&signed_in.owner)?))
}

#[derive(Template)]
#[template(path = "second_factor_new.html")]
struct NewForm<'a> {
    frame: Frame<'a>,
    token: &'a str,
    qr: String,
    typed: &'a str,
    problem: Option<String>,
}

/// The key is for the eyes of somebody who has just shown the other one: a
/// browser left open shows it no longer.
fn new_page(here: &Shared, signed_in: &SignedIn, status: StatusCode, problem: Option<String>) -> Answer {
    let proposal = here.sessions.proposed(&signed_in.seen).filter(|_| signed_in.is_fresh(here));
    let Some(proposal) = proposal else { return go(HERE, None) };
    let form = NewForm {
        frame: Frame::of(here, signed_in),
        token: signed_in.token().as_str(),
        qr: qr(proposal.uri.expose()),
        typed: proposal.typed.expose(),
        problem,
    };
    page_with(status, &form)
}

pub(super) async fn new_form(here: Here, signed_in: SignedIn) -> Answer {
    new_page(&here, &signed_in, StatusCode::OK, None)
}

#[derive(Deserialize)]
pub(super) struct FirstCode {
    code: String,
}

pub(super) async fn replace(here: Here, signed_in: SignedIn, Sent(FirstCode { code }): Sent<FirstCode>) -> Answer {
    let Some(proposal) = here.sessions.proposed(&signed_in.seen) else { return go(HERE, None) };
    match try_replace(&here, &signed_in.owner, &proposal, &code).await {
        Ok((owner, codes)) => RecoveryShown::after_step_up(&here, &signed_in.seen, owner, &codes),
        Err(Denied::Over) => Err(Turned::NotSignedIn(After::SecondFactor)),
        Err(denied) => new_page(&here, &signed_in, status(&denied), Some(why(&denied, Tried::FirstCode))),
    }
}

async fn try_replace(
    here: &Shared,
    owner: &Owner,
    proposal: &Proposal,
    code: &str,
) -> Result<(Owner, Vec<authority::Secret>), Denied> {
    here.keeper.replace_second_factor(owner, &here.keeper.fresh_mandate(owner)?, proposal, code).await
}
