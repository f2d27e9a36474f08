//! Applies the law: fetches what the authority asks for, lets it decide,
//! commits what follows.
//!
//! **What it is.** [`Keeper`] has one method for doors, [`Keeper::sign_in`], and
//! for people the ways in [`mod@owner`] (the portal: an [`Owner`] has proved
//! both factors) and [`mod@administration`] (the command line). Behind it stand
//! the [`Store`] port, a cache that forgets before a change is acknowledged,
//! Argon2id behind a bounded queue, and the registry of live sessions with the
//! fence that makes "revoked" mean "out, now".
//!
//! **What it is not.** It makes no decision of its own: that is `authority`. It
//! knows no protocol, no page and no database.
//!
//! **To add an act that people can do:** a method that takes the proof it needs
//! (`&Owner`, [`Mandate`], [`FreshMandate`]), one call of the port with its
//! audit entry. If it ends something, the call goes through `Keeper::end`, which
//! raises the fence around it and sees it through.

// The store in memory, which the unit tests compile in here, calls us by name.
#[cfg(test)]
extern crate self as keeper;

pub mod administration;
mod app_lock;
mod app_passwords;
mod by_id;
mod cache;
mod canary;
mod clock;
mod ending;
mod enrolment;
mod fenced;
mod guesses;
mod hashing;
#[cfg(test)]
mod interleavings;
mod journal;
mod keys;
mod live_session;
mod notices;
pub mod owner;
mod policy;
mod primary;
mod retirement;
mod rotation;
mod sign_in;
mod store;
mod sync;
mod tally;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use authority::{AccountId, AppPasswordRules, Catalogue, Cutoff, Domain, Door};
use rand_core::{CryptoRng, Rng};

pub use administration::{AccountAdded, AddAccount, AdminError, AuditVerdict, SetUpCode};
pub use app_passwords::{IssueError, IssuedSecret, Overview};
pub use canary::{CanaryError, CanarySecrets};
pub use clock::{Clock, SystemClock};
pub use enrolment::{Proposal, SettingUp};
pub use fenced::{Fenced, Holder};
pub use hashing::HashCost;
pub use journal::JournalState;
pub use keys::{CannotUnseal, KeyFolder, Keys, Retiring, ServerKey};
pub use live_session::{Lasts, LiveSession, SessionId, SessionInfo, Which};
pub use notices::{AboutPassword, Told};
pub use owner::{Denied, FreshMandate, Mandate, Owner, Pending};
pub use policy::Policy;
pub use rotation::{KeysHeld, Rotated, RotationError, Voided};
pub use sign_in::{DEADLINE, JITTER, Judged, Provisional, SignIn, SignInAttempt, TurnedAway};
pub use store::{
    Added, Digest, Factors, Issued, Learned, Listed, MOST_STRANGERS, NewAccount, Notice, Refused, Resealed,
    STRANGERS_STAY, SetUpOffer, Spent, Store, StoreError, Stored, Tenure,
};
pub use tally::{DoorTally, Lesson as AppLockLesson};

/// What holds for the whole site.
#[derive(Clone, Debug)]
pub struct Site {
    /// Added to logins without one.
    pub domain: Domain,
    /// The name that authenticator apps show.
    pub issuer: String,
    /// How far the site has moved over, until [`Keeper::govern`] says otherwise.
    pub cutoff: Cutoff,
    /// The rules for app passwords, until then too.
    pub rules: AppPasswordRules,
    /// What a hash of a primary password costs.
    pub hash_cost: HashCost,
    /// The apps that there are, until [`Keeper::know`] says otherwise.
    pub apps: Catalogue,
}

/// The one that doors, pages and the command line ask.
pub struct Keeper {
    site: Site,
    policy: RwLock<Policy>,
    store: Arc<dyn Store>,
    keys: rotation::InUse,
    /// Where they lie. Held while they change, or must not.
    key_folder: tokio::sync::Mutex<Option<Box<dyn KeyFolder>>>,
    clock: clock::Ratchet,
    random: Mutex<Box<dyn CryptoRng + Send>>,
    cache: Arc<cache::Cache>,
    registry: live_session::Registry,
    journal: journal::Journal,
    told_of: app_lock::ToldOf,
    /// The site's apps, with what was learnt of them.
    apps: RwLock<Catalogue>,
    /// Held while what was learnt of them is read.
    learning: tokio::sync::Mutex<()>,
    tally: tally::Tally,
    /// The account whose sign-ins are tests: see [`mod@canary`].
    canary: std::sync::OnceLock<AccountId>,
    primary_guesses: guesses::Guesses,
    code_guesses: guesses::Guesses,
    hashing: hashing::Hashing,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keeper({})", self.site.domain)
    }
}

