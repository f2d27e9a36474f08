//! Generating an app password, and the page that shows it once.

use std::time::Duration;

use askama::Template;
use authority::{AppName, AppPasswordRequest, Area, Label, LockMode, Networks, Scope, State};
use http::StatusCode;
use keeper::{Denied, IssueError, IssuedSecret, Listed};
use serde::Deserialize;

use super::{
    Answer, Frame, Here, Sent, SignedIn, Turned,
    app_password::{DoorRow, door_rows},
    app_passwords::Row,
    page, page_with,
    sign_in::status,
};
use crate::{Shared, words::sentence};

/// Offered by name; any other name will do.
const APPS: &[&str] = &[
    "Apple Mail",
    "Apple Calendar",
    "Apple Contacts",
    "Thunderbird",
    "Thunderbird for Android",
    "Outlook",
    "DAVx5",
    "Evolution",
    "K-9 Mail",
    "Spark",
    "Fantastical",
    "Geary",
    "KMail",
    "GNOME Calendar",
    "FairEmail",
    "eM Client",
    "mutt",
    "mbsync",
    "vdirsyncer",
    "rclone",
    "Printer or scanner",
];

const EXPIRIES: &[(&str, &str)] =
    &[("", "Never"), ("30", "After 30 days"), ("90", "After 90 days"), ("365", "After a year")];

/// The form, as sent and as shown again.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Form {
    app: String,
    label: String,
    mail: Option<String>,
    mail_send: Option<String>,
    calendars: Option<String>,
    contacts: Option<String>,
    files: Option<String>,
    expires: String,
    code: String,
}

impl Form {
    fn request(&self, lock: LockMode) -> Result<AppPasswordRequest, String> {
        let boxes = [
            (&self.mail, Area::Mail),
            (&self.mail_send, Area::MailSend),
            (&self.calendars, Area::Calendars),
            (&self.contacts, Area::Contacts),
            (&self.files, Area::Files),
        ];
        let checked = boxes.into_iter().filter(|(checked, _)| checked.is_some());
        let days = match self.expires.as_str() {
            "" => None,
            days => Some(days.parse::<u64>().map_err(|_| "Choose when the password ends.")?),
        };
        Ok(AppPasswordRequest {
            app: AppName::parse(&self.app).map_err(|error| format!("App: {error}"))?,
            label: Label::parse(&self.label).map_err(|error| format!("Name for this password: {error}"))?,
            scopes: checked.map(|(_, area)| Scope::Full(area)).collect(),
            networks: Networks::default(),
            expires_in: days.map(|days| Duration::from_secs(days.saturating_mul(86_400))),
            lock,
        })
    }
}

#[derive(Template)]
#[template(path = "generate.html")]
struct FormPage<'a> {
    frame: Frame<'a>,
    token: &'a str,
    form: &'a Form,
    apps: &'static [&'static str],
    expiries: &'static [(&'static str, &'static str)],
    fresh: bool,
    problem: Option<String>,
}

fn form_page(here: &Shared, signed_in: &SignedIn, form: &Form, status: StatusCode, problem: Option<String>) -> Answer {
    let page = FormPage {
        frame: Frame::of(here, signed_in),
        token: signed_in.token().as_str(),
        form,
        apps: APPS,
        expiries: EXPIRIES,
        fresh: signed_in.is_fresh(here),
        problem,
    };
    page_with(status, &page)
}

pub(super) async fn form(here: Here, signed_in: SignedIn) -> Answer {
    form_page(&here, &signed_in, &Form::default(), StatusCode::OK, None)
}

#[derive(Template)]
#[template(path = "shown.html")]
struct Shown<'a> {
    frame: Frame<'a>,
    row: Row,
    secret: &'a str,
    login: &'a str,
    doors: Vec<DoorRow>,
}

pub(super) async fn generate(here: Here, mut signed_in: SignedIn, Sent(form): Sent<Form>) -> Answer {
    let request = match form.request(here.settings.lock) {
        Ok(request) => request,
        Err(problem) => return form_page(&here, &signed_in, &form, StatusCode::UNPROCESSABLE_ENTITY, Some(problem)),
    };
    let fresh = match signed_in.freshen(&here, &form.code).await {
        Ok(()) => here.keeper.fresh_mandate(&signed_in.owner),
        Err(denied) => Err(denied),
    };
    let mandate = match fresh {
        Ok(mandate) => mandate,
        Err(Denied::Over) => return Err(Turned::NotSignedIn),
        Err(denied) => return form_page(&here, &signed_in, &form, status(&denied), Some(sentence(&denied))),
    };
    let IssuedSecret { password, secret } = match here.keeper.issue(&mandate, request).await {
        Ok(issued) => issued,
        Err(IssueError::Store(error)) => return Err(error.into()),
        Err(error) => {
            let problem = Some(sentence(&error));
            return form_page(&here, &signed_in, &form, StatusCode::UNPROCESSABLE_ENTITY, problem);
        }
    };
    let listed = Listed { password, uses: Vec::new() };
    let doors = door_rows(&here, &listed).await?;
    page(&Shown {
        frame: Frame::of(&here, &signed_in),
        row: Row::new(&here, &listed, State::Waiting),
        secret: secret.expose(),
        login: signed_in.account.login.as_str(),
        doors,
    })
}
