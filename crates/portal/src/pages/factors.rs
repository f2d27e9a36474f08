//! Changing what opens the account: primary password, recovery codes.

use askama::Template;
use authority::Secret;
use http::{HeaderValue, StatusCode, header};
use keeper::{Denied, Owner};
use serde::Deserialize;

use super::{Answer, Frame, Here, SignedIn, go, page, page_with, sign_in::status};
use crate::{
    Shared,
    after::After,
    csrf::Sent,
    session::{Level, Seen},
    turned::Turned,
    words::{Tried, denied as why},
};

pub(super) const NOT_THE_SAME: &str = "The two new passwords differ: type the same twice.";
const CHANGED: &str = "Your primary password is changed. All app passwords are revoked: make new ones for your apps.";

/// The codes, this once.
#[derive(Template)]
#[template(path = "recovery_shown.html")]
pub(super) struct RecoveryShown<'a> {
    frame: Frame<'a>,
    codes: Vec<&'a str>,
}

impl RecoveryShown<'_> {
    /// For somebody who has just proved, or made, both factors.
    pub(super) fn after_step_up(here: &Shared, seen: &Seen, owner: Owner, codes: &[Secret]) -> Answer {
        let (_, cookie): (_, HeaderValue) = here.sessions.step_up(Some(seen), Level::Owner(owner), here.keeper.now());
        let codes = codes.iter().map(Secret::expose).collect();
        let mut response = page(&RecoveryShown { frame: Frame::of_nobody(here), codes })?;
        response.headers_mut().insert(header::SET_COOKIE, cookie);
        Ok(response)
    }
}

#[derive(Template)]
#[template(path = "password.html")]
struct PasswordForm<'a> {
    frame: Frame<'a>,
    token: &'a str,
    login: &'a str,
    fresh: bool,
    problem: Option<String>,
}

fn password_page(here: &Shared, signed_in: &SignedIn, status: StatusCode, problem: Option<String>) -> Answer {
    let form = PasswordForm {
        frame: Frame::of(here, signed_in),
        token: signed_in.token().as_str(),
        login: signed_in.account.login.as_str(),
        fresh: signed_in.is_fresh(here),
        problem,
    };
    page_with(status, &form)
}

pub(super) async fn password_form(here: Here, signed_in: SignedIn) -> Answer {
    password_page(&here, &signed_in, StatusCode::OK, None)
}

#[derive(Deserialize)]
pub(super) struct NewPassword {
    current: String,
    password: String,
    again: String,
    #[serde(default)]
    code: String,
}

pub(super) async fn change_password(here: Here, mut signed_in: SignedIn, Sent(typed): Sent<NewPassword>) -> Answer {
    let (current, new, again) = (Secret::new(typed.current), Secret::new(typed.password), Secret::new(typed.again));
    if new.expose() != again.expose() {
        return password_page(&here, &signed_in, StatusCode::UNPROCESSABLE_ENTITY, Some(NOT_THE_SAME.into()));
    }
    match try_change(&here, &mut signed_in, &typed.code, &current, &new).await {
        Ok(owner) => {
            let (seen, cookie) = here.sessions.step_up(Some(&signed_in.seen), Level::Owner(owner), here.keeper.now());
            here.sessions.say(&seen, CHANGED.to_owned());
            go("/security", Some(cookie))
        }
        Err(Denied::Over) => Err(Turned::NotSignedIn(After::Password)),
        Err(denied) => password_page(&here, &signed_in, status(&denied), Some(why(&denied, Tried::Change))),
    }
}

async fn try_change(
    here: &Shared,
    signed_in: &mut SignedIn,
    code: &str,
    current: &Secret,
    new: &Secret,
) -> Result<Owner, Denied> {
    signed_in.freshen(here, code).await?;
    let mandate = here.keeper.fresh_mandate(&signed_in.owner)?;
    here.keeper.change_primary(&signed_in.owner, &mandate, current, new).await
}

#[derive(Template)]
#[template(path = "recovery.html")]
struct RecoveryForm<'a> {
    frame: Frame<'a>,
    token: &'a str,
    fresh: bool,
    left: usize,
    problem: Option<String>,
}

async fn recovery_page(here: &Shared, signed_in: &SignedIn, status: StatusCode, problem: Option<String>) -> Answer {
    let overview = here.keeper.overview(&signed_in.owner.mandate()).await?.ok_or(Turned::SIGN_IN)?;
    let form = RecoveryForm {
        frame: Frame::of(here, signed_in),
        token: signed_in.token().as_str(),
        fresh: signed_in.is_fresh(here),
        left: overview.recovery_codes_left,
        problem,
    };
    page_with(status, &form)
}

pub(super) async fn recovery_form(here: Here, signed_in: SignedIn) -> Answer {
    recovery_page(&here, &signed_in, StatusCode::OK, None).await
}

#[derive(Deserialize)]
pub(super) struct Renewal {
    #[serde(default)]
    code: String,
}

pub(super) async fn renew(here: Here, mut signed_in: SignedIn, Sent(Renewal { code }): Sent<Renewal>) -> Answer {
    match try_renew(&here, &mut signed_in, &code).await {
        Ok(codes) => {
            let codes = codes.iter().map(Secret::expose).collect();
            page(&RecoveryShown { frame: Frame::of(&here, &signed_in), codes })
        }
        Err(Denied::Over) => Err(Turned::NotSignedIn(After::RecoveryCodes)),
        Err(denied) => recovery_page(&here, &signed_in, status(&denied), Some(why(&denied, Tried::Code))).await,
    }
}

async fn try_renew(here: &Shared, signed_in: &mut SignedIn, code: &str) -> Result<Vec<Secret>, Denied> {
    signed_in.freshen(here, code).await?;
    here.keeper.renew_recovery_codes(&here.keeper.fresh_mandate(&signed_in.owner)?).await
}
