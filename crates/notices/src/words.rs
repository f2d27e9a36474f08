//! Every sentence that a notice has, in English.
//!
//! What a client chose is in none of them: an app has the catalogue's name or none, a
//! door the site's. The label of a password is its owner's own.

use std::net::IpAddr;

use authority::{Actor, Event, Timestamp, notice::Kind};
use keeper::Told;

/// A piece of a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Words of ours.
    Words(String),
    /// What a person chose: it may be in another script.
    Name(String),
}

/// A sentence that may have names in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sentence(pub Vec<Part>);

impl Sentence {
    fn words(mut self, words: impl Into<String>) -> Self {
        let words = words.into();
        match self.0.last_mut() {
            Some(Part::Words(before)) => before.push_str(&words),
            _ => self.0.push(Part::Words(words)),
        }
        self
    }

    fn name(mut self, name: &str) -> Self {
        self.0.push(Part::Name(name.to_owned()));
        self
    }

    /// “Laptop” (Thunderbird)
    fn password(self, told: &Told) -> Self {
        match &told.password {
            Some(about) => self.words("\u{201c}").name(&about.label).words("\u{201d} (").name(&about.app).words(")"),
            None => self.words("of yours"),
        }
    }
}

impl std::fmt::Display for Sentence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Words(text) | Part::Name(text) => f.write_str(text),
        })
    }
}

/// What has happened. `door` gives the site's title for the name of a door.
pub fn sentence(told: &Told, door: impl Fn(&str) -> String) -> Sentence {
    let entry = &told.notice.entry;
    let by = by(&entry.actor);
    let from = match &entry.actor {
        Actor::Door { door: name, from } => format!("from {from} on {}", door(name)),
        _ => by.clone(),
    };
    let say = |words: &str| Sentence::default().words(words);
    let other = |app: &Option<String>| match app {
        Some(app) => app.clone(),
        None => "an unknown app".to_owned(),
    };
    match (told.notice.kind, &entry.event) {
        (Kind::FactorsGiven, _) => say("Your password and your second factor were chosen by an administrator."),
        (Kind::SetUp, _) => say("Your account was set up, with a password and a second factor, ").words(by).words("."),
        (Kind::Reset, _) => say("Your password and your second factor were taken away ")
            .words(by)
            .words(", and all app passwords revoked."),
        (Kind::PrimaryChanged, _) => {
            say("Your primary password was changed ").words(by).words(", and all app passwords revoked.")
        }
        (Kind::SecondFactorAdded, _) => say("Your account got a second factor ").words(by).words("."),
        (Kind::SecondFactorReplaced, _) => say("Your second factor was replaced by another one ").words(by).words("."),
        (Kind::RecoveryCodesRenewed, _) => {
            say("New recovery codes were made ").words(by).words("; the old ones are worth nothing any more.")
        }
        (Kind::RecoveryCodeUsed, _) => {
            say("One of your recovery codes was used in the place of your second factor ").words(by).words(".")
        }
        (Kind::RecoveryCodesVoided, _) => {
            say("Recovery codes of yours are void, because they were not renewed in time.")
        }
        (Kind::SecretsVoided, _) => say(
            "A key of this service may be known to others: your app passwords were revoked, and your recovery codes are void.",
        ),
        (Kind::PasswordMade, _) => say("The app password ").password(told).words(" was made ").words(by).words("."),
        (Kind::FirstUse, _) => {
            say("Your app password ").password(told).words(" was used for the first time, ").words(from).words(".")
        }
        (Kind::Revoked, _) => say("Your app password ").password(told).words(" was revoked ").words(by).words("."),
        (Kind::AllRevoked, _) => say("All your app passwords were revoked ").words(by).words("."),
        (_, Event::AppLockRefused { app, .. }) => {
            say("Your app password ").password(told).words(format!(" was tried by {} {from}, and refused.", other(app)))
        }
        (_, Event::AppLockWatched { app, .. }) => say("Your app password ")
            .password(told)
            .words(format!(" was used by {} {from}, and let in, because its lock only watches.", other(app))),
        (Kind::AppDrifted, _) => say("The app of your app password ")
            .password(told)
            .words(format!(" came in a new form, as after an update, {from}. The form is known from now on.")),
        (_, Event::AppAllowed { app, .. }) => {
            let app = app.as_deref().unwrap_or("another app");
            say("Your app password ").password(told).words(format!(" may be used by {app} too: this was allowed {by}."))
        }
        (Kind::LearnsAnew, _) => say("Your app password ")
            .password(told)
            .words(format!(" has forgotten its app {by}, and takes the next one that uses it.")),
        // The law has given these kinds to the events above.
        (Kind::OtherAppRefused | Kind::OtherAppWatched | Kind::OtherAppAllowed, _) => {
            say("Another app came with your app password ").password(told).words(".")
        }
    }
}

fn by(actor: &Actor) -> String {
    match actor {
        Actor::Owner { from } | Actor::Door { from, .. } => format!("from {from}"),
        Actor::Postern => "by Postern itself".to_owned(),
        Actor::Administrator { .. } => "by an administrator".to_owned(),
    }
}

