//! Choosing factors: an owner's first ones, with a one-time code, and a second
//! factor for an account that has none yet.

use std::{net::IpAddr, sync::Arc};

use authority::{
    Account, AccountId, Actor, ChosenBy, Event, Login, Primary, RecoveryCode, SecondFactor, Secret, Seed, Standing,
    primary, second_factor::RECOVERY_CODES,
};
use tokio::time::Instant;

use crate::{
    Denied, Digest, Factors, FreshMandate, Keeper, Keys, Mandate, Owner, Pending, Store, live_session::Around,
    owner::held,
};

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

impl Keeper {
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
        let keys = self.keys.in_use();
        let second_factor = self.second_factor(&keys, account.id, proposal, code)?;
        let (codes, digests) = self.recovery_codes(&keys, account.id);
        let mandate = Mandate { account: account.id, actor: Actor::Owner { from: pending.from } };
        let entry = mandate.entry(self.clock.now(), Event::SecondFactorEnrolled);
        // From now on the cutoff applies to this account: what its primary
        // password has opened at a door while observing is over.
        let id = account.id;
        let enrol = async move |store: Arc<dyn Store>| {
            let _in_hand = keys;
            store.enrol(id, &second_factor, &digests, &entry).await
        };
        let (enrolled, _) = self.end(&account, Around::Account, enrol).await?;
        if enrolled { Ok((self.next_owner(&account, pending.from), codes)) } else { Err(Denied::Over) }
    }

    /// Offers a second factor in the place of the one that is there, which stays
    /// in force until [`Keeper::replace_second_factor`].
    pub fn propose_another(&self, owner: &Owner, _: &FreshMandate) -> Proposal {
        self.propose(owner.login())
    }

    /// Puts the proposed second factor in the place of the one that is there,
    /// once a code shows that the app has it. The old one, its recovery codes
    /// and whoever is signed in with them are out; app passwords go on.
    pub async fn replace_second_factor(
        &self,
        owner: &Owner,
        mandate: &FreshMandate,
        proposal: &Proposal,
        code: &str,
    ) -> Result<(Owner, Vec<Secret>), Denied> {
        let account = self.confirm(owner).await?;
        if mandate.account != account.id {
            return Err(Denied::Over);
        }
        let keys = self.keys.in_use();
        let second_factor = self.second_factor(&keys, account.id, proposal, code)?;
        let (codes, digests) = self.recovery_codes(&keys, account.id);
        let entry = mandate.entry(self.clock.now(), Event::SecondFactorReplaced);
        // No fence: what is admitted at the doors does not stand on which one it is.
        match self.store.replace_second_factor(account.id, account.epoch, &second_factor, &digests, &entry).await? {
            true => Ok((self.next_owner(&account, owner.from), codes)),
            false => Err(Denied::Over),
        }
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
        let keys = self.keys.in_use();
        let id = account.as_ref().map_or_else(|| keys.current.nobody(&login), |account| account.id);
        let now = self.clock.now();
        let tag = keys.current.guess(id, code.grouped().expose());
        let guess = self.code_guesses.ask(id, from, tag, now).map_err(held)?;
        let mut open = None;
        for digest in keys.good(now).map(|key| key.set_up_code(id, &code)) {
            if self.store.set_up_is_open(id, &digest, now).await? {
                open = Some(digest);
                break;
            }
        }
        let Some(digest) = open else {
            guess.failed(now);
            return Err(Denied::Refused);
        };
        guess.succeeded();
        let account = account.filter(|account| account.standing == Standing::Active).ok_or(Denied::Refused)?;
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
        let primary = Primary { hash: self.hash(new_primary).await?, chosen_by: ChosenBy::Owner };
        let keys = self.keys.in_use();
        let second_factor = self.second_factor(&keys, account.id, proposal, code)?;
        let (codes, recovery) = self.recovery_codes(&keys, account.id);
        let factors = Factors { primary, second_factor, recovery };
        let mandate = Mandate { account: account.id, actor: Actor::Owner { from: setting_up.from } };
        let entry = mandate.entry(self.clock.now(), Event::AccountSetUp);
        // What was wrong may be the right one from now on.
        self.primary_guesses.forget(account.id);
        let (id, digest) = (account.id, setting_up.digest);
        let set_up = async move |store: Arc<dyn Store>| {
            let _in_hand = keys;
            store.set_up(id, &digest, &factors, &entry).await
        };
        let (done, _) = self.end(account, Around::Account, set_up).await?;
        if done { Ok((self.next_owner(account, setting_up.from), codes)) } else { Err(Denied::Over) }
    }

    fn propose(&self, login: &Login) -> Proposal {
        let seed = self.draw(Seed::random);
        Proposal { uri: seed.uri(login, &self.site.issuer), typed: seed.typed(), seed }
    }

    fn second_factor(
        &self,
        keys: &Keys,
        account: AccountId,
        proposal: &Proposal,
        code: &str,
    ) -> Result<SecondFactor, Denied> {
        let step = proposal.seed.step_of(code, self.clock.now(), 0).ok_or(Denied::Refused)?;
        let seed = self.draw(|rng| keys.current.seal(account, &proposal.seed, rng));
        Ok(SecondFactor { seed, last_step: step, chosen_by: ChosenBy::Owner })
    }

    pub(crate) fn recovery_codes(&self, keys: &Keys, account: AccountId) -> (Vec<Secret>, Vec<Digest>) {
        let codes = self.draw(|rng| (0..RECOVERY_CODES).map(|_| RecoveryCode::random(rng)).collect::<Vec<_>>());
        codes.iter().map(|code| (code.grouped(), keys.current.recovery_code(account, code))).unzip()
    }

    /// The owner once this change of factors is made: the epoch has moved on by
    /// one. If something else moved it as well, the owner signs in again.
    fn next_owner(&self, account: &Account, from: IpAddr) -> Owner {
        self.owner(&Account { epoch: account.epoch + 1, ..account.clone() }, from)
    }
}
