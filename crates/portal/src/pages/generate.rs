//! Generating an app password, and the page that shows it once.

use std::{collections::HashSet, time::Duration};

use askama::Template;
use authority::{AppName, AppPasswordRequest, Label, Networks, Scope, State};
use http::StatusCode;
use keeper::{Denied, IssueError, IssuedSecret, Listed};

use super::{
    Answer, Frame, Here, SignedIn,
    app_password::{Doors, doors_of},
    app_passwords::Row,
    apps::{App, Choice, apps, choices},
    go, page, page_with,
    sign_in::status,
};
use crate::{
    Shared,
    csrf::Sent,
    session::Claim,
    turned::Turned,
    words::{Tried, denied as why, sentence},
};

/// Value, days and text.
const EXPIRIES: &[(&str, Option<u64>, &str)] = &[
    ("", None, "Never"),
    ("30", Some(30), "After 30 days"),
    ("90", Some(90), "After 90 days"),
    ("365", Some(365), "After a year"),
];

/// The form, as sent and as shown again.
#[derive(Default)]
struct Form {
    /// Stands for this form: it makes one password, however often it is sent.
    once: String,
    app: String,
    label: String,
    expires: String,
    code: String,
    /// The names of all boxes that are ticked.
    ticked: HashSet<String>,
}

impl From<Vec<(String, String)>> for Form {
    fn from(fields: Vec<(String, String)>) -> Self {
        let mut form = Self::default();
        for (name, value) in fields {
            match name.as_str() {
                "once" => form.once = value,
                "app" => form.app = value,
                "label" => form.label = value,
                "expires" => form.expires = value,
                "code" => form.code = value,
                _ => drop(form.ticked.insert(name)),
            }
        }
        form
    }
}

impl Form {
    fn request(&self, here: &Shared) -> Result<AppPasswordRequest, String> {
        let expiry = EXPIRIES.iter().find(|(value, ..)| *value == self.expires);
        let (_, days, _) = expiry.ok_or("Choose when the password ends.")?;
        let chosen = choices(&here.settings).into_iter().filter(|choice| self.ticked.contains(&choice.field));
        let scopes: Vec<Scope> = chosen.map(|choice| choice.scope).collect();
        if scopes.is_empty() {
            return Err("Choose at least one thing that the password opens.".into());
        }
        Ok(AppPasswordRequest {
            app: AppName::parse(&self.app).map_err(|error| format!("App: {}", sentence(&error)))?,
            label: Label::parse(&self.label)
                .map_err(|error| format!("Name for this password: {}", sentence(&error)))?,
            scopes: scopes.into_iter().collect(),
            networks: Networks::default(),
            expires_in: days.map(|days| Duration::from_secs(days * 86_400)),
            lock: here.settings.lock,
        })
    }
}

#[derive(Template)]
#[template(path = "generate.html")]
struct FormPage<'a> {
    frame: Frame<'a>,
    token: &'a str,
    form: &'a Form,
    apps: Vec<App>,
    choices: Vec<Choice>,
    expiries: &'static [(&'static str, Option<u64>, &'static str)],
    fresh: bool,
    problem: Option<String>,
}

fn form_page(here: &Shared, signed_in: &SignedIn, form: &Form, status: StatusCode, problem: Option<String>) -> Answer {
    let page = FormPage {
        frame: Frame::of(here, signed_in),
        token: signed_in.token().as_str(),
        form,
        apps: apps(&here.settings),
        choices: choices(&here.settings),
        expiries: EXPIRIES,
        fresh: signed_in.is_fresh(here),
        problem,
    };
    page_with(status, &page)
}

pub(super) async fn form(here: Here, signed_in: SignedIn) -> Answer {
    let form = Form { once: here.sessions.draw(), ..Form::default() };
    form_page(&here, &signed_in, &form, StatusCode::OK, None)
}

#[derive(Template)]
#[template(path = "shown.html")]
struct Shown<'a> {
    frame: Frame<'a>,
    row: Row,
    secret: &'a str,
    login: &'a str,
    hints: &'a [String],
    doors: Doors,
}

pub(super) async fn generate(here: Here, mut signed_in: SignedIn, Sent(fields): Sent<Vec<(String, String)>>) -> Answer {
    let form = Form::from(fields);
    if form.once.is_empty() || form.once.len() > 64 {
        return Err(Turned::Unreadable);
    }
    let request = match form.request(&here) {
        Ok(request) => request,
        Err(problem) => return form_page(&here, &signed_in, &form, StatusCode::UNPROCESSABLE_ENTITY, Some(problem)),
    };
    match here.sessions.claim(&signed_in.seen, &form.once) {
        Claim::First => {}
        Claim::Before(Some(made)) => return go(&format!("/security/app-passwords/{made}"), None),
        Claim::Before(None) => return go("/security/app-passwords", None),
    }
    let issued = issue(&here, &mut signed_in, &form, request).await;
    let made = issued.as_ref().ok().map(|issued| issued.password.id);
    here.sessions.settle(&signed_in.seen, &form.once, made);
    let IssuedSecret { password, secret } = match issued {
        Ok(issued) => issued,
        Err(NotIssued::Turned(turned)) => return Err(turned),
        Err(NotIssued::Problem(status, text)) => return form_page(&here, &signed_in, &form, status, Some(text)),
    };
    let listed = Listed { password, uses: Vec::new() };
    // The password is made, and its letters are nowhere else: they are shown,
    // whatever else cannot be.
    let doors = doors_of(&here, &listed).await.unwrap_or_default();
    page(&Shown {
        frame: Frame::of(&here, &signed_in),
        row: Row::new(&here, &listed, State::Waiting),
        secret: secret.expose(),
        login: signed_in.account.login.as_str(),
        hints: here.settings.catalogue.find(&listed.password.app).map_or(&[], |app| &app.hints),
        doors,
    })
}

enum NotIssued {
    /// To be told above the form, which keeps what was filled in.
    Problem(StatusCode, String),
    Turned(Turned),
}

impl From<Denied> for NotIssued {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Over => Self::Turned(Turned::SIGN_IN),
            denied => Self::Problem(status(&denied), why(&denied, Tried::Code)),
        }
    }
}

impl From<IssueError> for NotIssued {
    fn from(error: IssueError) -> Self {
        match error {
            IssueError::Store(error) => Self::Turned(error.into()),
            error => Self::Problem(StatusCode::UNPROCESSABLE_ENTITY, sentence(&error)),
        }
    }
}

async fn issue(
    here: &Shared,
    signed_in: &mut SignedIn,
    form: &Form,
    request: AppPasswordRequest,
) -> Result<IssuedSecret, NotIssued> {
    signed_in.freshen(here, &form.code).await?;
    let mandate = here.keeper.fresh_mandate(&signed_in.owner)?;
    Ok(here.keeper.issue(&mandate, request).await?)
}
