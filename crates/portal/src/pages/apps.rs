//! Apps that people know by name, and what each asks for.

use authority::{Area, Scope};

use crate::{Settings, words};

use Area::{Calendars, Contacts, Files, Mail, MailSend};

/// Offered by name, with what the app can use; any other name will do.
const APPS: &[(&str, &[Area])] = &[
    ("Apple Calendar", &[Calendars]),
    ("Apple Contacts", &[Contacts]),
    ("Apple Mail", &[Mail, MailSend]),
    ("DAVx5", &[Calendars, Contacts]),
    ("eM Client", &[Mail, MailSend, Calendars, Contacts]),
    ("Evolution", &[Mail, MailSend, Calendars, Contacts]),
    ("FairEmail", &[Mail, MailSend]),
    ("Fantastical", &[Calendars]),
    ("Geary", &[Mail, MailSend]),
    ("GNOME Calendar", &[Calendars]),
    ("K-9 Mail", &[Mail, MailSend]),
    ("KMail", &[Mail, MailSend]),
    ("mbsync", &[Mail]),
    ("mutt", &[Mail, MailSend]),
    ("Outlook", &[Mail, MailSend]),
    ("Printer or scanner", &[MailSend]),
    ("rclone", &[Files]),
    ("Spark", &[Mail, MailSend]),
    ("Thunderbird", &[Mail, MailSend, Calendars, Contacts]),
    ("Thunderbird for Android", &[Mail, MailSend]),
    ("vdirsyncer", &[Calendars, Contacts]),
];

/// An app of the list, with the boxes that it asks for, parted by spaces.
pub(super) struct App {
    pub(super) name: &'static str,
    pub(super) opens: String,
}

pub(super) fn apps() -> Vec<App> {
    let opens = |areas: &[Area]| areas.iter().map(|area| field(&Scope::Full(*area))).collect::<Vec<_>>().join(" ");
    APPS.iter().map(|(name, areas)| App { name, opens: opens(areas) }).collect()
}

/// A box to tick.
pub(super) struct Choice {
    pub(super) scope: Scope,
    /// The box's name in the form.
    pub(super) field: String,
    pub(super) text: String,
}

/// What passwords made here can open: what some door of this site asks for.
pub(super) fn choices(settings: &Settings) -> Vec<Choice> {
    let needs = settings.doors.iter().flat_map(|help| help.door.needs.iter());
    let mut scopes: Vec<Scope> = needs
        .map(|need| match need {
            Scope::Read(area) => Scope::Full(*area),
            other => other.clone(),
        })
        .collect();
    scopes.sort();
    scopes.dedup();
    let choice = |scope: Scope| Choice { field: field(&scope), text: words::choice(&scope), scope };
    scopes.into_iter().map(choice).collect()
}

fn field(scope: &Scope) -> String {
    match scope {
        // Apart, so that a site's own service may be called `label`.
        Scope::Custom(name) => format!("custom_{name}"),
        other => other.to_string().replace(':', "_"),
    }
}
