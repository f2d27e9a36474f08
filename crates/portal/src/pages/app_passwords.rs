//! *App-specific passwords*: the list, and revoking all.

use askama::Template;
use authority::State;
use keeper::Listed;
use serde::Deserialize;

use super::{Answer, Frame, Here, Sent, SignedIn, Turned, go, page};
use crate::{Shared, words};

/// An app password as pages show it.
pub(super) struct Row {
    pub(super) id: String,
    pub(super) label: String,
    pub(super) app: String,
    pub(super) opens: String,
    pub(super) networks: String,
    pub(super) shape: &'static str,
    pub(super) state: &'static str,
    pub(super) alive: bool,
    pub(super) created: String,
    pub(super) created_machine: String,
    pub(super) use_by: String,
    pub(super) expires: Option<String>,
    pub(super) last_used: Option<String>,
}

impl Row {
    pub(super) fn new(shared: &Shared, listed: &Listed, state: State) -> Self {
        let password = &listed.password;
        let (shape, word) = words::state(state);
        let last_used = listed.uses.first().map(|used| {
            let door = shared.door_title(&used.door);
            format!("{}, from {}, {door}", words::date(used.at), used.from)
        });
        Self {
            id: password.id.to_string(),
            label: password.label.to_string(),
            app: password.app.to_string(),
            opens: words::scopes(&password.scopes),
            networks: password.networks.to_string(),
            shape,
            state: word,
            alive: is_alive(state),
            created: words::date(password.created),
            created_machine: words::machine_date(password.created),
            use_by: words::date(password.use_by),
            expires: password.expires.map(words::date),
            last_used,
        }
    }
}

/// True if it may be used, now or again.
pub(super) fn is_alive(state: State) -> bool {
    matches!(state, State::Waiting | State::Active | State::Suspended)
}

impl Shared {
    pub(super) fn door_title<'a>(&'a self, name: &'a str) -> &'a str {
        let known = self.settings.doors.iter().find(|help| &*help.door.name == name);
        known.map_or(name, |help| help.title.as_str())
    }
}

#[derive(Template)]
#[template(path = "app_passwords.html")]
struct List<'a> {
    frame: Frame<'a>,
    living: Vec<Row>,
    over: Vec<Row>,
}

pub(super) async fn list(here: Here, signed_in: SignedIn) -> Answer {
    let overview = here.keeper.overview(&signed_in.owner.mandate()).await?.ok_or(Turned::NotSignedIn)?;
    let rows = overview.passwords.iter().map(|(listed, state)| Row::new(&here, listed, *state));
    let (living, over) = rows.partition(|row| row.alive);
    page(&List { frame: Frame::of(&here, &signed_in), living, over })
}

/// Asks before something that cannot be undone.
#[derive(Template)]
#[template(path = "revoke.html")]
pub(super) struct Confirm<'a> {
    pub(super) frame: Frame<'a>,
    pub(super) token: &'a str,
    pub(super) heading: String,
    pub(super) text: &'a str,
    pub(super) action: String,
    pub(super) button: &'a str,
}

pub(super) async fn confirm_revoke_all(here: Here, signed_in: SignedIn) -> Answer {
    page(&Confirm {
        frame: Frame::of(&here, &signed_in),
        token: signed_in.token().as_str(),
        heading: "Revoke all app passwords?".into(),
        text: "Every app is signed out at once and asks for a password again. You will make new ones.",
        action: "/security/app-passwords/revoke-all".into(),
        button: "Revoke all",
    })
}

#[derive(Deserialize)]
pub(super) struct Nothing {}

pub(super) async fn revoke_all(here: Here, signed_in: SignedIn, Sent(Nothing {}): Sent<Nothing>) -> Answer {
    here.keeper.revoke_all(&signed_in.owner.mandate()).await?;
    go("/security/app-passwords", None)
}
