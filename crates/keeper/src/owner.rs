//! People at the portal: what they have proved, as types.
//!
//! [`Pending`] has shown the primary password and opens nothing. [`Owner`] has
//! shown both factors. A [`Mandate`] may look and take away, a [`FreshMandate`],
//! given for ten minutes after a second factor, may make and change.

use std::{net::IpAddr, sync::Arc, time::Duration};

use authority::{
    Account, AccountId, Actor, ChosenBy, Entry, Event, Letters, Login, Primary, PrimaryCheck, RecoveryCode, Secret,
    Standing, Timestamp, UnfitPrimary, primary,
};
use tokio::time::Instant;

use crate::{
    CannotUnseal, DEADLINE, Keeper, Spent, Store, StoreError, guesses::Held, hashing::Busy, live_session::Around,
};

/// A second factor counts as fresh this long.
const FRESH: Duration = Duration::from_secs(600);
/// A sign-in waits this long for its second factor.
const PENDING: Duration = Duration::from_secs(600);

/// Why somebody at the portal does not get what they asked for.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// Not these factors. One text for wrong, unknown and suspended.
    #[error("that did not match; check the name, the password and the code, and try again")]
    Refused,
    /// Too many different ones; told of logins that nobody has as well.
    #[error("too many different tries; wait a quarter of an hour and try again")]
    Throttled,
    /// It took too long, or the account has changed meanwhile.
    #[error("this sign-in is over; sign in again")]
    Over,
    /// The new primary password will not do.
    #[error(transparent)]
    Unfit(#[from] UnfitPrimary),
    /// The second factor was shown too long ago.
    #[error("confirm with a code of your second factor first")]
    NotFresh,
    /// Try later.
    #[error("this cannot be done right now; try again in a minute")]
    Unavailable,
    /// The store was lost while it did it.
    #[error("it is not known whether this was done; look, then try again")]
    Unsettled,
}

impl From<StoreError> for Denied {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the portal cannot use the store");
        match error {
            StoreError::Unsettled(_) => Self::Unsettled,
            _ => Self::Unavailable,
        }
    }
}

impl From<CannotUnseal> for Denied {
    fn from(error: CannotUnseal) -> Self {
        tracing::error!(%error, "a second factor cannot be checked");
        Self::Unavailable
    }
}

impl From<Busy> for Denied {
    fn from(_: Busy) -> Self {
        Self::Unavailable
    }
}

/// Has shown the primary password, and nothing else yet. Opens nothing.
#[derive(Debug)]
pub struct Pending {
    account: AccountId,
    epoch: u64,
    pub(crate) from: IpAddr,
    since: Timestamp,
    /// True if the account has a second factor to ask for; else one is set up now.
    has_second_factor: bool,
}

impl Pending {
    /// Whether to ask for a code, or to offer setting a second factor up.
    pub fn has_second_factor(&self) -> bool {
        self.has_second_factor
    }
}

/// Has shown both factors, on this account, from there.
#[derive(Clone, Debug)]
pub struct Owner {
    account: AccountId,
    login: Login,
    epoch: u64,
    pub(crate) from: IpAddr,
    factor_shown: Timestamp,
}

/// May look at an account, and take away.
#[derive(Clone, Debug)]
pub struct Mandate {
    pub(crate) account: AccountId,
    pub(crate) actor: Actor,
}

/// May also make and change.
#[derive(Clone, Debug)]
pub struct FreshMandate(pub(crate) Mandate);

impl std::ops::Deref for FreshMandate {
    type Target = Mandate;
    fn deref(&self) -> &Mandate {
        &self.0
    }
}

impl Mandate {
    /// Whose account.
    pub fn account(&self) -> AccountId {
        self.account
    }

    pub(crate) fn entry(&self, at: Timestamp, event: Event) -> Entry {
        Entry { at, actor: self.actor.clone(), account: Some(self.account), event }
    }
}

impl Owner {
    /// Whose account.
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// Its canonical login.
    pub fn login(&self) -> &Login {
        &self.login
    }

    /// From where both factors were shown.
    pub fn address(&self) -> IpAddr {
        self.from
    }

    /// True if the other is signed in to the same account, and it has not changed
    /// between the two: both are good, or neither.
    pub fn is_beside(&self, other: &Self) -> bool {
        (self.account, self.epoch) == (other.account, other.epoch)
    }

