//! The port to what is kept: calls shaped by intent, each atomic, each change
//! with its line of audit in the same transaction.
//!
//! **To add a call:** name it after what a person would say happened; add it
//! here, to each store, and to the contract suite in `testkit`, which every
//! store has to pass. Nothing of one database may show through: no SQL, no row
//! numbers, no "busy".

use std::{net::IpAddr, path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use authority::{
    Account, AccountId, Actor, AppPassword, AppPasswordId, Entry, Lesson, Login, Pin, Primary, Reason, SealedEntry,
    SealedSeed, SecondFactor, Signature, Standing, Stranger, Timestamp, Use, catalogue::AppId, notice::Kind,
};

/// A keyed hash under which a secret is stored and found.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digest([redacted])")
    }
}

/// The store could not do it. It was not done, unless the variant says otherwise.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached, is locked, read-only, full: try later.
    #[error("the store cannot be used right now: {0}")]
    Unavailable(Arc<str>),
    /// It was lost while it did it, and cannot be asked. Whoever asks again, when
    /// it is back, sees what became of it.
    #[error("it is not known whether this was done, because the store was lost meanwhile: look, then try again: {0}")]
    Unsettled(Arc<str>),
    /// It holds something that this program did not write.
    #[error("the store holds bad data in {place}: {what}; run `postern doctor`, and restore a backup if it agrees")]
    Corrupt {
        /// Table, column and row.
        place: Arc<str>,
        /// What is wrong there.
        what: Arc<str>,
    },
}

/// Short for what every call returns.
pub type Stored<T> = Result<T, StoreError>;

/// An account to be added, with what belongs to it.
#[derive(Debug)]
pub struct NewAccount {
    /// The account; its epoch is 0.
    pub account: Account,
    /// Digests of its recovery codes.
    pub recovery: Vec<Digest>,
    /// The way in for an owner who has no factors yet.
    pub set_up: Option<SetUpOffer>,
}

/// A one-time code for the set-up page.
#[derive(Clone, Copy, Debug)]
pub struct SetUpOffer {
    /// Of the code.
    pub digest: Digest,
    /// From then on it is worth nothing.
    pub expires: Timestamp,
}

/// What came of adding an account.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Added {
    /// It is there.
    Done,
    /// This login, or alias, belongs to somebody already.
    LoginTaken(Login),
}

/// The factors of an account, set all at once.
#[derive(Debug)]
pub struct Factors {
    /// The primary password.
    pub primary: Primary,
    /// The second factor.
    pub second_factor: SecondFactor,
    /// Digests of the recovery codes.
    pub recovery: Vec<Digest>,
}

/// A second factor, spent by being shown.
#[derive(Clone, Copy, Debug)]
pub enum Spent {
    /// A TOTP step: it and all before are spent.
    Step(u64),
    /// A recovery code.
    RecoveryCode(Digest),
}

/// The seed of a second factor, sealed under another key.
#[derive(Clone, Debug)]
pub struct Resealed {
    /// Whose.
    pub account: AccountId,
    /// As it was read.
    pub was: SealedSeed,
    /// As it is to be.
    pub now: SealedSeed,
}

/// What came of adding an app password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Issued {
    /// It is there.
    Done,
    /// The account has as many as it may that are neither over nor revoked.
    LimitReached,
    /// The account is gone, suspended, or has lost its second factor meanwhile.
    NotAllowed,
}

/// What came of a lesson.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Learned {
    /// It is kept.
    Done,
    /// The password is not what it was when this was decided: decide anew.
    Outdated,
    /// The password was revoked meanwhile, or its time is over.
    Gone,
}

/// So many refused clients are kept for each password.
pub const MOST_STRANGERS: usize = 8;
/// So long each stays, counted from when it was last seen.
pub const STRANGERS_STAY: Duration = Duration::from_secs(24 * 3600);

/// An app password and where it was used last, door by door.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The password.
    pub password: AppPassword,
    /// One per door, newest first.
    pub uses: Vec<Use>,
}

/// Refusals of one kind, counted: a flood of them is one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Whose login was used, if anybody's.
    pub account: Option<AccountId>,
    /// Which password, if one was found.
    pub app_password: Option<AppPasswordId>,
    /// Where.
    pub door: Arc<str>,
    /// Why.
    pub reason: Reason,
    /// From where, the last time.
    pub from: IpAddr,
    /// When, the last time.
    pub at: Timestamp,
    /// How often.
    pub count: u64,
}

/// Something that an account's owner is told, by mail and on the portal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Whose.
    pub account: AccountId,
    /// The number of its line of audit.
    pub seq: u64,
    /// What it is about.
    pub kind: Kind,
    /// The line, which says all of it.
    pub entry: Entry,
    /// How many more of the kind its mail stands for.
    pub more: u64,
    /// How often that could not be sent.
    pub failures: u64,
}

/// Whether this process is the one at work on the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tenure {
    /// It is, and no other can be.
    Ours,
    /// It was, and another may be by now: what the cache holds may be out of date.
    Unsure,
    /// Another is.
    Lost,
}

