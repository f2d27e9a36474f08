//! People at the portal: what they have proved, as types.
//!
//! [`Pending`] has shown the primary password and opens nothing. [`Owner`] has
//! shown both factors. A [`Mandate`] may look and take away, a [`FreshMandate`],
//! given for ten minutes after a second factor, may make and change.

use std::{net::IpAddr, time::Duration};

use authority::{
    Account, AccountId, Actor, Entry, Event, Letters, Login, PrimaryCheck, RecoveryCode, SecondFactor, Secret, Seed,
    Standing, Timestamp, UnfitPrimary, primary, second_factor::RECOVERY_CODES,
};
use tokio::time::Instant;

use crate::{
    CannotUnseal, DEADLINE, Digest, Factors, Keeper, Spent, StoreError, guesses::Held, hashing::Busy,
    live_session::Around,
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
}

impl From<StoreError> for Denied {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the portal cannot use the store");
        Self::Unavailable
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
    from: IpAddr,
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

/// Came with a set-up code: may choose all factors, once.
#[derive(Debug)]
pub struct SettingUp {
    account: Account,
    digest: Digest,
    from: IpAddr,
}

impl SettingUp {
    /// Whose account it is.
    pub fn login(&self) -> &Login {
        &self.account.login
    }
}

/// A seed that is offered and not in force yet.
#[derive(Debug)]
pub struct Proposal {
    seed: Seed,
    /// For the QR code.
    pub uri: Secret,
    /// For typing.
    pub typed: Secret,
}

/// Has shown both factors, on this account, from there.
#[derive(Clone, Debug)]
pub struct Owner {
    account: AccountId,
    login: Login,
    epoch: u64,
    from: IpAddr,
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

    /// Offers a second factor to an account that has none yet.
    pub async fn propose_second_factor(&self, pending: &Pending) -> Result<Proposal, Denied> {
        let account = self.pending_account(pending).await?;
        Ok(self.propose(&account.login))
    }

    /// Puts the proposed second factor in force, once a code shows that the app
    /// has it. The recovery codes are shown once.
    pub async fn enrol(
        &self,
        pending: &Pending,
        proposal: &Proposal,
        code: &str,
    ) -> Result<(Owner, Vec<Secret>), Denied> {
        let account = self.pending_account(pending).await?;
        let second_factor = self.second_factor(account.id, proposal, code)?;
        let (codes, digests) = self.recovery_codes(account.id);
        let mandate = Mandate { account: account.id, actor: Actor::Owner { from: pending.from } };
        let entry = mandate.entry(self.clock.now(), Event::SecondFactorEnrolled);
        // From now on the cutoff applies to this account: what its primary
        // password has opened at a door while observing is over.
        let fence = self.registry.fence(account.id, Around::Account);
        let done = self.store.enrol(account.id, &second_factor, &digests, &entry).await;
        self.cache.forget(&account);
        drop(fence);
        if !done? {
            return Err(Denied::Over);
        }
        let account = self.store.account(account.id).await?.ok_or(Denied::Over)?;
        Ok((self.owner(&account, pending.from), codes))
    }

    /// A login and its one-time code on the set-up page.
    pub async fn begin_set_up(&self, login: &str, code: &str, from: IpAddr) -> Result<SettingUp, Denied> {
        let asked = Instant::now();
        let outcome = self.try_begin_set_up(login, code, from).await;
        self.at_deadline(asked, outcome).await
    }

    async fn try_begin_set_up(&self, login: &str, code: &str, from: IpAddr) -> Result<SettingUp, Denied> {
        let login = Login::from_client(login, &self.site.domain).map_err(|_| Denied::Refused)?;
        let code = RecoveryCode::parse(code).ok_or(Denied::Refused)?;
        let account = self.store.account_by_login(&login).await?;
        let id = account.as_ref().map_or_else(|| self.keys.nobody(&login), |account| account.id);
        let now = self.clock.now();
        let tag = self.keys.guess(id, code.grouped().expose());
        let guess = self.code_guesses.ask(id, from, tag, now).map_err(held)?;
        let digest = self.keys.set_up_code(id, &code);
        match self.store.set_up_is_open(id, &digest, now).await {
            Ok(true) => guess.succeeded(),
            Ok(false) => return Err(Denied::Refused),
            Err(error) => {
                guess.withdraw();
                return Err(error.into());
            }
        }
        let account = account.ok_or(Denied::Refused)?;
        Ok(SettingUp { account, digest, from })
    }

    /// A second factor for the account that is being set up.
    pub fn propose_for_set_up(&self, setting_up: &SettingUp) -> Proposal {
        self.propose(&setting_up.account.login)
    }

