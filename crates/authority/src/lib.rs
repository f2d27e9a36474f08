//! The law: who may come in, and why not.
//!
//! **What it is.** Pure functions and the values they work on. A sign-in at a
//! door is [`plan`]ned (what must be known), [`decide`]d (facts in, [`Verdict`]
//! out) and [`judge`]d once more when its session stands. Beside that: the
//! rules for app passwords ([`app_password`]), primary passwords ([`primary`]),
//! second factors ([`second_factor`]), the [`throttle`], the [`cutoff`], the
//! [`catalogue`] of apps, the sealed [`audit`] chain, and which of its lines are
//! [`notice`]s to owners.
//!
//! **What it is not.** It does no IO, asks no clock, draws no randomness of its
//! own, knows no database and no protocol. It hashes no primary password: that
//! takes time and memory, and is the keeper's to ration.
//!
//! **To add a reason for refusing:** a variant of [`Reason`] with its name, the
//! line in [`decide`] at its place in the order, the sentence for the owner in
//! the portal. **To add a credential:** a variant of [`Plan`], [`Facts`] and
//! [`Credential`]; the compiler names every place that has to think about it.

mod account;
pub mod app_lock;
pub mod app_password;
pub mod audit;
pub mod catalogue;
pub mod cutoff;
mod door;
mod id;
mod login;
mod needs;
pub mod notice;
pub mod primary;
mod scope;
pub mod second_factor;
mod secret;
mod sign_in;
pub mod throttle;
mod time;

pub use account::{Account, ChosenBy, Primary, PrimaryHash, SecondFactor, Standing};
pub use app_lock::{Client, Lesson, Pin, PinnedBy, Stranger, Whereabouts};
pub use app_password::{
    AppName, AppPassword, AppPasswordRequest, AppPasswordRules, CannotIssue, Label, LockMode, NotAName, State, Use,
};
pub use audit::{Actor, AuditKey, Entry, Event, SealedEntry};
pub use catalogue::Catalogue;
pub use cutoff::Cutoff;
pub use door::{Door, Networks, NotANetwork};
pub use fingerprint::{Protocol, Signature};
pub use id::{AccountId, AppPasswordId, NotAnId};
pub use login::{Domain, Login, NotALogin};
pub use needs::Needs;
pub use primary::UnfitPrimary;
pub use scope::{Area, NotAScope, Scope, Scopes};
pub use second_factor::{RecoveryCode, SealedSeed, Seed};
pub use secret::{Letters, Secret};
pub use sign_in::{
    Asking, Credential, Effect, Facts, Grant, Otherwise, Plan, PrimaryCheck, Reason, Refusal, Verdict, decide, judge,
    plan, refuse_identity,
};
pub use time::Timestamp;
