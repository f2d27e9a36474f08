//! What an app password is locked to: shown, opened to another app, learnt anew.

use askama::Template;
use authority::{AppPassword, AppPasswordId, LockMode, Pin, PinnedBy, Protocol};
use axum::extract::Path;
use http::StatusCode;
use keeper::{Denied, FreshMandate};
use serde::Deserialize;

use super::{Answer, Frame, Here, SignedIn, app_password::own, go, page_with, sign_in::status};
use crate::{
    Shared,
    csrf::Sent,
    time::Moment,
    turned::Turned,
    words::{self, Tried, denied as why},
};

/// What a password is locked to, and whom it has kept out.
#[derive(Template)]
#[template(path = "app_lock.html")]
pub(super) struct Locked<'a> {
    id: String,
    token: &'a str,
    mode: LockMode,
    apps: Vec<LockedTo>,
    others: Vec<OtherApp>,
}

/// An app that a password serves.
struct LockedTo {
    name: String,
    /// "mail and sending".
    on: String,
    since: Moment,
    /// The owner let it in beside the first one.
    is_allowed: bool,
}

/// An app that was kept out, or would have been.
struct OtherApp {
    /// `None`: nothing that the catalogue knows.
    name: Option<String>,
    door: String,
    from: std::net::IpAddr,
    at: Moment,
    /// Stands for it in the form.
    client: String,
}

pub(super) async fn locked<'a>(
    here: &Shared,
    signed_in: &'a SignedIn,
    password: &AppPassword,
) -> Result<Locked<'a>, Turned> {
    let others = here.keeper.strangers(&signed_in.owner.mandate(), password.id).await?;
    let other = |stranger: authority::Stranger| OtherApp {
        name: here.keeper.name_of(&stranger.signature),
        door: here.door_title(&stranger.door).to_owned(),
        from: stranger.from,
        at: Moment(stranger.at),
        client: stranger.signature.to_string(),
    };
    Ok(Locked {
        id: password.id.to_string(),
        token: signed_in.token().as_str(),
        mode: password.lock,
        apps: apps(here, password),
        others: others.into_iter().map(other).collect(),
    })
}

/// One line for each app, in the order in which they came.
fn apps(here: &Shared, password: &AppPassword) -> Vec<LockedTo> {
    let mut apps: Vec<(String, bool, Vec<&Pin>)> = vec![];
    for pin in &*password.pins {
        let name = here.keeper.app_of(password, pin);
        let is_allowed = pin.by == PinnedBy::Owner;
        match apps.iter_mut().find(|(known, ..)| *known == name) {
            Some((_, _, pins)) => pins.push(pin),
            None => apps.push((name, is_allowed, vec![pin])),
        }
    }
    let line = |(name, is_allowed, pins): (String, bool, Vec<&Pin>)| {
        let protocols: Vec<Protocol> = pins.iter().map(|pin| pin.signature.protocol()).collect();
        let since = pins.iter().map(|pin| pin.since).min().unwrap_or(password.created);
        LockedTo { name, on: words::on(&protocols, &password.scopes), since: Moment(since), is_allowed }
    };
    apps.into_iter().map(line).collect()
}

/// Asks for a second factor, before something that lets an app in.
#[derive(Template)]
#[template(path = "confirm_fresh.html")]
struct Confirm<'a> {
    frame: Frame<'a>,
    token: &'a str,
    back: String,
    heading: String,
    text: String,
    action: String,
    /// Goes with the form as it came.
    client: String,
    button: &'static str,
    fresh: bool,
    problem: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Sure {
    #[serde(default)]
    client: String,
    /// Empty: it is only asked.
    #[serde(default)]
    sure: String,
    #[serde(default)]
    code: String,
}

