//! *App-specific passwords*: the list, and revoking all.

use std::net::IpAddr;

use askama::Template;
use authority::State;
use keeper::Listed;

use super::{
    Answer, Frame, Here, Nothing, SignedIn, go,
    notices::{Banner, banner},
    page,
};
use crate::{
    Shared,
    after::After,
    csrf::Sent,
    time::{self, Moment},
    turned::Turned,
    words,
};

/// An app password as pages show it.
pub(super) struct Row {
    pub(super) id: String,
    pub(super) label: String,
    pub(super) app: String,
    pub(super) opens: String,
    pub(super) networks: String,
    pub(super) state: State,
    pub(super) shape: &'static str,
    pub(super) word: &'static str,
    pub(super) created: Moment,
    /// "1 hour".
    pub(super) first_use_within: String,
    pub(super) use_by: Moment,
    pub(super) expires: Option<Moment>,
    pub(super) revoked: Option<Moment>,
    pub(super) uses: Vec<LastUse>,
}

/// The last use at one door.
pub(super) struct LastUse {
    pub(super) door: String,
    pub(super) at: Moment,
    pub(super) from: IpAddr,
}

impl Row {
    pub(super) fn new(shared: &Shared, listed: &Listed, state: State) -> Self {
        let password = &listed.password;
        let (shape, word) = words::state(state);
        let last_use = |used: &authority::Use| LastUse {
            door: shared.door_title(&used.door).to_owned(),
            at: Moment(used.at),
            from: used.from,
        };
        Self {
            id: password.id.to_string(),
            label: password.label.to_string(),
            app: shared.settings.catalogue.shown(&password.app).to_owned(),
            opens: words::scopes(&password.scopes),
            networks: password.networks.to_string(),
            state,
            shape,
            word,
            created: Moment(password.created),
            first_use_within: time::span(password.use_by.since(password.created)),
            use_by: Moment(password.use_by),
            expires: password.expires.map(Moment),
            revoked: password.revoked.map(Moment),
            uses: listed.uses.iter().map(last_use).collect(),
        }
    }

    pub(super) fn is_alive(&self) -> bool {
        is_alive(self.state)
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.state == State::Waiting
    }
}

/// True if it may be used, now or again.
pub(super) fn is_alive(state: State) -> bool {
    matches!(state, State::Waiting | State::Active | State::Suspended)
}

impl Shared {
    /// What people call a door; its name, if it has gone since.
    pub(super) fn door_title<'a>(&'a self, name: &'a str) -> &'a str {
        let known = self.settings.doors.iter().find(|help| &*help.door.name == name);
        known.map_or(name, |help| help.title.as_str())
    }
}

#[derive(Template)]
#[template(path = "app_passwords.html")]
struct List<'a> {
    frame: Frame<'a>,
    notice: Option<String>,
    told: Banner<'a>,
    living: Vec<Row>,
    over: Vec<Row>,
}

pub(super) async fn list(here: Here, signed_in: SignedIn) -> Answer {
    let overview = here.keeper.overview(&signed_in.owner.mandate()).await?.ok_or(Turned::SIGN_IN)?;
    let rows = overview.passwords.iter().map(|(listed, state)| Row::new(&here, listed, *state));
    let (living, over) = rows.partition(Row::is_alive);
    let notice = here.sessions.hear(&signed_in.seen);
    let told = banner(&here, &signed_in, After::AppPasswords).await?;
    page(&List { frame: Frame::of(&here, &signed_in), notice, told, living, over })
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
        text: "Every app is signed out at once and asks for a password again; you make a new one for each. This cannot be undone.",
        action: "/security/app-passwords/revoke-all".into(),
        button: "Revoke all",
    })
}

pub(super) async fn revoke_all(here: Here, signed_in: SignedIn, Sent(Nothing {}): Sent<Nothing>) -> Answer {
    let revoked = here.keeper.revoke_all(&signed_in.owner.mandate()).await?;
    let notice = match revoked.len() {
        0 => "There was nothing to revoke.".to_owned(),
        1 => "1 app password is revoked.".to_owned(),
        many => format!("{many} app passwords are revoked."),
    };
    here.sessions.say(&signed_in.seen, notice);
    go("/security/app-passwords", None)
}
