//! What owners are told of the app lock, and what they answer.

use std::sync::{Arc, PoisonError};

use authority::{
    AccountId, Actor, AppPassword, AppPasswordId, Catalogue, Client, Entry, Event, Pin, PinnedBy, Signature, Stranger,
    Timestamp, catalogue::AppId,
};

use crate::{
    FreshMandate, Keeper, MOST_STRANGERS, Mandate, Store, StoreError, live_session::Around, sign_in::Knock,
    sync::Bounded,
};

/// What became of another app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Met {
    /// Refused.
    Refused,
    /// Admitted: its password is only watched.
    Watched,
}

/// Which other apps each password was told of lately: one that tries again every
/// second, one that is watched and comes with each request, and one that calls itself
/// otherwise each time, cost a look in here.
pub(crate) struct ToldOf(Bounded<AppPasswordId, Arc<[(Signature, Timestamp)]>>);

impl ToldOf {
    const MOST: usize = 10_000;
    /// After so many milliseconds "the last time" moves on.
    const AGAIN: i64 = 60_000;

    pub(crate) fn new() -> Self {
        Self(Bounded::new(Self::MOST))
    }

    fn is_due(&self, id: AppPasswordId, signature: &Signature, now: Timestamp) -> bool {
        let is_lately = |(_, told): &&(Signature, Timestamp)| now.as_millis() - told.as_millis() < Self::AGAIN;
        let told = self.0.get(&id).unwrap_or_default();
        let lately: Vec<_> = told.iter().filter(is_lately).cloned().collect();
        let is_due = lately.len() < MOST_STRANGERS && lately.iter().all(|(known, _)| known != signature);
        if is_due {
            self.0.insert(id, lately.into_iter().chain([(signature.clone(), now)]).collect());
        }
        is_due
    }

    fn forget(&self, id: AppPasswordId) {
        self.0.remove(&id);
    }
}

impl Keeper {
    /// The apps that there are, with what was learnt of them.
    pub fn apps(&self) -> Catalogue {
        self.apps.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on these are the apps that there are.
    pub fn know(&self, apps: &Catalogue) {
        let mut known = self.apps.write().unwrap_or_else(PoisonError::into_inner);
        *known = apps.with_learnt_by(&known);
    }

    /// Reads what was learnt of apps again, after something was. One at a time: what was
    /// read before a form was taken back must not be kept after it.
    pub(crate) async fn learn_forms(&self) -> Result<(), StoreError> {
        let _one = self.learning.lock().await;
        let forms = self.store.forms().await?;
        let mut apps = self.apps.write().unwrap_or_else(PoisonError::into_inner);
        *apps = apps.with_learnt(forms);
        Ok(())
    }

    /// Takes back what was learnt of an app. Returns how many forms there were.
    pub async fn forget_forms(&self, uid: u32, app: &AppId) -> Result<usize, StoreError> {
        let forgotten = self.store.forget_forms(app, self.clock.now(), &Actor::Administrator { uid }).await;
        self.learn_forms().await?;
        forgotten
    }

    /// Keeps which app it was, for its owner to say what it is. A store that fails here
    /// is in the log, and changes nothing for the client.
    pub(crate) async fn tell_of_other_app(&self, account: AccountId, id: AppPasswordId, knock: Knock<'_>, met: Met) {
        let (Client::Shown(signature), at) = (knock.client, self.clock.now()) else { return };
        if !self.told_of.is_due(id, signature, at) {
            return;
        }
        let door = knock.door.name.to_string();
        let app = self.name_of(signature);
        let event = match met {
            Met::Refused => Event::AppLockRefused { id, app, door: door.clone() },
            Met::Watched => Event::AppLockWatched { id, app, door: door.clone() },
        };
        let entry = Entry { at, actor: Actor::Door { door, from: knock.from }, account: Some(account), event };
        let stranger =
            Stranger { signature: signature.clone(), door: Arc::clone(&knock.door.name), from: knock.from, at };
        if let Err(error) = self.store.record_stranger(id, &stranger, &entry).await {
            tracing::warn!(app_password = %id, %error, "its owner could not be told of another app");
        }
    }

    /// What the catalogue calls a client: the only form in which what it says of itself
    /// reaches anybody.
    pub fn name_of(&self, signature: &Signature) -> Option<String> {
        self.apps().name_of(signature)
    }

    /// The app that a pin of this password stands for.
    pub fn app_of(&self, password: &AppPassword, pin: &Pin) -> String {
        let apps = self.apps();
        match apps.name_of(&pin.signature) {
            Some(name) if pin.by == PinnedBy::Owner || pin.signature.declared().is_some() => name,
            None if pin.by == PinnedBy::Owner => "Another app".to_owned(),
            // It does not say who it is, and was the one that this was made for: what
            // others look like it as well is of no use to its owner.
            _ => apps.shown(&password.app).to_owned(),
        }
    }

    /// Clients that were refused a password of this account as another app.
    pub async fn strangers(&self, mandate: &Mandate, id: AppPasswordId) -> Result<Vec<Stranger>, StoreError> {
        if self.store.app_password(id).await?.is_none_or(|listed| listed.password.account != mandate.account) {
            return Ok(vec![]);
        }
        self.store.strangers(id).await
    }

    /// Lets an app that was refused use this password too. False if it was not
    /// refused, or the password is not this account's, or over.
    pub async fn allow(
        &self,
        mandate: &FreshMandate,
        id: AppPasswordId,
        signature: &Signature,
    ) -> Result<bool, StoreError> {
        let (account, now) = (mandate.account, self.clock.now());
        let Some(owner) = self.store.account(account).await? else { return Ok(false) };
        let strangers = self.strangers(mandate, id).await?;
        let Some(stranger) = strangers.into_iter().find(|stranger| stranger.signature == *signature) else {
            return Ok(false);
        };
        let app = self.name_of(signature);
        let entry = mandate.entry(now, Event::AppAllowed { id, app });
        let pin = Pin { signature: stranger.signature, since: now, from: stranger.from, by: PinnedBy::Owner };
        let allow = async move |store: Arc<dyn Store>| store.allow(account, id, &pin, &entry).await;
        self.amend(&owner, allow).await
    }

    /// Has a password forget its app and wait for its first use again, as if it were
    /// new. `None` if it is not this account's or over; else how many sessions ended.
    pub async fn relearn(&self, mandate: &FreshMandate, id: AppPasswordId) -> Result<Option<usize>, StoreError> {
        let (account, now) = (mandate.account, self.clock.now());
        let Some(owner) = self.store.account(account).await? else { return Ok(None) };
        // Looked up first: somebody else's id must not cut anything of anybody.
        if self.store.app_password(id).await?.is_none_or(|listed| listed.password.account != account) {
            return Ok(None);
        }
        let use_by = now.plus(self.policy().rules.first_use_within);
        let entry = mandate.entry(now, Event::AppLockRelearn { id });
        let relearn = async move |store: Arc<dyn Store>| store.relearn(account, id, use_by, &entry).await;
        let (done, closed) = self.end(&owner, Around::AppPassword(id), relearn).await?;
        // What it refuses from now on is news again.
        self.told_of.forget(id);
        Ok(done.then_some(closed))
    }
}
