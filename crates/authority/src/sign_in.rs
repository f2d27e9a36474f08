//! The one path of a sign-in: [`plan`] what must be known, [`decide`] on it,
//! [`judge`] once more when the session stands and before anything is relayed.
//!
//! All three are pure: facts and time in, a verdict out. Only this module makes
//! a [`Grant`].

use std::net::IpAddr;

use crate::{
    Account, AccountId, AppPassword, AppPasswordId, Catalogue, Client, Cutoff, Door, Lesson, Letters, LockMode, Login,
    Needs, Scopes, Secret, Standing, State, Timestamp, Whereabouts,
    app_lock::{self, Ruling},
};

/// What must be looked up before a decision.
#[derive(Debug)]
#[must_use]
pub enum Plan {
    /// The app password with these letters, of this account.
    LookUp {
        /// What to look for.
        letters: Letters,
        /// What to do when there is none.
        otherwise: Otherwise,
    },
    /// Whether the primary password matches: throttle first, then Argon2id.
    VerifyPrimary,
    /// Nothing: the answer does not depend on the secret, and is no oracle for it.
    Nothing,
}

/// What follows when no app password has the letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// Refuse.
    Refuse,
    /// While the cutoff only observes, an older primary password may have this shape.
    VerifyPrimary,
}

/// Step one. `account` is `None` where no account has the login.
pub fn plan(secret: &Secret, account: Option<&Account>, cutoff: Cutoff) -> Plan {
    let closed = account.is_none_or(|account| cutoff.applies(account));
    match Letters::parse(secret) {
        Some(letters) => {
            let otherwise = if closed { Otherwise::Refuse } else { Otherwise::VerifyPrimary };
            Plan::LookUp { letters, otherwise }
        }
        None if closed => Plan::Nothing,
        None => Plan::VerifyPrimary,
    }
}

/// What was found out.
#[derive(Clone, Copy, Debug)]
pub enum Facts<'a> {
    /// The app password with the letters, if there is one.
    AppPassword(Option<&'a AppPassword>),
    /// What became of checking the primary password.
    Primary(PrimaryCheck),
    /// The plan asked for nothing.
    Unchecked,
}

/// The outcome of checking a primary password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrimaryCheck {
    /// It is the right one.
    Matches,
    /// It is not.
    Differs,
    /// Too many different ones were tried: not checked.
    Throttled,
}

/// Who asks, where, from where.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// The account that the login belongs to, if any.
    pub account: Option<&'a Account>,
    /// The door.
    pub door: &'a Door,
    /// The client's address, as far as the PROXY header or the socket tells.
    pub from: IpAddr,
    /// Now.
    pub now: Timestamp,
    /// What is known of the program.
    pub client: &'a Client,
    /// Whether the owner has been there: where [`app_lock::turns_on_whereabouts`].
    pub whereabouts: Whereabouts,
    /// The apps that there are.
    pub apps: &'a Catalogue,
}

/// The answer to an attempt.
#[derive(Debug)]
#[must_use]
pub enum Verdict {
    /// Let in, once the effect is recorded.
    Admit(Grant, Effect),
    /// All is well so far, and the client has to show itself: it may say who it is,
    /// and sees nothing that is behind the door until it is [judged](judge).
    Provisional(Grant),
    /// Turned away.
    Refuse(Refusal),
}

/// The proof that a sign-in was decided on and admitted. Made only here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    account: AccountId,
    login: Login,
    aliases: Vec<Login>,
    credential: Credential,
    /// `None` for a primary password, which has none.
    scopes: Option<Scopes>,
    until: Option<Timestamp>,
}

impl Grant {
    /// Whose session it is.
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// The canonical login, to be handed to the server behind.
    pub fn login(&self) -> &Login {
        &self.login
    }

    /// All names of the account, the canonical one first.
    pub fn addresses(&self) -> impl Iterator<Item = &Login> {
        std::iter::once(&self.login).chain(&self.aliases)
    }

    /// What opened the door.
    pub fn credential(&self) -> Credential {
        self.credential
    }

    /// True if it opens this too. For a place behind a door that asks for one of
    /// several kinds of data, and which of them is known once somebody is in.
    pub fn opens(&self, needs: &Needs) -> bool {
        self.scopes.as_ref().is_none_or(|scopes| scopes.open(needs))
    }

    /// When it is over by itself, however long the session stands.
    pub fn until(&self) -> Option<Timestamp> {
        self.until
    }
}