pub(super) async fn allow(
    here: Here,
    mut signed_in: SignedIn,
    Path(id): Path<String>,
    Sent(sure): Sent<Sure>,
) -> Answer {
    let (listed, _) = own(&here, &signed_in, &id).await?;
    let (id, label) = (listed.password.id, listed.password.label.clone());
    let client: authority::Signature = sure.client.parse().map_err(|_| Turned::Unreadable)?;
    let name = here.keeper.name_of(&client).unwrap_or_else(|| "this app".to_owned());
    let ask = |signed_in: &SignedIn, status, problem| {
        page_with(
            status,
            &Confirm {
                frame: Frame::of(&here, signed_in),
                token: signed_in.token().as_str(),
                back: path(id),
                heading: format!("Let {name} use \u{201c}{label}\u{201d} too?"),
                text: format!(
                    "Do this only if it was you who entered the password there. Better still: make {name} a password of its own, and leave this one to its app."
                ),
                action: format!("{}/allow", path(id)),
                client: sure.client.clone(),
                button: "Allow this app too",
                fresh: signed_in.is_fresh(&here),
                problem,
            },
        )
    };
    if sure.sure.is_empty() {
        return ask(&signed_in, StatusCode::OK, None);
    }
    match fresh(&here, &mut signed_in, &sure.code).await {
        Ok(mandate) => {
            let said = match here.keeper.allow(&mandate, id, &client).await? {
                true => format!("\u{201c}{label}\u{201d} works in {name} too from now on."),
                false => "Nothing was changed: that app is not waiting for an answer any more.".to_owned(),
            };
            here.sessions.say(&signed_in.seen, said);
            go(&path(id), None)
        }
        Err(Denied::Over) => Err(Turned::SIGN_IN),
        Err(denied) => ask(&signed_in, status(&denied), Some(why(&denied, Tried::Code))),
    }
}

fn relearn_page(
    here: &Shared,
    signed_in: &SignedIn,
    password: &AppPassword,
    status: StatusCode,
    problem: Option<String>,
) -> Answer {
    let within = crate::time::span(here.keeper.policy().rules.first_use_within);
    page_with(
        status,
        &Confirm {
            frame: Frame::of(here, signed_in),
            token: signed_in.token().as_str(),
            back: path(password.id),
            heading: format!("Have \u{201c}{}\u{201d} learn its app anew?", password.label),
            text: format!(
                "It forgets which app it is locked to, signs out what is connected, and waits for its first use as if it were new. Open the app within {within}: after that the password is over."
            ),
            action: format!("{}/relearn", path(password.id)),
            client: String::new(),
            button: "Learn anew",
            fresh: signed_in.is_fresh(here),
            problem,
        },
    )
}

pub(super) async fn confirm_relearn(here: Here, signed_in: SignedIn, Path(id): Path<String>) -> Answer {
    let (listed, _) = own(&here, &signed_in, &id).await?;
    relearn_page(&here, &signed_in, &listed.password, StatusCode::OK, None)
}

pub(super) async fn relearn(
    here: Here,
    mut signed_in: SignedIn,
    Path(id): Path<String>,
    Sent(sure): Sent<Sure>,
) -> Answer {
    let (listed, _) = own(&here, &signed_in, &id).await?;
    let password = &listed.password;
    match fresh(&here, &mut signed_in, &sure.code).await {
        Ok(mandate) => {
            let said = match here.keeper.relearn(&mandate, password.id).await? {
                Some(ended) => format!(
                    "Open the app now: the next one that uses \u{201c}{}\u{201d} becomes its app.{}",
                    password.label,
                    words::sessions_ended(ended)
                ),
                None => "Nothing was changed: this password is over.".to_owned(),
            };
            here.sessions.say(&signed_in.seen, said);
            go(&path(password.id), None)
        }
        Err(Denied::Over) => Err(Turned::SIGN_IN),
        Err(denied) => relearn_page(&here, &signed_in, password, status(&denied), Some(why(&denied, Tried::Code))),
    }
}

async fn fresh(here: &Shared, signed_in: &mut SignedIn, code: &str) -> Result<FreshMandate, Denied> {
    signed_in.freshen(here, code).await?;
    here.keeper.fresh_mandate(&signed_in.owner)
}

fn path(id: AppPasswordId) -> String {
    format!("/security/app-passwords/{id}")
}