impl Keeper {
    /// Takes charge of a store. Fails if it cannot be read.
    pub async fn new(
        site: Site,
        store: Box<dyn Store>,
        mut keys: Keys,
        clock: Box<dyn Clock>,
        random: Box<dyn CryptoRng + Send>,
    ) -> Result<Self, StoreError> {
        let floor = store.newest().await?;
        let apps = site.apps.with_learnt(store.forms().await?);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            hashing: hashing::Hashing::new(site.hash_cost, cores),
            policy: RwLock::new(Policy { cutoff: site.cutoff, rules: site.rules }),
            site,
            store: store.into(),
            key_folder: tokio::sync::Mutex::new(keys.folder.take()),
            keys: rotation::InUse::new(keys),
            clock: clock::Ratchet::new(clock, floor),
            random: Mutex::new(random),
            cache: Arc::new(cache::Cache::new()),
            registry: live_session::Registry::new(),
            journal: journal::Journal::default(),
            told_of: app_lock::ToldOf::new(),
            apps: RwLock::new(apps),
            learning: tokio::sync::Mutex::default(),
            tally: tally::Tally::default(),
            canary: std::sync::OnceLock::new(),
            primary_guesses: guesses::Guesses::new(),
            code_guesses: guesses::Guesses::new(),
        })
    }

    /// Once a second, for as long as it is polled: ends the sessions of passwords
    /// that have expired, and writes the journal. Wipes the old server key when
    /// its time has come. Returns when another server has taken the store over.
    pub async fn keep_house(&self) {
        tokio::select! {
            () = self.mind_the_sessions() => {}
            // A store that hangs must not keep sessions open.
            () = self.write_journals() => {}
            // Long work, at times: nobody waits for it.
            () = self.tend_keys_in_time() => {}
        }
    }

    async fn mind_the_sessions(&self) {
        let mut every = every_second();
        loop {
            every.tick().await;
            self.registry.end_over(self.clock.now());
            match self.store.tenure() {
                Tenure::Ours => {}
                // Somebody else may be revoking what these stand on.
                Tenure::Unsure => self.registry.end_all(),
                Tenure::Lost => return self.registry.end_all(),
            }
        }
    }

    async fn write_journals(&self) {
        let mut every = every_second();
        loop {
            every.tick().await;
            if let Err(error) = self.write_journal().await {
                tracing::warn!(%error, "uses and refusals could not be recorded yet; trying again");
            }
        }
    }

    /// Writes the journal now: before stopping, and before showing what is in it.
    pub async fn write_journal(&self) -> Result<(), StoreError> {
        self.journal.write(&*self.store).await
    }

    /// Whether anybody can be let in, and what happens can be recorded.
    ///
    /// # Errors
    /// What is wrong with the store, and what to do.
    pub async fn readiness(&self) -> Result<(), StoreError> {
        self.is_at_work()?;
        self.store.newest().await?;
        // Nothing, in a transaction that writes.
        self.store.record_uses(&[]).await
    }

    /// What holds for the whole site. For what may change: [`Keeper::policy`].
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// Now, as decisions see it.
    pub fn now(&self) -> authority::Timestamp {
        self.clock.now()
    }

    /// Live sessions of one account, or of all, oldest first.
    pub fn sessions(&self, account: Option<AccountId>) -> Vec<SessionInfo> {
        self.registry.list(account)
    }

    /// How many live sessions there are, by door.
    pub fn session_counts(&self) -> BTreeMap<Arc<str>, usize> {
        self.registry.count()
    }

    /// What sign-ins have come to, by door.
    pub fn tallies(&self) -> Vec<DoorTally> {
        self.tally.read()
    }

    /// How the journal of uses and refusals is doing.
    pub fn journal_state(&self) -> JournalState {
        self.journal.state()
    }

    /// Told by a door whose server behind did not take an admitted session.
    pub fn not_handed_over(&self, door: &Door) {
        self.tally.not_handed_over(&door.name);
    }

    fn jitter(&self) -> Duration {
        let mut bytes = [0; 4];
        self.draw(|rng| rng.fill_bytes(&mut bytes));
        JITTER.mul_f64(f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX))
    }

    fn draw<T>(&self, with: impl FnOnce(&mut Box<dyn CryptoRng + Send>) -> T) -> T {
        with(&mut self.random.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn every_second() -> tokio::time::Interval {
    let mut every = tokio::time::interval(Duration::from_secs(1));
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    every
}
