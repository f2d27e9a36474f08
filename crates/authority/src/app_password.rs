//! The credential made for one app, and the rules for making one.

use std::{net::IpAddr, sync::Arc, time::Duration};

use crate::{Account, AccountId, AppPasswordId, Networks, Pin, Scopes, Standing, Timestamp};

/// An app password without its letters: nobody has those but the app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppPassword {
    /// Stable for good.
    pub id: AppPasswordId,
    /// Whose it is.
    pub account: AccountId,
    /// The owner's name for it: "Laptop".
    pub label: Label,
    /// The app it was made for: a catalogue name or one of the owner's own.
    pub app: AppName,
    /// What it opens.
    pub scopes: Scopes,
    /// From where it may be used.
    pub networks: Networks,
    /// Whether it works in one app only.
    pub lock: LockMode,
    /// The clients that it has accepted, oldest first.
    pub pins: Arc<[Pin]>,
    /// When it was made.
    pub created: Timestamp,
    /// Unless it was used by then, it never works: the time in which it is
    /// bound to nothing yet is its weakest.
    pub use_by: Timestamp,
    /// When it ends by itself, if it does.
    pub expires: Option<Timestamp>,
    /// When it was first used.
    pub first_used: Option<Timestamp>,
    /// When it was revoked. Never goes back to `None`.
    pub revoked: Option<Timestamp>,
}

/// What an app password is at one moment. Derived, never stored: it cannot
/// contradict the facts it follows from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Made, not used yet.
    Waiting,
    /// In use.
    Active,
    /// Its account is suspended or has no second factor; it comes back with that.
    Suspended,
    /// It was not used in time, or its end has come.
    Expired,
    /// Over for good.
    Revoked,
}

impl State {
    /// The word for it, on pages and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

impl AppPassword {
    /// Its state now. What is final comes first.
    pub fn state(&self, account: &Account, now: Timestamp) -> State {
        if self.revoked.is_some() {
            State::Revoked
        } else if self.is_over(now) {
            State::Expired
        } else if account.standing == Standing::Suspended || account.second_factor.is_none() {
            State::Suspended
        } else if self.first_used.is_none() {
            State::Waiting
        } else {
            State::Active
        }
    }

    /// True once time alone has ended it.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|end| now >= end) || (self.first_used.is_none() && now >= self.use_by)
    }
}

/// What an owner, or an administrator for them, asks for.
#[derive(Clone, Debug)]
pub struct AppPasswordRequest {
    /// The owner's name for it.
    pub label: Label,
    /// The app it is for.
    pub app: AppName,
    /// What it shall open.
    pub scopes: Scopes,
    /// From where; empty means anywhere.
    pub networks: Networks,
    /// When it shall end by itself, counted from now.
    pub expires_in: Option<Duration>,
    /// Whether it works in one app only.
    pub lock: LockMode,
}

/// The site's rules for app passwords.
#[derive(Clone, Copy, Debug)]
pub struct AppPasswordRules {
    /// How many an account may have that are neither expired nor revoked.
    pub limit: usize,
    /// How long a new one waits for its first use.
    pub first_use_within: Duration,
    /// How many connections may stand under one at once, and beside them how many
    /// requests: a calendar must not starve because mail has taken every place.
    pub sessions: usize,
}

impl Default for AppPasswordRules {
    fn default() -> Self {
        Self { limit: 25, first_use_within: Duration::from_secs(3600), sessions: 64 }
    }
}

/// Why an app password is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotIssue {
    /// The account has no second factor.
    #[error("this account has no second factor: set one up first, app passwords need it")]
    NoSecondFactor,
    /// The account is suspended.
    #[error("this account is suspended: resume it first")]
    Suspended,
    /// As many as allowed are alive.
    #[error("this account has {0} app passwords, which is the limit: revoke one that is no longer used")]
    LimitReached(usize),
    /// It would open nothing.
    #[error("choose at least one thing that the password shall open")]
    NoScope,
    /// It would be over before it began, or later than time goes.
    #[error("the expiry must lie between one hour and ten years from now")]
    Expiry,
}

/// Makes the row of a new app password, or says why not. The limit is counted
/// by the store, in the transaction that adds the row.
pub fn issue(
    account: &Account,
    request: AppPasswordRequest,
    rules: AppPasswordRules,
    id: AppPasswordId,
    now: Timestamp,
) -> Result<AppPassword, CannotIssue> {
    const SHORTEST: Duration = Duration::from_secs(3600);
    const LONGEST: Duration = Duration::from_secs(10 * 366 * 86400);
    if account.standing == Standing::Suspended {
        return Err(CannotIssue::Suspended);
    }
    if account.second_factor.is_none() {
        return Err(CannotIssue::NoSecondFactor);
    }
    if request.scopes.is_empty() {
        return Err(CannotIssue::NoScope);
    }
    if request.expires_in.is_some_and(|end| !(SHORTEST..=LONGEST).contains(&end)) {
        return Err(CannotIssue::Expiry);
    }
    Ok(AppPassword {
        id,
        account: account.id,
        label: request.label,
        app: request.app,
        scopes: request.scopes,
        networks: request.networks,
        lock: request.lock,
        pins: Arc::default(),
        created: now,
        use_by: now.plus(rules.first_use_within),
        expires: request.expires_in.map(|after| now.plus(after)),
        first_used: None,
        revoked: None,
    })
}

/// One use of an app password at a door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// The door's configured name.
    pub door: Arc<str>,
    /// When.
    pub at: Timestamp,
    /// From where.
    pub from: IpAddr,
}

/// Whether a password works in one app only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LockMode {
    /// Another app is refused.
    #[default]
    Lock,
    /// Another app is admitted, and the owner told.
    Watch,
    /// Any app will do.
    Off,
}

/// The text names no lock mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a lock is one of lock, watch, off")]
pub struct NotALockMode;

impl LockMode {
    /// The word used in configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lock => "lock",
            Self::Watch => "watch",
            Self::Off => "off",
        }
    }
}

impl std::str::FromStr for LockMode {
    type Err = NotALockMode;
    fn from_str(text: &str) -> Result<Self, NotALockMode> {
        [Self::Lock, Self::Watch, Self::Off].into_iter().find(|mode| mode.name() == text).ok_or(NotALockMode)
    }
}

/// The text cannot be shown as a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a name has 1 to 64 characters and no control or direction marks")]
pub struct NotAName;

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $type(Box<str>);

        impl $type {
            /// Trims; refuses what could not be shown on one line of a page or a terminal.
            pub fn parse(text: &str) -> Result<Self, NotAName> {
                let text = text.trim();
                // Direction marks turn a label into another one on the page that asks "revoke?".
                let odd = |c: char| {
                    c.is_control()
                        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
                };
                if text.is_empty() || text.chars().count() > 64 || text.contains(odd) {
                    return Err(NotAName);
                }
                Ok(Self(text.into()))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $type {
            type Err = NotAName;
            fn from_str(text: &str) -> Result<Self, NotAName> {
                Self::parse(text)
            }
        }
    };
}

name!(
    /// The owner's name for a password.
    Label
);
name!(
    /// The app that a password was made for.
    AppName
);
