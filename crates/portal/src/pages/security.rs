//! *Password & Security*: where everything starts.

use askama::Template;

use super::{Answer, Frame, Here, SignedIn, Turned, app_passwords::is_alive, go, page};

#[derive(Template)]
#[template(path = "security.html")]
struct Overview<'a> {
    frame: Frame<'a>,
    living: usize,
    left: usize,
}

pub(super) async fn start(signed_in: Result<SignedIn, Turned>) -> Answer {
    go(if signed_in.is_ok() { "/security" } else { "/sign-in" }, None)
}

pub(super) async fn overview(here: Here, signed_in: SignedIn) -> Answer {
    let overview = here.keeper.overview(&signed_in.owner.mandate()).await?.ok_or(Turned::NotSignedIn)?;
    page(&Overview {
        frame: Frame::of(&here, &signed_in),
        living: overview.passwords.iter().filter(|(_, state)| is_alive(*state)).count(),
        left: overview.recovery_codes_left,
    })
}