    /// What this owner may do at any time.
    pub fn mandate(&self) -> Mandate {
        Mandate { account: self.account, actor: Actor::Owner { from: self.from } }
    }
}

impl Keeper {
    /// The primary password at the portal. Refusals come at the common deadline.
    pub async fn begin_sign_in(&self, login: &str, secret: &Secret, from: IpAddr) -> Result<Pending, Denied> {
        let asked = Instant::now();
        let outcome = self.try_begin(login, secret, from).await;
        self.at_deadline(asked, outcome).await
    }

    async fn try_begin(&self, login: &str, secret: &Secret, from: IpAddr) -> Result<Pending, Denied> {
        let login = Login::from_client(login, &self.site.domain).map_err(|_| Denied::Refused)?;
        // An app password never signs in here, nor costs its owner a try.
        if Letters::parse(secret).is_some() {
            return Err(Denied::Refused);
        }
        let account = self.store.account_by_login(&login).await?;
        match self.check_primary(&login, account.as_ref(), secret, from).await? {
            PrimaryCheck::Differs => Err(Denied::Refused),
            PrimaryCheck::Throttled => Err(Denied::Throttled),
            PrimaryCheck::Matches => {
                let account = account.filter(|account| account.standing == Standing::Active).ok_or(Denied::Refused)?;
                Ok(Pending {
                    account: account.id,
                    epoch: account.epoch,
                    from,
                    since: self.clock.now(),
                    has_second_factor: account.second_factor.is_some(),
                })
            }
        }
    }

    /// A TOTP or recovery code on top of the primary password.
    pub async fn finish_sign_in(&self, pending: &Pending, code: &str) -> Result<Owner, Denied> {
        let asked = Instant::now();
        let outcome = self.try_finish(pending, code).await;
        self.at_deadline(asked, outcome).await
    }

    async fn try_finish(&self, pending: &Pending, code: &str) -> Result<Owner, Denied> {
        let account = self.pending_account(pending).await?;
        self.spend_code(&account, code, pending.from, Event::PortalSignIn).await?;
        Ok(self.owner(&account, pending.from))
    }

    /// Shows a second factor again, before something that needs it fresh.
    pub async fn freshen(&self, owner: &mut Owner, code: &str) -> Result<(), Denied> {
        let asked = Instant::now();
        let outcome = self.try_freshen(owner, code).await;
        let factor_shown = self.at_deadline(asked, outcome).await?;
        owner.factor_shown = factor_shown;
        Ok(())
    }

    async fn try_freshen(&self, owner: &Owner, code: &str) -> Result<Timestamp, Denied> {
        let account = self.confirm(owner).await?;
        self.spend_code(&account, code, owner.from, Event::SecondFactorShown).await?;
        Ok(self.clock.now())
    }

    /// What this owner may do now; [`Denied::NotFresh`] asks for [`Keeper::freshen`].
    pub fn fresh_mandate(&self, owner: &Owner) -> Result<FreshMandate, Denied> {
        if self.clock.now().since(owner.factor_shown) > FRESH {
            return Err(Denied::NotFresh);
        }
        Ok(FreshMandate(owner.mandate()))
    }

    /// The account as it is now, if this owner is still signed in: its factors
    /// and standing have not changed since.
    pub async fn confirm(&self, owner: &Owner) -> Result<Account, Denied> {
        let account = self.store.account(owner.account).await?.ok_or(Denied::Over)?;
        let same = account.epoch == owner.epoch && account.standing == Standing::Active;
        if same { Ok(account) } else { Err(Denied::Over) }
    }