/// What opened a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// An app password.
    AppPassword(AppPasswordId),
    /// The account's own password, where the cutoff does not apply yet.
    Primary,
}

/// What has to be recorded about an admission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The credential changes, from waiting to active, or by what it has learnt of
    /// its app: before anything is admitted.
    Learn(Box<Lesson>),
    /// "Last used" moves on: soon.
    Use(AppPasswordId),
    /// The same, by another app than its own, which is only watched: tell.
    UseByOther(AppPasswordId),
    /// A primary password was used at a door. Nothing is recorded of it yet.
    PrimaryUse,
}

/// A refusal. The reason is for the audit log and the owner, never for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// Whose login it was, if anybody's.
    pub account: Option<AccountId>,
    /// Which password it was, if one was found.
    pub app_password: Option<AppPasswordId>,
}

/// Why an attempt was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// No account has this login, or the text is none.
    UnknownLogin,
    /// The client asked to act for somebody else.
    ForeignIdentity,
    /// The shape of an app password, and none of this account's.
    NoSuchPassword,
    /// Not the shape of an app password where nothing else will do.
    NotAnAppPassword,
    /// The primary password was checked and is another.
    WrongPrimary,
    /// Too many different primary passwords were tried.
    Throttled,
    /// The account is suspended.
    AccountSuspended,
    /// The account has no second factor, so its app passwords rest.
    NoSecondFactor,
    /// Its end had come.
    Expired,
    /// It was not used within the first hour.
    NotUsedInTime,
    /// It was revoked.
    Revoked,
    /// From a network that it is not held to.
    Network,
    /// In another app than the one it was made for.
    OtherApp,
    /// It does not open what this door asks for.
    Scope,
    /// As many sessions stand under it as may: put off, not turned away.
    TooManySessions,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::UnknownLogin,
        Self::ForeignIdentity,
        Self::NoSuchPassword,
        Self::NotAnAppPassword,
        Self::WrongPrimary,
        Self::Throttled,
        Self::AccountSuspended,
        Self::NoSecondFactor,
        Self::Expired,
        Self::NotUsedInTime,
        Self::Revoked,
        Self::Network,
        Self::OtherApp,
        Self::Scope,
        Self::TooManySessions,
    ];

    /// The word in the store, in JSON and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::UnknownLogin => "unknown-login",
            Self::ForeignIdentity => "foreign-identity",
            Self::NoSuchPassword => "no-such-password",
            Self::NotAnAppPassword => "not-an-app-password",
            Self::WrongPrimary => "wrong-primary",
            Self::Throttled => "throttled",
            Self::AccountSuspended => "account-suspended",
            Self::NoSecondFactor => "no-second-factor",
            Self::Expired => "expired",
            Self::NotUsedInTime => "not-used-in-time",
            Self::Revoked => "revoked",
            Self::Network => "network",
            Self::OtherApp => "other-app",
            Self::Scope => "scope",
            Self::TooManySessions => "too-many-sessions",
        }
    }

    /// The reason with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }
}

/// Step two. The order is the promise: scope comes last, so that a 403 tells
/// nothing to who holds a password in the wrong state, network or app.
pub fn decide(asking: &Asking<'_>, facts: Facts<'_>) -> Verdict {
    let Some(account) = asking.account else {
        return refuse(Reason::UnknownLogin, None, None);
    };
    match facts {
        Facts::AppPassword(None) => refuse(Reason::NoSuchPassword, Some(account), None),
        Facts::AppPassword(Some(password)) => decide_app_password(asking, account, password),
        Facts::Primary(check) => decide_primary(account, check),
        Facts::Unchecked => refuse(Reason::NotAnAppPassword, Some(account), None),
    }
}

fn decide_app_password(asking: &Asking<'_>, account: &Account, password: &AppPassword) -> Verdict {
    let no = |reason| refuse(reason, Some(account), Some(password));
    // The look-up is keyed by account; a store that mixed rows up must not open a door.
    if password.account != account.id {
        return refuse(Reason::NoSuchPassword, Some(account), None);
    }
    let (credential, scopes) = (Credential::AppPassword(password.id), Some(password.scopes.clone()));
    let grant = grant(account, credential, scopes, password.expires);
    match weigh(asking, account, password) {
        Ok(Weighed::Comes(effect)) => Verdict::Admit(grant, effect),
        Ok(Weighed::HasToShow) => Verdict::Provisional(grant),
        Err(reason) => no(reason),
    }
}