    /// Sets the factors; the set-up code is spent. The recovery codes are shown once.
    pub async fn set_up(
        &self,
        setting_up: &SettingUp,
        new_primary: &Secret,
        proposal: &Proposal,
        code: &str,
    ) -> Result<(Owner, Vec<Secret>), Denied> {
        let account = &setting_up.account;
        primary::check(new_primary, &account.login)?;
        let second_factor = self.second_factor(account.id, proposal, code)?;
        let primary = self.hash(new_primary).await?;
        let (codes, recovery) = self.recovery_codes(account.id);
        let factors = Factors { primary, second_factor, recovery };
        let mandate = Mandate { account: account.id, actor: Actor::Owner { from: setting_up.from } };
        let entry = mandate.entry(self.clock.now(), Event::AccountSetUp);
        let fence = self.registry.fence(account.id, Around::Account);
        let done = self.store.set_up(account.id, &setting_up.digest, &factors, &entry).await;
        self.cache.forget(account);
        drop(fence);
        if !done? {
            return Err(Denied::Over);
        }
        self.primary_guesses.forget(account.id);
        let account = self.store.account(account.id).await?.ok_or(Denied::Over)?;
        Ok((self.owner(&account, setting_up.from), codes))
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
        let primary = self.hash(new).await?;
        let entry = mandate.entry(self.clock.now(), Event::PrimaryPasswordChanged);
        let fence = self.registry.fence(account.id, Around::Account);
        let done = self.store.change_primary(account.id, &primary, &entry).await;
        self.cache.forget(&account);
        drop(fence);
        done?.ok_or(Denied::Over)?;
        self.primary_guesses.forget(account.id);
        let account = self.store.account(account.id).await?.ok_or(Denied::Over)?;
        Ok(Owner { epoch: account.epoch, ..owner.clone() })
    }

    /// New recovery codes; the old ones are void. Shown once.
    pub async fn renew_recovery_codes(&self, mandate: &FreshMandate) -> Result<Vec<Secret>, Denied> {
        let (codes, digests) = self.recovery_codes(mandate.account);
        let entry = mandate.entry(self.clock.now(), Event::RecoveryCodesRenewed);
        match self.store.renew_recovery_codes(mandate.account, &digests, &entry).await? {
            true => Ok(codes),
            false => Err(Denied::Over),
        }
    }

    fn owner(&self, account: &Account, from: IpAddr) -> Owner {
        Owner {
            account: account.id,
            login: account.login.clone(),
            epoch: account.epoch,
            from,
            factor_shown: self.clock.now(),
        }
    }

    async fn pending_account(&self, pending: &Pending) -> Result<Account, Denied> {
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
        let tag = self.keys.guess(account.id, code.trim());
        let guess = self.code_guesses.ask(account.id, from, tag, now).map_err(held)?;
        let mandate = Mandate { account: account.id, actor: Actor::Owner { from } };
        let seed = self.keys.unseal(account.id, &factor.seed)?;
        let (spent, event) = if let Some(step) = seed.step_of(code, now, factor.last_step) {
            (Spent::Step(step), event)
        } else if let Some(code) = RecoveryCode::parse(code) {
            (Spent::RecoveryCode(self.keys.recovery_code(account.id, &code)), Event::RecoveryCodeUsed)
        } else {
            return Err(Denied::Refused);
        };
        match self.store.spend(account.id, spent, &mandate.entry(now, event)).await {
            Ok(true) => {
                guess.succeeded();
                // The step that was accepted last is part of the cached account.
                self.cache.forget(account);
                Ok(())
            }
            Ok(false) => Err(Denied::Refused),
            Err(error) => {
                guess.withdraw();
                Err(error.into())
            }
        }
    }

    fn propose(&self, login: &Login) -> Proposal {
        let seed = self.draw(Seed::random);
        Proposal { uri: seed.uri(login, &self.site.issuer), typed: seed.typed(), seed }
    }

    fn second_factor(&self, account: AccountId, proposal: &Proposal, code: &str) -> Result<SecondFactor, Denied> {
        let step = proposal.seed.step_of(code, self.clock.now(), 0).ok_or(Denied::Refused)?;
        let seed = self.draw(|rng| self.keys.seal(account, &proposal.seed, rng));
        Ok(SecondFactor { seed, last_step: step })
    }

    pub(crate) fn recovery_codes(&self, account: AccountId) -> (Vec<Secret>, Vec<Digest>) {
        let codes = self.draw(|rng| (0..RECOVERY_CODES).map(|_| RecoveryCode::random(rng)).collect::<Vec<_>>());
        codes.iter().map(|code| (code.grouped(), self.keys.recovery_code(account, code))).unzip()
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
    async fn at_deadline<T>(&self, asked: Instant, outcome: Result<T, Denied>) -> Result<T, Denied> {
        if matches!(outcome, Err(Denied::Refused | Denied::Throttled)) {
            tokio::time::sleep_until(asked + DEADLINE + self.jitter()).await;
        }
        outcome
    }
}

fn held(held: Held) -> Denied {
    match held {
        Held::KnownWrong => Denied::Refused,
        Held::Wait => Denied::Throttled,
    }
}
