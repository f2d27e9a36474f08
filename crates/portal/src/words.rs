//! The sentences and words of the pages.

use authority::{Area, Protocol, Reason, Scope, Scopes, State};
use keeper::Denied;

/// "Mail, calendars".
pub(crate) fn scopes(scopes: &Scopes) -> String {
    capital(scopes.iter().map(scope).collect::<Vec<_>>().join(", "))
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

/// "mail and calendars": what an app does under these protocols, with a password
/// that opens this.
pub(crate) fn on(protocols: &[Protocol], scopes: &Scopes) -> String {
    let areas = |wanted: &[Area]| -> Vec<String> {
        let opened = wanted
            .iter()
            .filter(|area| scopes.iter().any(|scope| matches!(scope, Scope::Full(a) | Scope::Read(a) if a == *area)));
        opened.map(|area| area_word(*area).to_owned()).collect()
    };
    let mut all: Vec<String> = vec![];
    for (protocol, words) in [
        (Protocol::Imap, vec!["mail".to_owned()]),
        (Protocol::Pop3, vec!["mail (POP3)".to_owned()]),
        (Protocol::Submission, vec!["sending".to_owned()]),
        (Protocol::Sieve, vec!["mail filters".to_owned()]),
        (Protocol::Http, areas(&[Area::Calendars, Area::Contacts, Area::Files])),
    ] {
        if protocols.contains(&protocol) {
            all.extend(words);
        }
    }
    match all.split_last() {
        None => "the web".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

/// What ticking the box of a scope lets an app do.
pub(crate) fn choice(scope: &Scope) -> String {
    let full = |area| match area {
        Area::Mail => "Mail: read, file and delete it",
        Area::MailSend => "Sending: send mail in your name",
        Area::Calendars => "Calendars: see and change them",
        Area::Contacts => "Contacts: see and change them",
        Area::Files => "Files: see and change them",
    };
    match scope {
        Scope::Full(area) => full(*area).to_owned(),
        other => capital(self::scope(other)),
    }
}

/// The shape and the word of a state: none is told by colour alone.
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
        Reason::UnknownLogin => "The user name in the app belongs to no account. Correct it there.",
        Reason::ForeignIdentity => {
            "The app asked to act for another account. Leave its \u{201c}authorisation name\u{201d} empty."
        }
        Reason::NoSuchPassword => {
            "What an app sent has the shape of an app password, but is none of this account\u{2019}s. It was mistyped, or belongs to another account: enter it again."
        }
        Reason::NotAnAppPassword => {
            "An app tried to sign in with something that is not an app password, probably your account\u{2019}s own password. Enter the app password instead."
        }
        Reason::WrongPrimary => "An app sent a wrong password. Enter the app password instead.",
        Reason::Throttled => {
            "Too many different passwords were tried. Wait a quarter of an hour, then enter the app password."
        }
        Reason::AccountSuspended => "Your account is suspended. Ask whoever runs this service.",
        Reason::NoSecondFactor => {
            "Your account has no second factor, so its app passwords rest. Set one up to wake them."
        }
        Reason::Expired => "This password has expired. Generate a new one.",
        Reason::NotUsedInTime => "This password was not used within its first hour. Generate a new one.",
        Reason::Revoked => "This password is revoked. Generate a new one, or remove the account from the app.",
        Reason::Network => {
            "The app is in a network that this password is not meant for. Go back to one that it is, or generate another password."
        }
        Reason::OtherApp => {
            "This password is locked to another app. Generate one for this app, or look below whether to allow it."
        }
        Reason::Scope => "This password does not open this. Generate one that does.",
        Reason::TooManySessions => {
            "As many connections stand under this password as one may have. Leave this app alone for a minute; if it goes on, see where you are signed in, and end what you do not know."
        }
    }
}

/// What was refused, where: what to check differs, what it tells does not.
#[derive(Clone, Copy)]
pub(crate) enum Tried {
    /// Login and primary password.
    SignIn,
    /// A code of the second factor.
    Code,
    /// The first code of a new authenticator.
    FirstCode,
    /// Login and set-up code.
    SetUp,
    /// The current primary password, perhaps with a code.
    Change,
}

/// Why not, and what to do.
pub(crate) fn denied(denied: &Denied, tried: Tried) -> String {
    match denied {
        Denied::Refused => match tried {
            Tried::SignIn => "That did not match. Check the user name and the password, then try again.",
            Tried::Code => "That code did not match, or was used before. Wait for the next one, or use a recovery code.",
            Tried::FirstCode => {
                "That code did not match. Check that the clock of your phone is right, then enter the code it shows now."
            }
            Tried::SetUp => {
                "That did not match, or the code is no longer good. Check both, or ask for a new set-up code."
            }
            Tried::Change => "The current password, or the code, did not match. Nothing was changed.",
        }
        .to_owned(),
        Denied::Throttled => "Too many different tries. Wait a quarter of an hour, then try again.".to_owned(),
        Denied::NotFresh => {
            "It has been a while since you showed your second factor. Confirm with a code, then send this again.".to_owned()
        }
        other => sentence(other),
    }
}

/// An error as a sentence on a page.
pub(crate) fn sentence(error: &impl ToString) -> String {
    let mut text = capital(error.to_string());
    if !text.ends_with('.') {
        text.push('.');
    }
    text
}

/// " 2 open connections were cut off."; nothing where there were none.
pub(crate) fn sessions_ended(count: usize) -> String {
    match count {
        0 => String::new(),
        1 => " 1 open connection was cut off.".to_owned(),
        many => format!(" {many} open connections were cut off."),
    }
}

fn capital(mut text: String) -> String {
    if let Some(first) = text.get_mut(0..1) {
        first.make_ascii_uppercase();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_read_as_words() {
        assert_eq!(scopes(&"mail,calendars:read".parse().unwrap()), "Mail, calendars (reading only)");
    }

    #[test]
    fn every_reason_says_what_to_do() {
        for of in Reason::ALL {
            let text = reason(of);
            assert!(text.ends_with('.') && text.contains(['.', ':']) && text.len() > 40, "{of:?}: {text}");
            let imperatives = ["Correct", "Leave", "enter", "Enter", "Wait", "Ask", "Set", "Generate", "Go back"];
            assert!(imperatives.iter().any(|act| text.contains(act)), "{of:?}: {text}");
        }
    }

    #[test]
    fn errors_become_sentences() {
        assert_eq!(
            sentence(&authority::UnfitPrimary::TooShort),
            "Use at least 12 characters; a few unrelated words do well."
        );
    }
}
