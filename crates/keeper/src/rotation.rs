//! Another server key, while sign-ins go on.
//!
//! Whoever makes a digest or seals a seed has the keys in hand until that is
//! stored. A rotation puts others in their place and waits until nobody holds
//! those before: from then on all that is in the store was made under keys that
//! are known, and nothing more is made under the old one.

use std::{
    io,
    ops::Deref,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use authority::{Account, Actor, Entry, Event, Timestamp};
use rand_core::Rng;
use tokio::sync::{MutexGuard, oneshot};

use crate::{Keeper, KeyFolder, Keys, Resealed, Retiring, ServerKey, Store, StoreError, Tenure, live_session::Around};

/// So many seeds are sealed anew in one transaction: bounds how long a first use waits.
const BATCH: usize = 100;
/// What could not be done is tried again after this time.
const RETRY: Duration = Duration::from_secs(3600);

/// Why the key was not rotated, or not to the end.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// Only two are live at a time.
    #[error("the server key before this one is still good: wait until it is not, or say that others may know a key")]
    OldKeyLives(Timestamp),
    /// Nobody knows where they lie.
    #[error("the server key is not kept in a file, and cannot be put in the place of another")]
    NotKept,
    /// They cannot be written.
    #[error("the server key cannot be written: {0}: check data/keys and the disk; the key is the one that it was")]
    Folder(io::Error),
    /// The old one cannot be wiped.
    #[error(
        "the old server key cannot be wiped: {0}: check data/keys, then run this again; nothing opens with it any more"
    )]
    Wipe(io::Error),
    /// Nothing was changed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its time has come, and this is left.
    #[error(
        "the old server key opens nothing any more, and what is left under it is not all revoked: {0}; this is tried again"
    )]
    Retiring(StoreError),
    /// It was, and this is left.
    #[error(
        "the server key is another by now, and not every second factor is sealed under it: {0}; restart Postern to go on with that"
    )]
    Resealing(StoreError),
    /// It was, and this is left.
    #[error(
        "the server key is another by now, nothing opens with the old one, and not every app password is marked as revoked: {0}; run this again to go on with that"
    )]
    Voiding(StoreError),
}

/// What a rotation came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// What was made under the old key is good until then.
    pub old_key_until: Timestamp,
    /// How many second factors were sealed under the new one.
    pub resealed: usize,
}

/// What a compromised key took with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Voided {
    /// Accounts of which the owners are to set up their second factor anew.
    pub accounts: usize,
    /// App passwords that were revoked.
    pub revoked: usize,
}

/// While this is held, the server keys stay as they are.
#[must_use]
pub struct KeysHeld<'k>(
    #[expect(dead_code, reason = "held, not looked at")] MutexGuard<'k, Option<Box<dyn KeyFolder>>>,
);

/// Keys that somebody has in hand.
pub(crate) struct Held {
    keys: Keys,
    _let_go: oneshot::Sender<()>,
}

impl Deref for Held {
    type Target = Keys;
    fn deref(&self) -> &Keys {
        &self.keys
    }
}

impl Held {
    fn new(keys: Keys) -> (Arc<Self>, oneshot::Receiver<()>) {
        let (_let_go, is_let_go) = oneshot::channel();
        (Arc::new(Self { keys, _let_go }), is_let_go)
    }

    /// True if there is an old key that nothing needs any more.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        matches!(self.retiring(), Some(Retiring::At(end)) if now >= end)
    }
}

/// The keys to work with.
pub(crate) struct InUse(RwLock<(Arc<Held>, oneshot::Receiver<()>)>);

impl InUse {
    pub(crate) fn new(keys: Keys) -> Self {
        Self(RwLock::new(Held::new(keys)))
    }

    /// Takes them in hand. Until what is made under them is stored; not while
    /// waiting for anything else.
    pub(crate) fn in_use(&self) -> Arc<Held> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// True if they have not been replaced meanwhile.
    pub(crate) fn are_still(&self, held: &Arc<Held>) -> bool {
        Arc::ptr_eq(&self.0.read().unwrap_or_else(PoisonError::into_inner).0, held)
    }

