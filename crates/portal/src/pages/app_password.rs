//! One app password: what it is, door by door, and revoking it.

use std::net::IpAddr;

use askama::Template;
use authority::{AppPasswordId, State};
use axum::extract::Path;
use keeper::Listed;

use super::{
    Answer, Frame, Here, Nothing, SignedIn, Watching,
    app_lock::{Locked, locked},
    app_passwords::{Confirm, Row},
    go, page,
};
use crate::{DoorHelp, Shared, csrf::Sent, time::Moment, turned::Turned, words};

/// A row for each door that a password opens.
#[derive(Default, Template)]
#[template(path = "doors.html")]
pub(super) struct Doors {
    doors: Vec<DoorRow>,
}

/// A door, and what was seen of the password there.
struct DoorRow {
    title: String,
    address: String,
    seen: SeenThere,
}

/// What one door has seen of a password.
enum SeenThere {
    Connected {
        at: Moment,
        from: IpAddr,
    },
    Refused {
        at: Moment,
        from: IpAddr,
        why: &'static str,
    },
    /// Nothing yet, and somebody may be typing it into an app right now.
    Waiting,
    /// Nothing, and it is in use elsewhere.
    Unused,
}

/// What an app got wrong is often known only of the account: it sent another
/// password. In the hour in which this one is set up, such a refusal is most
/// likely about it, at doors that it has not opened yet. Later it is about some
/// other app, perhaps an old phone that asks all night.
pub(super) async fn doors_of(here: &Shared, listed: &Listed) -> Result<Doors, Turned> {
    let password = &listed.password;
    let refused = here.keeper.refusals(password.account, password.created).await?;
    let is_new = here.keeper.now() < password.use_by;
    let row = |help: &DoorHelp| {
        let used = listed.uses.iter().find(|used| used.door == help.door.name);
        let is_its = |id: Option<AppPasswordId>| id.map_or(is_new && used.is_none(), |id| id == password.id);
        let refusal = refused.iter().find(|line| line.door == help.door.name && is_its(line.app_password));
        let seen = match (used, refusal) {
            (Some(used), refusal) if refusal.is_none_or(|line| line.at <= used.at) => {
                SeenThere::Connected { at: Moment(used.at), from: used.from }
            }
            (_, Some(line)) => {
                SeenThere::Refused { at: Moment(line.at), from: line.from, why: words::reason(line.reason) }
            }
            (_, None) if is_new => SeenThere::Waiting,
            (_, None) => SeenThere::Unused,
        };
        DoorRow { title: help.title.clone(), address: help.address.clone(), seen }
    };
    let opened = here.settings.doors.iter().filter(|help| password.scopes.open(&help.door.needs));
    Ok(Doors { doors: opened.map(row).collect() })
}

#[derive(Template)]
#[template(path = "app_password.html")]
struct Page<'a> {
    frame: Frame<'a>,
    notice: Option<String>,
    row: Row,
    login: &'a str,
    hints: &'a [String],
    doors: Doors,
    locked: Locked<'a>,
}

/// The owner's own password with this id; somebody else's is not there.
pub(super) async fn own(here: &Shared, signed_in: &SignedIn, id: &str) -> Result<(Listed, State), Turned> {
    let id: AppPasswordId = id.parse().map_err(|_| Turned::NotFound)?;
    let overview = here.keeper.overview(&signed_in.owner.mandate()).await?.ok_or(Turned::SIGN_IN)?;
    overview.passwords.into_iter().find(|(listed, _)| listed.password.id == id).ok_or(Turned::NotFound)
}

pub(super) async fn show(here: Here, signed_in: SignedIn, Path(id): Path<String>) -> Answer {
    let (listed, state) = own(&here, &signed_in, &id).await?;
    page(&Page {
        frame: Frame::of(&here, &signed_in),
        notice: here.sessions.hear(&signed_in.seen),
        row: Row::new(&here, &listed, state),
        login: signed_in.account.login.as_str(),
        hints: here.settings.catalogue.find(&listed.password.app).map_or(&[], |app| &app.hints),
        doors: doors_of(&here, &listed).await?,
        locked: locked(&here, &signed_in, &listed.password).await?,
    })
}

/// The doors alone, for the page that looks every two seconds. No secret is in it.
pub(super) async fn doors(here: Here, Watching(signed_in): Watching, Path(id): Path<String>) -> Answer {
    let (listed, _) = own(&here, &signed_in, &id).await?;
    page(&doors_of(&here, &listed).await?)
}

pub(super) async fn confirm_revoke(here: Here, signed_in: SignedIn, Path(id): Path<String>) -> Answer {
    let (listed, _) = own(&here, &signed_in, &id).await?;
    page(&Confirm {
        frame: Frame::of(&here, &signed_in),
        token: signed_in.token().as_str(),
        heading: format!("Revoke \u{201c}{}\u{201d}?", listed.password.label),
        text: "The app is signed out at once and asks for a password again. This cannot be undone.",
        action: format!("/security/app-passwords/{}/revoke", listed.password.id),
        button: "Revoke",
    })
}

pub(super) async fn revoke(
    here: Here,
    signed_in: SignedIn,
    Path(id): Path<String>,
    Sent(Nothing {}): Sent<Nothing>,
) -> Answer {
    let (listed, _) = own(&here, &signed_in, &id).await?;
    let label = &listed.password.label;
    let ended = here.keeper.revoke(&signed_in.owner.mandate(), listed.password.id).await?;
    // Revoked before, in another window, is what was wanted.
    let cut = words::sessions_ended(ended.unwrap_or(0));
    here.sessions.say(&signed_in.seen, format!("\u{201c}{label}\u{201d} is revoked.{cut}"));
    go("/security/app-passwords", None)
}
