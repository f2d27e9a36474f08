//! *Password & Security*: where everything starts.

use askama::Template;

use super::{Answer, Frame, Here, SignedIn, app_passwords::is_alive, go, page};
use crate::turned::Turned;

#[derive(Template)]
#[template(path = "security.html")]
struct Overview<'a> {
    frame: Frame<'a>,
    notice: Option<String>,
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
    page(&Overview {
        frame: Frame::of(&here, &signed_in),
        notice: here.sessions.hear(&signed_in.seen),
        living: overview.passwords.iter().filter(|(_, state)| is_alive(*state)).count(),
        left: overview.recovery_codes_left,
    })
}
