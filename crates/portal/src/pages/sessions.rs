//! *Signed in now*: which apps and browsers are in the account, and ending that.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use askama::Template;
use authority::{AppPasswordId, Credential, Protocol, State, Timestamp};
use keeper::{Lasts, Listed, Which};
use serde::Deserialize;

use super::{Answer, Frame, Here, Nothing, SignedIn, app_passwords::is_alive, go, page};
use crate::{Shared, csrf::Sent, session::BrowserSeen, time::Moment, turned::Turned, words};

const HERE: &str = "/security/sessions";

/// An app that signs in with every request is shown for as long after its last
/// one: its sessions last milliseconds, and the page would never show any.
const RECENT: Duration = Duration::from_secs(15 * 60);

/// An app at a door, seen from one place.
struct AppRow {
    /// Where its password is, and what it is called; none for the primary password.
    password: Option<(String, String)>,
    app: String,
    door: String,
    from: IpAddr,
    how: How,
}

/// How it is signed in.
enum How {
    /// By connections that stand.
    Connected { count: usize, since: Moment, form: Form },
    /// With each request anew.
    Asking { last: Moment },
}

/// What its form sends back.
struct Form {
    /// Empty for the primary password.
    password: String,
    door: String,
}

struct BrowserRow {
    handle: String,
    from: IpAddr,
    since: Moment,
    seen: Moment,
    is_this: bool,
}

impl From<BrowserSeen> for BrowserRow {
    fn from(browser: BrowserSeen) -> Self {
        let BrowserSeen { handle, from, since, seen, is_this } = browser;
        Self { handle, from, since: Moment(since), seen: Moment(seen), is_this }
    }
}

#[derive(Template)]
#[template(path = "sessions.html")]
struct Page<'a> {
    frame: Frame<'a>,
    notice: Option<String>,
    token: &'a str,
    apps: Vec<AppRow>,
    browsers: Vec<BrowserRow>,
}

impl Page<'_> {
    fn has_others(&self) -> bool {
        self.browsers.len() > 1 || !self.apps.is_empty()
    }
}

pub(super) async fn list(here: Here, signed_in: SignedIn) -> Answer {
    let overview = here.keeper.overview(&signed_in.owner.mandate()).await?.ok_or(Turned::SIGN_IN)?;
    let mut apps = connected(&here, &signed_in, &overview.passwords);
    apps.extend(asking(&here, &overview.passwords, overview.now));
    let label = |row: &AppRow| row.password.as_ref().map(|(_, label)| label.clone());
    apps.sort_by_cached_key(|row| (label(row), row.door.clone(), row.from));
    let browsers = here.sessions.browsers_of(&signed_in.owner, &signed_in.seen, overview.now);
    page(&Page {
        frame: Frame::of(&here, &signed_in),
        notice: here.sessions.hear(&signed_in.seen),
        token: signed_in.token().as_str(),
        apps,
        browsers: browsers.into_iter().map(BrowserRow::from).collect(),
    })
}

/// A mail app has several connections at once, and to its owner is one.
fn connected(here: &Shared, signed_in: &SignedIn, passwords: &[(Listed, State)]) -> Vec<AppRow> {
    let mut groups: BTreeMap<_, (usize, Timestamp)> = BTreeMap::new();
    for session in here.keeper.sessions(Some(signed_in.account.id)) {
        if session.lasts == Lasts::Connection {
            let id = match session.credential {
                Credential::AppPassword(id) => Some(id),
                Credential::Primary => None,
            };
            let place = groups.entry((id.map(|id| id.to_string()), session.door, session.from));
            let group = place.or_insert((0, session.since));
            *group = (group.0 + 1, group.1.min(session.since));
        }
    }
    let row = |((id, door, from), (count, since)): ((Option<String>, std::sync::Arc<str>, IpAddr), _)| {
        let known = passwords.iter().map(|(listed, _)| &listed.password);
        let password = id.as_ref().and_then(|id| known.into_iter().find(|password| password.id.to_string() == *id));
        let form = Form { password: id.unwrap_or_default(), door: door.to_string() };
        AppRow {
            password: password.map(|password| (password.id.to_string(), password.label.to_string())),
            app: password.map(|password| here.settings.catalogue.shown(&password.app).to_owned()).unwrap_or_default(),
            door: here.door_title(&door).to_owned(),
            from,
            how: How::Connected { count, since: Moment(since), form },
        }
    };
    groups.into_iter().map(row).collect()
}

fn asking<'a>(here: &'a Shared, passwords: &'a [(Listed, State)], now: Timestamp) -> impl Iterator<Item = AppRow> + 'a {
    let asks = |door: &str| {
        let known = here.settings.doors.iter().find(|help| &*help.door.name == door);
        known.is_some_and(|help| help.door.protocol == Protocol::Http)
    };
    let living = passwords.iter().filter(|(_, state)| is_alive(*state)).map(|(listed, _)| listed);
    living.flat_map(move |listed| {
        let recent = listed.uses.iter().filter(move |used| asks(&used.door) && now.since(used.at) < RECENT);
        recent.map(|used| AppRow {
            password: Some((listed.password.id.to_string(), listed.password.label.to_string())),
            app: here.settings.catalogue.shown(&listed.password.app).to_owned(),
            door: here.door_title(&used.door).to_owned(),
            from: used.from,
            how: How::Asking { last: Moment(used.at) },
        })
    })
}

#[derive(Deserialize)]
pub(super) struct EndApp {
    password: String,
    door: String,
    from: IpAddr,
}

pub(super) async fn end_app(here: Here, signed_in: SignedIn, Sent(form): Sent<EndApp>) -> Answer {
    let credential = match &*form.password {
        "" => Credential::Primary,
        id => Credential::AppPassword(id.parse::<AppPasswordId>().map_err(|_| Turned::NotFound)?),
    };
    let which = Which::Of { credential, door: form.door.into(), from: form.from };
    let ended = here.keeper.end_sessions(&signed_in.owner.mandate(), &which).await?;
    // Gone by itself meanwhile is what was wanted.
    here.sessions.say(&signed_in.seen, format!("That is over.{}", words::sessions_ended(ended)));
    go(HERE, None)
}

#[derive(Deserialize)]
pub(super) struct EndBrowser {
    browser: String,
}

pub(super) async fn end_browser(here: Here, signed_in: SignedIn, Sent(form): Sent<EndBrowser>) -> Answer {
    here.sessions.end_others(&signed_in.owner, &signed_in.seen, Some(&form.browser));
    here.sessions.say(&signed_in.seen, "That browser is signed out.".to_owned());
    go(HERE, None)
}

/// The browser that asks stays signed in.
pub(super) async fn end_others(here: Here, signed_in: SignedIn, Sent(Nothing {}): Sent<Nothing>) -> Answer {
    let ended = here.keeper.end_sessions(&signed_in.owner.mandate(), &Which::All).await?;
    let browsers = here.sessions.end_others(&signed_in.owner, &signed_in.seen, None);
    let browsers = match browsers {
        0 => String::new(),
        1 => " 1 other browser is signed out.".to_owned(),
        many => format!(" {many} other browsers are signed out."),
    };
    let cut = words::sessions_ended(ended);
    here.sessions.say(&signed_in.seen, format!("Everything but this browser is ended.{cut}{browsers}"));
    go(HERE, None)
}