/// What is kept, and the only way to it.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Asked before every admission, and answered from memory.
    fn tenure(&self) -> Tenure {
        Tenure::Ours
    }

    // What a sign-in looks up: one indexed read each.

    /// The account with this login or alias.
    async fn account_by_login(&self, login: &Login) -> Stored<Option<Account>>;
    /// The account with this id.
    async fn account(&self, id: AccountId) -> Stored<Option<Account>>;
    /// The app password with this digest, in whatever state.
    async fn app_password_by_digest(&self, digest: &Digest) -> Stored<Option<AppPassword>>;

    // What pages and the command line show.

    /// All accounts, by login.
    async fn accounts(&self) -> Stored<Vec<Account>>;
    /// All app passwords of an account, newest first, revoked ones included.
    async fn app_passwords(&self, account: AccountId) -> Stored<Vec<Listed>>;
    /// Where an app password belongs.
    async fn app_password(&self, id: AppPasswordId) -> Stored<Option<Listed>>;
    /// Refusals of an account since then, newest first.
    async fn refusals(&self, account: AccountId, since: Timestamp) -> Stored<Vec<Refused>>;
    /// Digests of the recovery codes that are left.
    async fn recovery_codes(&self, account: AccountId) -> Stored<Vec<Digest>>;
    /// How many recovery codes are left.
    async fn recovery_codes_left(&self, account: AccountId) -> Stored<usize>;
    /// Lines of audit behind `after`, in order, at most `limit`.
    async fn audit(&self, after: u64, limit: usize) -> Stored<Vec<SealedEntry>>;
    /// Writes all of it, as it is at one moment, into a new SQLite database: what
    /// a backup is, whatever the store.
    async fn back_up(&self, to: &Path) -> Stored<()>;
    /// The newest time that anything was recorded at: the clock may not fall behind it.
    async fn newest(&self) -> Stored<Option<Timestamp>>;

    // Accounts. `entry` is written in the same transaction, only if the change is.

    /// Adds an account; its logins must be free.
    async fn add_account(&self, new: &NewAccount, entry: &Entry) -> Stored<Added>;
    /// Removes an account and all that belongs to it, its audit excepted. False if there is none.
    async fn remove_account(&self, id: AccountId, entry: &Entry) -> Stored<bool>;
    /// Suspends or resumes; the epoch moves on. False if it is so already, or gone.
    async fn set_standing(&self, id: AccountId, standing: Standing, entry: &Entry) -> Stored<bool>;
    /// Replaces the primary password; the epoch moves on; all living app
    /// passwords are revoked, each with an entry, and returned. `None` if the
    /// account is gone, or not at this epoch any more: who signed in before a
    /// reset must not choose a password after it.
    async fn change_primary(
        &self,
        id: AccountId,
        epoch: u64,
        primary: &Primary,
        entry: &Entry,
    ) -> Stored<Option<Vec<AppPasswordId>>>;
    /// Takes all factors and set-up codes away, offers a new set-up; epoch and
    /// app passwords as in [`Store::change_primary`].
    async fn reset(&self, id: AccountId, offer: &SetUpOffer, entry: &Entry) -> Stored<Option<Vec<AppPasswordId>>>;
    /// True while this set-up code is good for this account.
    async fn set_up_is_open(&self, id: AccountId, digest: &Digest, now: Timestamp) -> Stored<bool>;
    /// Spends a set-up code and sets the factors; the epoch moves on. False if
    /// the code is not good (any more).
    async fn set_up(&self, id: AccountId, digest: &Digest, factors: &Factors, entry: &Entry) -> Stored<bool>;
    /// Gives an account that has no second factor one, with recovery codes; the
    /// epoch moves on. False if it has one, or is gone.
    async fn enrol(
        &self,
        id: AccountId,
        second_factor: &SecondFactor,
        recovery: &[Digest],
        entry: &Entry,
    ) -> Stored<bool>;
    /// Puts another second factor, with recovery codes of its own, in the place
    /// of the one that is there; the epoch moves on. False if there is none, and
    /// as in [`Store::change_primary`].
    async fn replace_second_factor(
        &self,
        id: AccountId,
        epoch: u64,
        second_factor: &SecondFactor,
        recovery: &[Digest],
        entry: &Entry,
    ) -> Stored<bool>;
    /// Spends a second factor. False if it was spent before, or never was one.
    async fn spend(&self, id: AccountId, spent: Spent, entry: &Entry) -> Stored<bool>;
    /// Replaces the recovery codes. False if the account is gone.
    async fn renew_recovery_codes(&self, id: AccountId, recovery: &[Digest], entry: &Entry) -> Stored<bool>;
    /// Voids those of these recovery codes that are left. False if none is.
    async fn void_recovery_codes(&self, id: AccountId, codes: &[Digest], entry: &Entry) -> Stored<bool>;
    /// Voids what stood on a server key that others may know: epoch and app
    /// passwords as in [`Store::change_primary`]; recovery and set-up codes are
    /// gone; the seed is replaced, unless it has changed meanwhile, and counts as
    /// chosen by an administrator, so that its owner is asked for another.
    async fn void_secrets(
        &self,
        id: AccountId,
        resealed: Option<&Resealed>,
        entry: &Entry,
    ) -> Stored<Option<Vec<AppPasswordId>>>;

    // App passwords.

    /// Adds one, unless `limit` of the account's are alive at `password.created`.
    async fn issue(&self, password: &AppPassword, digest: &Digest, limit: usize, entry: &Entry) -> Stored<Issued>;
    /// Revokes one, at `entry.at`. False if it is not this account's, or revoked before.
    async fn revoke(&self, account: AccountId, id: AppPasswordId, entry: &Entry) -> Stored<bool>;
    /// Revokes all living ones of an account and returns them; `entry`, then one
    /// more line for each. Nothing is written when there are none.
    async fn revoke_all(&self, account: AccountId, entry: &Entry) -> Stored<Vec<AppPasswordId>>;
    /// What a password learns by a use: that it is used at all, or one more form of
    /// its app. The use, the pin and the lines of audit are written together, and
    /// only while the password is what the lesson says it was.
    async fn learn(&self, lesson: &Lesson, used: &Use, entries: &[Entry]) -> Stored<Learned>;
    /// Forms of apps that enough owners' passwords have taken: [`authority::app_lock::OWNERS`].
    async fn forms(&self) -> Stored<Vec<(AppId, Signature)>>;
    /// Takes back the forms of an app, with a line of audit for each, and forgets who
    /// has taken them. Returns how many there were.
    async fn forget_forms(&self, app: &AppId, at: Timestamp, actor: &Actor) -> Stored<usize>;
    /// Keeps which client was refused as another app, at most [`MOST_STRANGERS`] for
    /// each password: one not seen for [`STRANGERS_STAY`] makes room; else a new one is
    /// not kept, so that whoever holds a password writes a few lines a day, whatever
    /// their programs call themselves. True, and `entry` is written, if
    /// it was not known. Nothing is kept for a password that is gone.
    async fn record_stranger(&self, id: AppPasswordId, stranger: &Stranger, entry: &Entry) -> Stored<bool>;
    /// Clients that were refused as another app, the last one first.
    async fn strangers(&self, id: AppPasswordId) -> Stored<Vec<Stranger>>;
    /// Pins a client that was refused, and forgets that it was. False if it is none
    /// of this password's, or the password is not this account's, is over or revoked.
    async fn allow(&self, account: AccountId, id: AppPasswordId, pin: &Pin, entry: &Entry) -> Stored<bool>;
    /// Forgets all pins and refused clients: the password waits for its first use
    /// again, until `use_by`. False as in [`Store::allow`].
    async fn relearn(&self, account: AccountId, id: AppPasswordId, use_by: Timestamp, entry: &Entry) -> Stored<bool>;
    /// True if an app of the account has come in from the network of `from`: the same
    /// 24 bits of an address of IP version 4, or 48 of version 6.
    async fn has_come_from(&self, account: AccountId, from: IpAddr) -> Stored<bool>;

    // Routine, aggregated by the keeper; may lose the last second in a crash.

    /// Moves "last used" on, door by door; an older time never replaces a newer.
    async fn record_uses(&self, uses: &[(AppPasswordId, Use)]) -> Stored<()>;
    /// Adds to the counted refusals. Those without an account are kept per door
    /// and reason only, so that strangers cannot fill the disk.
    async fn record_refusals(&self, refused: &[Refused]) -> Stored<()>;
    /// Files an app password under another digest: its letters are the same, the
    /// server key is not. No line of audit. False if it is gone.
    async fn rehash(&self, id: AppPasswordId, digest: &Digest) -> Stored<bool>;
    /// Replaces sealed seeds by the same ones under another key, all at once; one
    /// that has changed meanwhile stays as it is. Epochs stay, no line of audit.
    /// Returns how many were replaced.
    async fn reseal(&self, resealed: &[Resealed]) -> Stored<usize>;

    // Notices. They are made with their lines of audit, by every call that writes one
    // (see `authority::notice`); a line that follows from another makes none.

    /// Those whose mail is to be sent by now, the one first that waits longest.
    async fn due_notices(&self, now: Timestamp, limit: usize) -> Stored<Vec<Notice>>;
    /// How many mails wait, whenever they are due.
    async fn notices_waiting(&self) -> Stored<u64>;
    /// The mail is on its way, or was given up: it is not tried again.
    async fn notice_settled(&self, account: AccountId, seq: u64) -> Stored<()>;
    /// The mail could not be sent, and is tried again then.
    async fn notice_failed(&self, account: AccountId, seq: u64, next_try: Timestamp) -> Stored<()>;
    /// What the owner has not dismissed, newest first, at most [`KEPT`](authority::notice::KEPT).
    async fn notices_of(&self, account: AccountId) -> Stored<Vec<Notice>>;
    /// The owner has seen it. False if there is none, or it was dismissed before.
    async fn dismiss_notice(&self, account: AccountId, seq: u64) -> Stored<bool>;

    /// Writes one line of audit that belongs to no other change.
    async fn record(&self, entry: &Entry) -> Stored<()>;
}