/// What speaks for letting an app password in.
enum Weighed {
    Comes(Effect),
    HasToShow,
}

/// The order in which an app password is looked at, each time.
fn weigh(asking: &Asking<'_>, account: &Account, password: &AppPassword) -> Result<Weighed, Reason> {
    if let Some(reason) = out_of_use(account, password, asking.now) {
        return Err(reason);
    }
    if !password.networks.admit(asking.from) {
        return Err(Reason::Network);
    }
    let ruling = match asking.client {
        Client::Shown(seen) => app_lock::rule(password, seen, asking.whereabouts, asking.apps),
        Client::ToShow | Client::Unseen => Ruling::Known,
    };
    if ruling == Ruling::Other && password.lock == LockMode::Lock {
        return Err(Reason::OtherApp);
    }
    if !password.scopes.open(&asking.door.needs) {
        return Err(Reason::Scope);
    }
    if matches!(asking.client, Client::ToShow) && password.lock != LockMode::Off {
        return Ok(Weighed::HasToShow);
    }
    Ok(Weighed::Comes(match app_lock::learn(password, &ruling, asking) {
        Some(lesson) => Effect::Learn(Box::new(lesson)),
        None if ruling == Ruling::Other => Effect::UseByOther(password.id),
        None => Effect::Use(password.id),
    }))
}

fn decide_primary(account: &Account, check: PrimaryCheck) -> Verdict {
    let no = |reason| refuse(reason, Some(account), None);
    match check {
        PrimaryCheck::Throttled => no(Reason::Throttled),
        PrimaryCheck::Differs => no(Reason::WrongPrimary),
        PrimaryCheck::Matches if account.standing == Standing::Suspended => no(Reason::AccountSuspended),
        PrimaryCheck::Matches => Verdict::Admit(grant(account, Credential::Primary, None, None), Effect::PrimaryUse),
    }
}

/// Step three, when the session has been entered and could be cut off: does
/// everything that the grant stands on still hold? Once more when a client that was
/// let in provisionally has shown itself. `None` where a row is gone.
pub fn judge(grant: Grant, asking: &Asking<'_>, password: Option<&AppPassword>, cutoff: Cutoff) -> Verdict {
    let Some(account) = asking.account.filter(|account| account.id == grant.account) else {
        return refuse(Reason::UnknownLogin, None, None);
    };
    let weighed = match (grant.credential, password) {
        (Credential::AppPassword(id), Some(password)) if password.id == id => weigh(asking, account, password),
        (Credential::AppPassword(_), _) => Err(Reason::NoSuchPassword),
        (Credential::Primary, _) if cutoff.applies(account) => Err(Reason::NotAnAppPassword),
        (Credential::Primary, _) if account.standing == Standing::Suspended => Err(Reason::AccountSuspended),
        (Credential::Primary, _) => Ok(Weighed::Comes(Effect::PrimaryUse)),
    };
    match weighed {
        Ok(Weighed::Comes(effect)) => Verdict::Admit(grant, effect),
        Ok(Weighed::HasToShow) => Verdict::Provisional(grant),
        Err(reason) => refuse(reason, Some(account), password),
    }
}

/// Why the state alone keeps a password out, if it does.
fn out_of_use(account: &Account, password: &AppPassword, now: Timestamp) -> Option<Reason> {
    match password.state(account, now) {
        State::Revoked => Some(Reason::Revoked),
        State::Expired if password.first_used.is_none() => Some(Reason::NotUsedInTime),
        State::Expired => Some(Reason::Expired),
        State::Suspended if account.standing == Standing::Suspended => Some(Reason::AccountSuspended),
        State::Suspended => Some(Reason::NoSecondFactor),
        State::Waiting | State::Active => None,
    }
}

/// The refusal of an attempt that never had an account to decide on.
pub fn refuse_identity(reason: Reason, account: Option<&Account>) -> Refusal {
    Refusal { reason, account: account.map(|account| account.id), app_password: None }
}

fn grant(account: &Account, credential: Credential, scopes: Option<Scopes>, until: Option<Timestamp>) -> Grant {
    let (login, aliases) = (account.login.clone(), account.aliases.clone());
    Grant { account: account.id, login, aliases, credential, scopes, until }
}

fn refuse(reason: Reason, account: Option<&Account>, password: Option<&AppPassword>) -> Verdict {
    Verdict::Refuse(Refusal {
        reason,
        account: account.map(|account| account.id),
        app_password: password.map(|password| password.id),
    })
}