    /// Replaces the primary password. All app passwords are revoked and their
    /// sessions over when this returns; the owner goes on with the new `Owner`.
    pub async fn change_primary(
        &self,
        owner: &Owner,
        mandate: &FreshMandate,
        current: &Secret,
        new: &Secret,
    ) -> Result<Owner, Denied> {
        let account = self.confirm(owner).await?;
        if mandate.account != account.id {
            return Err(Denied::Over);
        }
        match self.check_primary(&account.login, Some(&account), current, owner.from).await? {
            PrimaryCheck::Matches => {}
            PrimaryCheck::Differs => return Err(Denied::Refused),
            PrimaryCheck::Throttled => return Err(Denied::Throttled),
        }
        primary::check(new, &account.login)?;
        let primary = Primary { hash: self.hash(new).await?, chosen_by: ChosenBy::Owner };
        let entry = mandate.entry(self.clock.now(), Event::PrimaryPasswordChanged);
        // What was wrong may be the right one from now on.
        self.primary_guesses.forget(account.id);
        let (id, epoch) = (account.id, account.epoch);
        let change = async move |store: Arc<dyn Store>| store.change_primary(id, epoch, &primary, &entry).await;
        let (revoked, _) = self.end(&account, Around::Account, change).await?;
        revoked.ok_or(Denied::Over)?;
        Ok(Owner { epoch: account.epoch + 1, ..owner.clone() })
    }

    /// New recovery codes; the old ones are void. Shown once.
    pub async fn renew_recovery_codes(&self, mandate: &FreshMandate) -> Result<Vec<Secret>, Denied> {
        let keys = self.keys.in_use();
        let (codes, digests) = self.recovery_codes(&keys, mandate.account);
        let entry = mandate.entry(self.clock.now(), Event::RecoveryCodesRenewed);
        match self.store.renew_recovery_codes(mandate.account, &digests, &entry).await? {
            true => Ok(codes),
            false => Err(Denied::Over),
        }
    }

    pub(crate) fn owner(&self, account: &Account, from: IpAddr) -> Owner {
        Owner {
            account: account.id,
            login: account.login.clone(),
            epoch: account.epoch,
            from,
            factor_shown: self.clock.now(),
        }
    }

    pub(crate) async fn pending_account(&self, pending: &Pending) -> Result<Account, Denied> {
        if self.clock.now().since(pending.since) > PENDING {
            return Err(Denied::Over);
        }
        let account = self.store.account(pending.account).await?.ok_or(Denied::Over)?;
        let same = account.epoch == pending.epoch && account.standing == Standing::Active;
        if same { Ok(account) } else { Err(Denied::Over) }
    }

    async fn spend_code(&self, account: &Account, code: &str, from: IpAddr, event: Event) -> Result<(), Denied> {
        let factor = account.second_factor.as_ref().ok_or(Denied::Refused)?;
        let now = self.clock.now();
        // A code that was wrong a minute ago may be right now: it is remembered
        // as wrong for its time only.
        let step = now.as_secs() / 30;
        let keys = self.keys.in_use();
        let tag = keys.current.guess(account.id, &format!("{} at {step}", code.trim()));
        let guess = self.code_guesses.ask(account.id, from, tag, now).map_err(held)?;
        let mandate = Mandate { account: account.id, actor: Actor::Owner { from } };
        let seed = keys.unseal(account.id, &factor.seed)?;
        let (candidates, event) = if let Some(step) = seed.step_of(code, now, factor.last_step) {
            (vec![Spent::Step(step)], event)
        } else if let Some(code) = RecoveryCode::parse(code) {
            let digests = keys.good(now).map(|key| Spent::RecoveryCode(key.recovery_code(account.id, &code)));
            (digests.collect(), Event::RecoveryCodeUsed)
        } else {
            (vec![], event)
        };
        let entry = mandate.entry(now, event);
        for spent in candidates {
            if self.store.spend(account.id, spent, &entry).await? {
                guess.succeeded();
                return Ok(());
            }
        }
        guess.failed(now);
        Err(Denied::Refused)
    }

    pub(crate) async fn hash(&self, secret: &Secret) -> Result<authority::PrimaryHash, Busy> {
        let salt = self.draw(|rng| {
            let mut salt = [0; 16];
            rng.fill_bytes(&mut salt);
            salt
        });
        self.hashing.hash(secret, salt).await
    }

    /// Refusals wait; what worked, and what says nothing about a secret, does not.
    pub(crate) async fn at_deadline<T>(&self, asked: Instant, outcome: Result<T, Denied>) -> Result<T, Denied> {
        if matches!(outcome, Err(Denied::Refused | Denied::Throttled)) {
            tokio::time::sleep_until(asked + DEADLINE + self.jitter()).await;
        }
        outcome
    }
}

pub(crate) fn held(held: Held) -> Denied {
    match held {
        Held::KnownWrong => Denied::Refused,
        Held::Wait => Denied::Throttled,
    }
}
