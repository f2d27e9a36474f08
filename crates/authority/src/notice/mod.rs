//! What an account's owner is told, and how often.
//!
//! Told is what makes or changes a way into the account, and what the app lock saw:
//! things that the owner either did a minute ago or should know of at once. Sign-ins
//! and what is routine are not; a notice that is never surprising is not read.
//!
//! A notice belongs to its line of audit and is kept with it. Everything that it says
//! is in that line: this decides, from the line alone, of which kind it is.

mod tray;

use std::time::Duration;

pub use tray::{Held, Mailing, Tray};

use crate::{Entry, Event, audit::FactorsBy};

/// So many mails of one kind an account gets within [`DAY`]; what comes above that
/// shares one more. A flood of refusals is no flood of mail.
pub const MOST_MAILS: usize = 10;
/// The time that this is counted over.
pub const DAY: Duration = Duration::from_secs(24 * 3600);
/// So many notices of an account are kept for the portal, the newest ones.
pub const KEPT: usize = 50;
/// A mail that could not be sent is given up when its notice is this old.
pub const GIVEN_UP_AFTER: Duration = Duration::from_secs(5 * 24 * 3600);

/// What a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Factors were chosen for the owner, by an administrator.
    FactorsGiven,
    /// The owner chose the first factors, by a set-up code.
    SetUp,
    /// All factors were taken away.
    Reset,
    /// Another primary password.
    PrimaryChanged,
    /// The first second factor.
    SecondFactorAdded,
    /// Another second factor.
    SecondFactorReplaced,
    /// New recovery codes.
    RecoveryCodesRenewed,
    /// A recovery code took the place of the second factor.
    RecoveryCodeUsed,
    /// Recovery codes that were not renewed in time.
    RecoveryCodesVoided,
    /// Others may know the site's key: codes are void, passwords revoked.
    SecretsVoided,
    /// A new app password.
    PasswordMade,
    /// An app has used one for the first time.
    FirstUse,
    /// An app password is worth nothing any more.
    Revoked,
    /// All of them.
    AllRevoked,
    /// The app lock refused another app.
    OtherAppRefused,
    /// It let another app in, as its password asks.
    OtherAppWatched,
    /// It learnt that an app has changed.
    AppDrifted,
    /// The owner let another app use a password.
    OtherAppAllowed,
    /// A password has forgotten its app.
    LearnsAnew,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::FactorsGiven,
        Self::SetUp,
        Self::Reset,
        Self::PrimaryChanged,
        Self::SecondFactorAdded,
        Self::SecondFactorReplaced,
        Self::RecoveryCodesRenewed,
        Self::RecoveryCodeUsed,
        Self::RecoveryCodesVoided,
        Self::SecretsVoided,
        Self::PasswordMade,
        Self::FirstUse,
        Self::Revoked,
        Self::AllRevoked,
        Self::OtherAppRefused,
        Self::OtherAppWatched,
        Self::AppDrifted,
        Self::OtherAppAllowed,
        Self::LearnsAnew,
    ];

    /// The kind of notice that this line is; `None` for what owners are not told.
    pub fn about(entry: &Entry) -> Option<Self> {
        entry.account?;
        Some(match &entry.event {
            Event::AccountAdded { factors: FactorsBy::Administrator, .. } => Self::FactorsGiven,
            Event::AccountSetUp => Self::SetUp,
            Event::AccountReset => Self::Reset,
            Event::PrimaryPasswordChanged => Self::PrimaryChanged,
            Event::SecondFactorEnrolled => Self::SecondFactorAdded,
            Event::SecondFactorReplaced => Self::SecondFactorReplaced,
            Event::RecoveryCodesRenewed => Self::RecoveryCodesRenewed,
            Event::RecoveryCodeUsed => Self::RecoveryCodeUsed,
            Event::RecoveryCodesVoided => Self::RecoveryCodesVoided,
            Event::SecretsVoided => Self::SecretsVoided,
            Event::AppPasswordIssued { .. } => Self::PasswordMade,
            Event::AppPasswordFirstUsed { .. } => Self::FirstUse,
            Event::AppPasswordRevoked { .. } => Self::Revoked,
            Event::AllAppPasswordsRevoked => Self::AllRevoked,
            Event::AppLockRefused { .. } => Self::OtherAppRefused,
            Event::AppLockWatched { .. } => Self::OtherAppWatched,
            Event::AppLockDrifted { .. } => Self::AppDrifted,
            Event::AppAllowed { .. } => Self::OtherAppAllowed,
            Event::AppLockRelearn { .. } => Self::LearnsAnew,
            Event::AccountAdded { .. }
            | Event::AccountRemoved { .. }
            | Event::AccountSuspended
            | Event::AccountResumed
            | Event::PortalSignIn
            | Event::SecondFactorShown
            | Event::SessionsEnded { .. }
            | Event::BackupRestored { .. }
            | Event::BackupMade
            | Event::AllAccountsSuspended { .. }
            | Event::ServerKeyRotated { .. }
            | Event::ServerKeyCompromised
            | Event::BackDoorFound { .. }
            | Event::BackDoorGone { .. }
            | Event::AppLockPinned { .. }
            | Event::AppFormLearnt { .. }
            | Event::AppFormForgotten { .. }
            | Event::RuleChanged { .. } => return None,
        })
    }

    /// Its number in databases: never given to another.
    pub fn number(self) -> u8 {
        match self {
            Self::FactorsGiven => 1,
            Self::SetUp => 2,
            Self::Reset => 3,
            Self::PrimaryChanged => 4,
            Self::SecondFactorAdded => 5,
            Self::SecondFactorReplaced => 6,
            Self::RecoveryCodesRenewed => 7,
            Self::RecoveryCodeUsed => 8,
            Self::RecoveryCodesVoided => 9,
            Self::SecretsVoided => 10,
            Self::PasswordMade => 11,
            Self::FirstUse => 12,
            Self::Revoked => 13,
            Self::AllRevoked => 14,
            Self::OtherAppRefused => 15,
            Self::OtherAppWatched => 16,
            Self::AppDrifted => 17,
            Self::OtherAppAllowed => 18,
            Self::LearnsAnew => 19,
        }
    }

    /// The kind with this number.
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| i64::from(kind.number()) == number)
    }

    /// True if somebody else may be at work: the owner is to look at it, whatever
    /// else there is.
    pub fn is_alarming(self) -> bool {
        matches!(self, Self::OtherAppRefused | Self::OtherAppWatched | Self::RecoveryCodeUsed | Self::SecretsVoided)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AccountId, Actor, AppPasswordId, Timestamp};

    fn line(actor: Actor, event: Event) -> Entry {
        Entry { at: Timestamp::from_millis(0), actor, account: Some(AccountId::from_bytes([1; 10])), event }
    }

    #[test]
    fn every_number_stands_for_one_kind() {
        let numbers: std::collections::BTreeSet<u8> = Kind::ALL.iter().map(|kind| kind.number()).collect();
        assert_eq!(numbers.len(), Kind::ALL.len());
        for kind in Kind::ALL {
            assert_eq!(Kind::from_number(kind.number().into()), Some(kind));
        }
        assert_eq!(Kind::from_number(0), None);
    }

    #[test]
    fn routine_is_told_to_nobody() {
        let id = AppPasswordId::from_bytes([2; 10]);
        let made = || Event::AppPasswordIssued { id, label: String::new(), app: String::new(), scopes: String::new() };
        let owner = || Actor::Owner { from: [192, 0, 2, 7].into() };
        let added = |factors| Event::AccountAdded { login: String::new(), factors };
        for (actor, event, kind) in [
            (owner(), made(), Some(Kind::PasswordMade)),
            (Actor::Postern, Event::AppPasswordRevoked { id }, Some(Kind::Revoked)),
            (Actor::Administrator { uid: 0 }, added(FactorsBy::Administrator), Some(Kind::FactorsGiven)),
            (Actor::Administrator { uid: 0 }, added(FactorsBy::Owner), None),
            (Actor::Postern, added(FactorsBy::Postern), None),
            (owner(), Event::PortalSignIn, None),
        ] {
            assert_eq!(Kind::about(&line(actor.clone(), event.clone())), kind, "{event:?}");
        }
        let nobodys = Entry { account: None, ..line(owner(), Event::PrimaryPasswordChanged) };
        assert_eq!(Kind::about(&nobodys), None);
    }
}
