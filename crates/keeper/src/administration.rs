//! What an administrator does from the command line.

use std::{path::Path, sync::Arc, time::Duration};

use authority::{
    Account, AccountId, Actor, ChosenBy, Entry, Event, Login, Primary, RecoveryCode, SealedEntry, SecondFactor, Secret,
    Seed, Standing, Timestamp, UnfitPrimary,
    audit::{Broken, FactorsBy, Seal, Verifier},
    primary,
};

use crate::{
    Added, Digest, FreshMandate, Keeper, Keys, Mandate, NewAccount, SetUpOffer, Store, StoreError, hashing::Busy,
    live_session::Around,
};

/// A set-up code is good this long.
const SET_UP: Duration = Duration::from_secs(86400);

/// Why an act of administration was not done.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// No account has this login.
    #[error("there is no account {0}: see `postern account list`")]
    NoAccount(Login),
    /// Somebody has this login.
    #[error("{0} belongs to an account already: choose another, or remove that one first")]
    LoginTaken(Login),
    /// It is no person's.
    #[error("{0} is Postern's own, which tries whether anything lets it in: see `postern doctor`")]
    Canary(Login),
    /// It is so already.
    #[error("{0} is {1} already")]
    Already(Login, &'static str),
    /// The primary password will not do.
    #[error(transparent)]
    Unfit(#[from] UnfitPrimary),
    /// As many hashes as allowed are waiting.
    #[error("too many sign-ins are being checked right now: try again in a minute")]
    Busy,
    /// Try later.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Busy> for AdminError {
    fn from(_: Busy) -> Self {
        Self::Busy
    }
}

/// An account to be made.
#[derive(Debug)]
pub struct AddAccount {
    /// Its canonical login.
    pub login: Login,
    /// Other names.
    pub aliases: Vec<Login>,
    /// A primary password chosen for its owner; none: the owner chooses it
    /// with a set-up code.
    pub primary: Option<Secret>,
    /// Whether to make a second factor for the owner as well.
    pub totp: bool,
}

/// An account that was made.
#[derive(Debug)]
pub struct AccountAdded {
    /// Stable for good.
    pub id: AccountId,
    /// Its canonical login.
    pub login: Login,
    /// For the authenticator app, if a second factor was asked for. Shown once.
    pub totp_uri: Option<Secret>,
    /// Shown once; empty without a second factor.
    pub recovery_codes: Vec<Secret>,
    /// If the owner is to choose.
    pub set_up: Option<SetUpCode>,
}

/// A one-time code for the set-up page. Shown once.
#[derive(Debug)]
pub struct SetUpCode {
    /// Typed into the page together with the login.
    pub code: Secret,
    /// Good until then.
    pub expires: Timestamp,
}

/// What walking the audit chain found.
#[derive(Debug)]
pub enum AuditVerdict {
    /// Whole: so many lines, and the last seal, to be kept elsewhere.
    Whole {
        /// How many.
        lines: u64,
        /// The newest seal.
        head: Seal,
    },
    /// Not whole.
    Broken(Broken),
}

impl Keeper {
    /// Lets somebody with this uid act on an account.
    pub async fn administer(&self, uid: u32, login: &Login) -> Result<(Account, FreshMandate), AdminError> {
        let account = self.store.account_by_login(login).await?.ok_or_else(|| AdminError::NoAccount(login.clone()))?;
        if self.site.is_canary(&account.login) {
            return Err(AdminError::Canary(account.login));
        }
        let mandate = Mandate { account: account.id, actor: Actor::Administrator { uid } };
        Ok((account, FreshMandate(mandate)))
    }

    /// All people's accounts, by login.
    pub async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        let mut accounts = self.store.accounts().await?;
        accounts.retain(|account| !self.site.is_canary(&account.login));
        Ok(accounts)
    }

    /// Whose app password this is: for commands that name only the id.
    pub async fn account_of(&self, id: authority::AppPasswordId) -> Result<Option<Account>, StoreError> {
        match self.store.app_password(id).await? {
            Some(listed) => self.store.account(listed.password.account).await,
            None => Ok(None),
        }
    }

    /// Logs that somebody takes a copy of everything.
    pub async fn record_backup(&self, uid: u32) -> Result<(), StoreError> {
        let actor = Actor::Administrator { uid };
        self.store.record(&Entry { at: self.clock.now(), actor, account: None, event: Event::BackupMade }).await
    }

    /// Writes everything into a new SQLite database.
    pub async fn back_up(&self, to: &Path) -> Result<(), StoreError> {
        self.write_journal().await?;
        self.store.back_up(to).await
    }

    /// Makes an account.
    pub async fn add_account(&self, uid: u32, request: AddAccount) -> Result<AccountAdded, AdminError> {
        let AddAccount { login, aliases, primary, totp } = request;
        if let Some(canary) = aliases.iter().chain([&login]).find(|login| self.site.is_canary(login)) {
            return Err(AdminError::Canary(canary.clone()));
        }
        let now = self.clock.now();
        let id = self.draw(AccountId::random);
        if let Some(secret) = &primary {
            primary::check(secret, &login)?;
        }
        let hash = match &primary {
            Some(secret) => Some(Primary { hash: self.hash(secret).await?, chosen_by: ChosenBy::Administrator }),
            None => None,
        };
        let keys = self.keys.in_use();
        let seed = totp.then(|| self.draw(Seed::random));
        let second_factor = seed.as_ref().map(|seed| SecondFactor {
            seed: self.draw(|rng| keys.current.seal(id, seed, rng)),
            last_step: 0,
            chosen_by: ChosenBy::Administrator,
        });
        let (recovery_codes, recovery) = if totp { self.recovery_codes(&keys, id) } else { Default::default() };
        let (factors, set_up) = match primary {
            Some(_) => (FactorsBy::Administrator, None),
            None => (FactorsBy::Owner, Some(self.set_up_code(&keys, id))),
        };
        let (set_up, offer) = set_up.unzip();
        let account = Account {
            id,
            login: login.clone(),
            aliases,
            standing: Standing::Active,
            primary: hash,
            second_factor,
            created: now,
            epoch: 0,
        };
        let totp_uri = seed.map(|seed| seed.uri(&login, &self.site.issuer));
        let entry = Entry {
            at: now,
            actor: Actor::Administrator { uid },
            account: Some(id),
            event: Event::AccountAdded { login: login.to_string(), factors },
        };
        let new = NewAccount { account, recovery, set_up: offer };
        match self.store.add_account(&new, &entry).await? {
            Added::Done => {}
            Added::LoginTaken(taken) => return Err(AdminError::LoginTaken(taken)),
        }
        // The login may have been looked up, in vain, a moment ago.
        self.cache.forget(&new.account);
        Ok(AccountAdded { id, login, totp_uri, recovery_codes, set_up })
    }

    /// Suspends or resumes an account. Suspended, its sessions are over.
    pub async fn set_standing(
        &self,
        account: &Account,
        mandate: &FreshMandate,
        standing: Standing,
    ) -> Result<(), AdminError> {
        let (event, word) = match standing {
            Standing::Active => (Event::AccountResumed, "active"),
            Standing::Suspended => (Event::AccountSuspended, "suspended"),
        };
        // Sessions are not cut for what is so already.
        let current = self.store.account(account.id).await?;
        if current.is_none_or(|current| current.standing == standing) {
            return Err(AdminError::Already(account.login.clone(), word));
        }
        let entry = mandate.entry(self.clock.now(), event);
        let id = account.id;
        let change = async move |store: Arc<dyn Store>| store.set_standing(id, standing, &entry).await;
        let (changed, _) = self.end(account, Around::Account, change).await?;
        if changed { Ok(()) } else { Err(AdminError::Already(account.login.clone(), word)) }
    }

    /// Takes all factors away, revokes all app passwords, and offers a new set-up.
    pub async fn reset(&self, account: &Account, mandate: &FreshMandate) -> Result<SetUpCode, AdminError> {
        let keys = self.keys.in_use();
        let (code, offer) = self.set_up_code(&keys, account.id);
        let entry = mandate.entry(self.clock.now(), Event::AccountReset);
        let id = account.id;
        let reset = async move |store: Arc<dyn Store>| {
            let _in_hand = keys;
            store.reset(id, &offer, &entry).await
        };
        let (revoked, _) = self.end(account, Around::Account, reset).await?;
        revoked.ok_or_else(|| AdminError::NoAccount(account.login.clone()))?;
        self.primary_guesses.forget(account.id);
        self.code_guesses.forget(account.id);
        Ok(code)
    }

    /// Removes an account and all that belongs to it.
    pub async fn remove_account(&self, account: &Account, mandate: &FreshMandate) -> Result<(), AdminError> {
        let entry = mandate.entry(self.clock.now(), Event::AccountRemoved { login: account.login.to_string() });
        let id = account.id;
        let remove = async move |store: Arc<dyn Store>| store.remove_account(id, &entry).await;
        let (removed, _) = self.end(account, Around::Account, remove).await?;
        if removed { Ok(()) } else { Err(AdminError::NoAccount(account.login.clone())) }
    }

    /// Lines of audit behind `after`, at most `limit`.
    pub async fn audit(&self, after: u64, limit: usize) -> Result<Vec<SealedEntry>, StoreError> {
        self.store.audit(after, limit).await
    }

    /// Walks the whole chain.
    pub async fn verify_audit(&self) -> Result<AuditVerdict, StoreError> {
        // A copy: a long walk must not hold a rotation up.
        let key = self.keys.in_use().audit().clone();
        let mut verifier = Verifier::new(&key);
        loop {
            let (lines, head) = verifier.head();
            let page = self.store.audit(lines, 1000).await?;
            if page.is_empty() {
                return Ok(AuditVerdict::Whole { lines, head });
            }
            for line in &page {
                if let Err(broken) = verifier.check(line) {
                    return Ok(AuditVerdict::Broken(broken));
                }
            }
        }
    }

    fn set_up_code(&self, keys: &Keys, account: AccountId) -> (SetUpCode, SetUpOffer) {
        let code = self.draw(RecoveryCode::random);
        let expires = self.clock.now().plus(SET_UP);
        let digest: Digest = keys.current.set_up_code(account, &code);
        (SetUpCode { code: code.grouped(), expires }, SetUpOffer { digest, expires })
    }
}
