//! The sentences and words of the pages.

use authority::{Area, Reason, Scope, Scopes, State, Timestamp};

/// "3 March 2026, 14:05 UTC".
pub(crate) fn date(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_second(at.as_secs()).unwrap_or_default();
    at.strftime("%-d %B %Y, %H:%M UTC").to_string()
}

/// For `<time datetime>`.
pub(crate) fn machine_date(at: Timestamp) -> String {
    jiff::Timestamp::from_second(at.as_secs()).unwrap_or_default().to_string()
}

/// "Mail, calendars".
pub(crate) fn scopes(scopes: &Scopes) -> String {
    let mut text = scopes.iter().map(scope).collect::<Vec<_>>().join(", ");
    if let Some(first) = text.get_mut(0..1) {
        first.make_ascii_uppercase();
    }
    text
}

/// An error of the keeper as a sentence on a page.
pub(crate) fn sentence(error: &impl ToString) -> String {
    let mut text = error.to_string();
    if let Some(first) = text.get_mut(0..1) {
        first.make_ascii_uppercase();
    }
    text.push('.');
    text
}

fn scope(scope: &Scope) -> String {
    match scope {
        Scope::Full(area) => area_word(*area).to_owned(),
        Scope::Read(area) => format!("{} (reading only)", area_word(*area)),
        Scope::Custom(name) => name.to_string(),
    }
}

fn area_word(area: Area) -> &'static str {
    match area {
        Area::Mail => "mail",
        Area::MailSend => "sending mail",
        Area::Calendars => "calendars",
        Area::Contacts => "contacts",
        Area::Files => "files",
    }
}

/// A word and a shape, so that no state is told by colour alone.
pub(crate) fn state(state: State) -> (&'static str, &'static str) {
    match state {
        State::Waiting => ("\u{25cb}", "Waiting for its first use"),
        State::Active => ("\u{25cf}", "In use"),
        State::Suspended => ("\u{25d0}", "Suspended"),
        State::Expired => ("\u{2013}", "Expired"),
        State::Revoked => ("\u{00d7}", "Revoked"),
    }
}

/// Why an app was turned away, for the owner, with what to do.
pub(crate) fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::UnknownLogin => "The user name belongs to no account. Check it in the app.",
        Reason::ForeignIdentity => {
            "The app asked to act for another account. Leave its \u{201c}authorisation name\u{201d} empty."
        }
        Reason::NoSuchPassword => {
            "What the app sent looks like an app password, and is none of yours. Enter it again, or paste it."
        }
        Reason::NotAnAppPassword => {
            "What the app sent is not an app password, probably your account\u{2019}s own. Enter an app password instead."
        }
        Reason::WrongPrimary => "The app sent a wrong password. Enter an app password instead.",
        Reason::Throttled => "Too many different passwords were tried. Wait a quarter of an hour.",
        Reason::AccountSuspended => "Your account is suspended. Ask whoever runs this service.",
        Reason::NoSecondFactor => "Your account has no second factor, so its app passwords rest. Set one up.",
        Reason::Expired => "This password has expired. Generate a new one.",
        Reason::NotUsedInTime => "This password was not used within its first hour. Generate a new one.",
        Reason::Revoked => "This password was revoked. Generate a new one, or remove the account from the app.",
        Reason::Network => "The app is in a network that this password is not meant for.",
        Reason::Scope => "This password does not open this. Generate one that does.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_by_people_and_by_machines() {
        let at = Timestamp::from_millis(1_772_546_700_000);
        assert_eq!((&*date(at), &*machine_date(at)), ("3 March 2026, 14:05 UTC", "2026-03-03T14:05:00Z"));
    }

    #[test]
    fn scopes_read_as_words() {
        assert_eq!(scopes(&"mail,calendars:read".parse().unwrap()), "Mail, calendars (reading only)");
    }

    #[test]
    fn every_reason_says_what_to_do() {
        for of in Reason::ALL {
            assert!(reason(of).matches(". ").count() >= 1 || of == Reason::Network, "{of:?}");
        }
    }
}