    /// Returns once nobody holds those before.
    async fn replace(&self, keys: Keys) {
        let next = Held::new(keys);
        let before = std::mem::replace(&mut *self.0.write().unwrap_or_else(PoisonError::into_inner), next);
        let (held, is_let_go) = before;
        drop(held);
        let _ = is_let_go.await;
    }
}

impl Keeper {
    /// Keeps the server keys as they are, for who copies them together with
    /// what stands on them.
    pub async fn hold_keys(&self) -> KeysHeld<'_> {
        KeysHeld(self.key_folder.lock().await)
    }

    /// How long the server key before the current one is good, if there is one.
    pub fn old_key(&self) -> Option<Retiring> {
        self.keys.in_use().retiring()
    }

    /// Puts another server key in the place of this one, which stays good for
    /// what was made under it, for so long. App passwords move over as they are
    /// used, seeds at once; codes do not.
    pub async fn rotate_key(&self, uid: u32, retire_after: Duration) -> Result<Rotated, RotationError> {
        let mut folder = self.key_folder.lock().await;
        let folder = folder.as_deref_mut().ok_or(RotationError::NotKept)?;
        self.tend(folder).await?;
        if let Some(Retiring::At(end)) = self.old_key() {
            return Err(RotationError::OldKeyLives(end));
        }
        let old_key_until = self.clock.now().plus(retire_after);
        self.turn(folder, uid, Retiring::At(old_key_until), Event::ServerKeyRotated { old_key_until }).await?;
        let resealed = self.reseal_all().await.map_err(RotationError::Resealing)?;
        Ok(Rotated { old_key_until, resealed })
    }

    /// Puts another server key in the place of this one, which others may know.
    /// When this returns, nothing that was made under it opens anything, and no
    /// session is left that stood on it. Goes on where an earlier one broke off.
    pub async fn replace_compromised_key(&self, uid: u32) -> Result<Voided, RotationError> {
        let mut folder = self.key_folder.lock().await;
        let folder = folder.as_deref_mut().ok_or(RotationError::NotKept)?;
        let actor = Actor::Administrator { uid };
        let goes_on = self.old_key() == Some(Retiring::Now);
        if !goes_on {
            // Only one old key is kept: it has to open all seeds.
            self.reseal_all().await?;
            self.turn(folder, uid, Retiring::Now, Event::ServerKeyCompromised).await?;
            // Who was let in under the old key was entered before it was let go.
            self.registry.end_all();
        }
        let voided = self.void_all(&actor, !goes_on).await.map_err(RotationError::Voiding)?;
        self.wipe_old(folder).await?;
        Ok(voided)
    }

    /// Does what a rotation left to be done: seals what is not sealed anew, ends
    /// what a compromised key has opened, and wipes the old key when its time has come.
    pub async fn tend_keys(&self) -> Result<(), RotationError> {
        match self.key_folder.lock().await.as_deref_mut() {
            Some(folder) => self.tend(folder).await,
            None => Ok(()),
        }
    }

    /// Tends them when the time of the old one has come, for as long as it is polled.
    pub(crate) async fn tend_keys_in_time(&self) {
        let mut every = crate::every_second();
        loop {
            every.tick().await;
            if !self.keys.in_use().is_over(self.clock.now()) {
                continue;
            }
            if let Err(error) = self.tend_keys().await {
                tracing::warn!(%error, "the old server key is not wiped yet; trying again in an hour");
                every.reset_after(RETRY);
            }
        }
    }

    async fn tend(&self, folder: &mut dyn KeyFolder) -> Result<(), RotationError> {
        match self.old_key() {
            None => return Ok(()),
            Some(Retiring::At(end)) => {
                self.reseal_all().await.map_err(RotationError::Resealing)?;
                if self.clock.now() < end {
                    return Ok(());
                }
                self.end_what_is_left(end).await.map_err(RotationError::Retiring)?;
            }
            Some(Retiring::Now) => {
                self.void_all(&Actor::Postern, false).await.map_err(RotationError::Voiding)?;
            }
        }
        self.wipe_old(folder).await
    }

    /// Draws a key and puts it in the place of the current one.
    ///
    /// The line of audit comes first: better a rotation in the log that a crash
    /// undid than one that the log does not know. Then the old key is put aside,
    /// and only then the new one is in its place: a crash in between leaves the
    /// same key twice. Nothing is made under the new one before it is there.
    async fn turn(
        &self,
        folder: &mut dyn KeyFolder,
        uid: u32,
        retiring: Retiring,
        event: Event,
    ) -> Result<(), RotationError> {
        if self.store.tenure() != Tenure::Ours {
            return Err(StoreError::Unavailable("another server may be at work on it".into()).into());
        }
        let key = ServerKey::new(self.draw(|rng| {
            let mut bytes = [0; 32];
            rng.fill_bytes(&mut bytes);
            bytes
        }));
        let actor = Actor::Administrator { uid };
        self.store.record(&Entry { at: self.clock.now(), actor, account: None, event }).await?;
        folder.put_aside(retiring).and_then(|()| folder.replace(&key)).map_err(RotationError::Folder)?;
        let turned = self.keys.in_use().turned(&key, retiring);
        self.keys.replace(turned).await;
        self.cache.forget_all();
        Ok(())
    }

    async fn wipe_old(&self, folder: &mut dyn KeyFolder) -> Result<(), RotationError> {
        folder.wipe_old().map_err(RotationError::Wipe)?;
        let retired = self.keys.in_use().retired();
        self.keys.replace(retired).await;
        self.cache.forget_all();
        Ok(())
    }

    /// Seals all seeds under the current key that are not yet; returns how many.
    async fn reseal_all(&self) -> Result<usize, StoreError> {
        let mut batch = vec![];
        let mut resealed = 0;
        for account in self.settled_accounts().await? {
            batch.extend(self.resealed(&account));
            if batch.len() == BATCH {
                resealed += self.store.reseal(&std::mem::take(&mut batch)).await?;
            }
        }
        Ok(resealed + self.store.reseal(&batch).await?)
    }

    /// Voids what stands on the old key: of everybody, or of those with whom an
    /// earlier try did not come to it, whose seeds are not sealed anew.
    async fn void_all(&self, actor: &Actor, everybody: bool) -> Result<Voided, StoreError> {
        let mut voided = Voided::default();
        for account in self.settled_accounts().await? {
            let resealed = self.resealed(&account);
            // Who has no second factor has no app password either.
            if account.second_factor.is_none() || (resealed.is_none() && !everybody) {
                continue;
            }
            let (id, at, event) = (account.id, self.clock.now(), Event::SecretsVoided);
            let entry = Entry { at, actor: actor.clone(), account: Some(id), event };
            let void = async move |store: Arc<dyn Store>| store.void_secrets(id, resealed.as_ref(), &entry).await;
            let revoked = self.end(&account, Around::Account, void).await?;
            // Nobody would know whose the canary's are.
            if let (Some(revoked), false) = (revoked.0, self.site.is_canary(&account.login)) {
                voided.accounts += 1;
                voided.revoked += revoked.len();
            }
        }
        Ok(voided)
    }

    /// All accounts, with every change in them that somebody asked for and did
    /// not wait for: it stands in front of this one.
    async fn settled_accounts(&self) -> Result<Vec<Account>, StoreError> {
        self.store.reseal(&[]).await?;
        self.store.accounts().await
    }

    fn resealed(&self, account: &Account) -> Option<Resealed> {
        let factor = account.second_factor.as_ref()?;
        self.draw(|rng| self.keys.in_use().reseal(account.id, &factor.seed, rng))
    }
}
