//! One app password: what it is, door by door, and revoking it.

use askama::Template;
use authority::{AppPassword, AppPasswordId, State};
use axum::extract::Path;
use keeper::Listed;
use serde::Deserialize;

use super::{
    Answer, Frame, Here, Sent, SignedIn, Turned,
    app_passwords::{Confirm, Row},
    go, page,
};
use crate::{Shared, words};

/// What one door has seen of a password.
pub(super) struct DoorRow {
    pub(super) class: &'static str,
    pub(super) mark: &'static str,
    pub(super) title: String,
    pub(super) text: String,
    pub(super) address: String,
}

/// A row for each door that the password opens: connected, turned away with
/// the real reason, or nothing yet.
pub(super) async fn door_rows(here: &Shared, listed: &Listed) -> Result<Vec<DoorRow>, Turned> {
    let AppPassword { account, scopes, created, .. } = &listed.password;
    let refused = here.keeper.refusals(*account, *created).await?;
    let doors = here.settings.doors.iter().filter(|help| scopes.open(&help.door.needs));
    let row = |help: &crate::DoorHelp| {
        let used = listed.uses.iter().find(|used| used.door == help.door.name);
        let ours = |id: Option<AppPasswordId>| id.is_none_or(|id| id == listed.password.id);
        let refusal = refused.iter().find(|line| line.door == help.door.name && ours(line.app_password));
        let (class, mark, text) = match (used, refusal) {
            (Some(used), refusal) if refusal.is_none_or(|line| line.at <= used.at) => {
                let text = format!("Connected, {}, from {}", words::date(used.at), used.from);
                ("connected", "\u{2713}", text)
            }
            (_, Some(line)) => {
                let text = format!(
                    "Turned away, {}, from {}. {}",
                    words::date(line.at),
                    line.from,
                    words::reason(line.reason)
                );
                ("refused", "!", text)
            }
            (_, None) => ("waiting", "\u{25cb}", "Waiting for the app\u{2026}".to_owned()),
        };
        DoorRow { class, mark, title: help.title.clone(), text, address: help.address.clone() }
    };
    Ok(doors.map(row).collect())
}

#[derive(Template)]
#[template(path = "app_password.html")]
struct Page<'a> {
    frame: Frame<'a>,
    row: Row,
    doors: Vec<DoorRow>,
}

#[derive(Template)]
#[template(path = "doors.html")]
struct Doors {
    doors: Vec<DoorRow>,
}

/// The owner's own password with this id; somebody else's is not there.
async fn own(here: &Shared, signed_in: &SignedIn, id: &str) -> Result<(Listed, State), Turned> {
    let id: AppPasswordId = id.parse().map_err(|_| Turned::NotFound)?;
    let overview = here.keeper.overview(&signed_in.owner.mandate()).await?.ok_or(Turned::NotSignedIn)?;
    overview.passwords.into_iter().find(|(listed, _)| listed.password.id == id).ok_or(Turned::NotFound)
}

pub(super) async fn show(here: Here, signed_in: SignedIn, Path(id): Path<String>) -> Answer {
    let (listed, state) = own(&here, &signed_in, &id).await?;
    let doors = door_rows(&here, &listed).await?;
    page(&Page { frame: Frame::of(&here, &signed_in), row: Row::new(&here, &listed, state), doors })
}

pub(super) async fn doors(here: Here, signed_in: SignedIn, Path(id): Path<String>) -> Answer {
    let (listed, _) = own(&here, &signed_in, &id).await?;
    page(&Doors { doors: door_rows(&here, &listed).await? })
}

pub(super) async fn confirm_revoke(here: Here, signed_in: SignedIn, Path(id): Path<String>) -> Answer {
    let (listed, _) = own(&here, &signed_in, &id).await?;
    page(&Confirm {
        frame: Frame::of(&here, &signed_in),
        token: signed_in.token().as_str(),
        heading: format!("Revoke \u{201c}{}\u{201d}?", listed.password.label),
        text: "The app is signed out at once, and asks for a password again. This cannot be undone.",
        action: format!("/security/app-passwords/{}/revoke", listed.password.id),
        button: "Revoke",
    })
}

#[derive(Deserialize)]
pub(super) struct Nothing {}

pub(super) async fn revoke(
    here: Here,
    signed_in: SignedIn,
    Path(id): Path<String>,
    Sent(Nothing {}): Sent<Nothing>,
) -> Answer {
    let id: AppPasswordId = id.parse().map_err(|_| Turned::NotFound)?;
    // Revoked before, in another window, is what was wanted.
    let _ended = here.keeper.revoke(&signed_in.owner.mandate(), id).await?;
    go("/security/app-passwords", None)
}