/// From where it came, if from anywhere.
pub fn address(actor: &Actor) -> Option<IpAddr> {
    match actor {
        Actor::Owner { from } | Actor::Door { from, .. } => Some(*from),
        Actor::Postern | Actor::Administrator { .. } => None,
    }
}

/// What to do about it.
pub fn advice(kind: Kind) -> &'static str {
    match kind {
        Kind::OtherAppRefused => {
            "Was it you, with another app? Make an app password for that one, or let it in. If it was not you, somebody else has this password: revoke it."
        }
        Kind::OtherAppWatched => {
            "Was it you? Then there is nothing to do. If not, somebody else has this password: revoke it."
        }
        Kind::FactorsGiven => "Whoever chose them knows them: choose your own.",
        Kind::Reset => "Whoever runs this service gives you a code with which you choose new ones.",
        Kind::SecretsVoided => "Set up another second factor now, then make new app passwords and recovery codes.",
        Kind::RecoveryCodesVoided => "Make new ones.",
        Kind::Revoked | Kind::AllRevoked => {
            "What used it asks for a password now. If it was not you, change your primary password."
        }
        Kind::PasswordMade | Kind::FirstUse | Kind::OtherAppAllowed | Kind::LearnsAnew => {
            "If it was not you, revoke this password and change your primary password."
        }
        Kind::AppDrifted => "If your app was not updated lately, somebody else may have this password: revoke it.",
        Kind::SetUp
        | Kind::PrimaryChanged
        | Kind::SecondFactorAdded
        | Kind::SecondFactorReplaced
        | Kind::RecoveryCodesRenewed
        | Kind::RecoveryCodeUsed => {
            "If it was not you, somebody else is in your account: tell whoever runs this service at once."
        }
    }
}

/// Of a mail.
pub(crate) fn subject(told: &Told) -> String {
    // Plain marks: a subject of letters that all programs know goes as it is.
    let password = || told.password.as_ref().map_or_else(String::new, |about| format!(" \"{}\"", about.label));
    match told.notice.kind {
        Kind::FactorsGiven => "Your password and second factor were chosen for you".to_owned(),
        Kind::SetUp => "Your account was set up".to_owned(),
        Kind::Reset => "Your password and second factor were taken away".to_owned(),
        Kind::PrimaryChanged => "Your primary password was changed".to_owned(),
        Kind::SecondFactorAdded => "Your account has a second factor now".to_owned(),
        Kind::SecondFactorReplaced => "Your second factor was replaced".to_owned(),
        Kind::RecoveryCodesRenewed => "New recovery codes were made".to_owned(),
        Kind::RecoveryCodeUsed => "A recovery code was used".to_owned(),
        Kind::RecoveryCodesVoided => "Recovery codes are void".to_owned(),
        Kind::SecretsVoided => "Your app passwords and recovery codes are void".to_owned(),
        Kind::PasswordMade => format!("New app password{}", password()),
        Kind::FirstUse => format!("App password{} is in use", password()),
        Kind::Revoked => format!("App password{} was revoked", password()),
        Kind::AllRevoked => "All your app passwords were revoked".to_owned(),
        Kind::OtherAppRefused => format!("Another app tried your app password{}", password()),
        Kind::OtherAppWatched => format!("Another app used your app password{}", password()),
        Kind::AppDrifted => format!("The app of your app password{} has changed", password()),
        Kind::OtherAppAllowed => format!("Another app may use your app password{}", password()),
        Kind::LearnsAnew => format!("App password{} learns its app anew", password()),
    }
}

/// What was left out.
pub(crate) fn more(count: u64) -> String {
    let them = if count == 1 { "1 more notice" } else { &format!("{count} more notices") };
    format!("There were {them} of this kind, for which no mails were sent. The newest are under Password & Security.")
}

/// "Tuesday, 24 November 2026, 21:14:55 UTC".
pub fn moment(at: Timestamp) -> String {
    match jiff::Timestamp::from_second(at.as_secs()) {
        Ok(at) => at.strftime("%A, %-d %B %Y, %H:%M:%S UTC").to_string(),
        Err(_) => "at an unknown time".to_owned(),
    }
}

/// The whole of a mail.
pub(crate) fn body(told: &Told, login: &str, url: &str, door: impl Fn(&str) -> String) -> String {
    let entry = &told.notice.entry;
    let mut lines = vec![sentence(told, &door).to_string(), String::new()];
    let mut fact = |name: &str, value: String| lines.push(format!("  {name:<13}{value}"));
    fact("When:", moment(entry.at));
    if let Some(from) = address(&entry.actor) {
        fact("From where:", from.to_string());
    }
    if let Some(about) = &told.password {
        fact("Password:", format!("\u{201c}{}\u{201d}, made for {}", about.label, about.app));
    }
    fact("Account:", login.to_owned());
    lines.extend([String::new(), advice(told.notice.kind).to_owned()]);
    if told.notice.more > 0 {
        lines.extend([String::new(), more(told.notice.more)]);
    }
    lines.extend([
        String::new(),
        format!("The place for that is Password & Security, at {url}"),
        "Open it yourself, by the address that you know: no mail of ours asks you to".to_owned(),
        "follow a link.".to_owned(),
        String::new(),
        "This mail was sent by a program. Nobody reads answers to it.".to_owned(),
    ]);
    lines.push(String::new());
    lines.join("\n")
}
