//! *Password & Security*: where everything starts.

use askama::Template;

use authority::ChosenBy;

use super::{
    Answer, Frame, Here, SignedIn,
    app_passwords::is_alive,
    go,
    notices::{Banner, banner},
    page,
};
use crate::{after::After, turned::Turned};

#[derive(Template)]
#[template(path = "security.html")]
struct Overview<'a> {
    frame: Frame<'a>,
    notice: Option<String>,
    told: Banner<'a>,
    /// Factors that an administrator has chosen and knows.
    primary_given: bool,
    factor_given: bool,
    living: usize,
    left: usize,
}

pub(super) async fn start(signed_in: Result<SignedIn, Turned>) -> Answer {
    match signed_in {
        Ok(_) => go("/security", None),
        Err(Turned::NotSignedIn(_)) => go("/sign-in", None),
        Err(turned) => Err(turned),
    }
}

pub(super) async fn overview(here: Here, signed_in: SignedIn) -> Answer {
    let overview = here.keeper.overview(&signed_in.owner.mandate()).await?.ok_or(Turned::SIGN_IN)?;
    let account = &signed_in.account;
    page(&Overview {
        frame: Frame::of(&here, &signed_in),
        notice: here.sessions.hear(&signed_in.seen),
        told: banner(&here, &signed_in, After::Security).await?,
        primary_given: account.primary.as_ref().is_some_and(|it| it.chosen_by == ChosenBy::Administrator),
        factor_given: account.second_factor.as_ref().is_some_and(|it| it.chosen_by == ChosenBy::Administrator),
        living: overview.passwords.iter().filter(|(_, state)| is_alive(*state)).count(),
        left: overview.recovery_codes_left,
    })
}
