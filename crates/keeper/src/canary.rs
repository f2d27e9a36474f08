//! The canary: an account of Postern's own, whose secrets are tried wherever
//! somebody could sign in. They must be refused everywhere; a yes is a back door.
//!
//! Nobody can be the canary. Its primary password and its app passwords are made
//! anew by each process and kept in its memory only; the seed of its second factor
//! is forgotten where it is made. No command and no page acts on it, and its login
//! is not given to anybody else.

use std::sync::Arc;

use authority::{
    Account, AccountId, Actor, AppName, AppPasswordRequest, ChosenBy, Client, Door, Entry, Event, Label, LockMode,
    Login, Networks, Primary, Protocol, Scope, Scopes, SecondFactor, Secret, Seed, Standing, Timestamp,
    audit::FactorsBy,
};
use rand_core::Rng;

use crate::{
    Added, AdminError, FreshMandate, IssueError, Keeper, Mandate, NewAccount, SignIn, SignInAttempt, Site, Store,
    StoreError, live_session::Around,
};

/// The name in front of the site's domain.
const NAME: &str = "postern-canary";

/// What the canary is tried with. None of them opens anything.
#[derive(Debug)]
pub struct CanarySecrets {
    /// Its login.
    pub login: Login,
    /// Its primary password, which no app may use.
    pub primary: Secret,
    /// An app password that was revoked.
    pub revoked: Secret,
    /// An app password in use, for a scope that no door asks for.
    pub wrong_scope: Secret,
}

/// Why the canary is not out.
#[derive(Debug, thiserror::Error)]
pub enum CanaryError {
    /// The account cannot be made, or its password not hashed right now.
    #[error(transparent)]
    Account(#[from] AdminError),
    /// Its app passwords cannot be made.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// Try later.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A refusal elsewhere would prove nothing.
    #[error("the canary's own password is refused where it should be good; restart Postern, which makes it anew")]
    NotAlive,
}

impl Site {
    /// The canary's login, which is nobody else's.
    pub(crate) fn canary(&self) -> Option<Login> {
        Login::parse(&format!("{NAME}@{}", self.domain)).ok()
    }

    pub(crate) fn is_canary(&self, login: &Login) -> bool {
        self.canary().is_some_and(|canary| canary == *login)
    }
}

impl Keeper {
    /// Makes the canary's account if there is none, and new secrets for it. From
    /// now on its refusals are neither counted nor kept.
    pub async fn release_canary(&self) -> Result<CanarySecrets, CanaryError> {
        let login = self.site.canary().ok_or(CanaryError::NotAlive)?;
        let primary = Secret::new(self.draw(|rng| {
            let mut octets = [0; 24];
            rng.fill_bytes(&mut octets);
            octets.map(|octet| format!("{octet:02x}")).concat()
        }));
        let hashed = Primary { hash: self.hash(&primary).await.map_err(AdminError::from)?, chosen_by: ChosenBy::Owner };
        let account = match self.store.account_by_login(&login).await? {
            Some(account) => self.renew(account, hashed).await?,
            None => self.make(&login, hashed).await?,
        };
        let _ = self.canary.set(account.id);

        let mandate = FreshMandate(Mandate { account: account.id, actor: Actor::Postern });
        let revoked = self.issue(&mandate, request("Revoked")?).await?;
        let _closed = self.revoke(&mandate, revoked.password.id).await?;
        let wrong_scope = self.issue(&mandate, request("For nothing")?).await?;
        let secrets = CanarySecrets { login, primary, revoked: revoked.secret, wrong_scope: wrong_scope.secret };
        self.is_alive(&secrets).await?;
        Ok(secrets)
    }

    /// Signs the canary in where its password is good, at a door that is nowhere:
    /// were it dead, all would refuse it, and that would prove nothing.
    pub async fn is_alive(&self, secrets: &CanarySecrets) -> Result<(), CanaryError> {
        let door = Door { name: Arc::from(NAME), protocol: Protocol::Http, needs: nothing().into() };
        let attempt = SignInAttempt {
            login: secrets.login.as_str(),
            acting_as: None,
            secret: &secrets.wrong_scope,
            door: &door,
            from: [127, 0, 0, 1].into(),
            client: Client::Unseen,
        };
        match self.sign_in(attempt).await {
            SignIn::Admitted(..) => Ok(()),
            _ => Err(CanaryError::NotAlive),
        }
    }

    /// Writes down that some place has let the canary in, or does so no longer.
    pub async fn record_canary(&self, event: Event) -> Result<(), StoreError> {
        let account = self.canary.get().copied();
        self.store.record(&Entry { at: self.clock.now(), actor: Actor::Postern, account, event }).await
    }

    async fn make(&self, login: &Login, primary: Primary) -> Result<Account, CanaryError> {
        let (now, id) = (self.clock.now(), self.draw(AccountId::random));
        let keys = self.keys.in_use();
        let seed = self.draw(Seed::random);
        let second_factor = SecondFactor {
            seed: self.draw(|rng| keys.current.seal(id, &seed, rng)),
            last_step: 0,
            chosen_by: ChosenBy::Owner,
        };
        let account = Account {
            id,
            login: login.clone(),
            aliases: vec![],
            standing: Standing::Active,
            primary: Some(primary),
            second_factor: Some(second_factor),
            created: now,
            epoch: 0,
        };
        let event = Event::AccountAdded { login: login.to_string(), factors: FactorsBy::Postern };
        let entry = postern(now, id, event);
        let new = NewAccount { account, recovery: vec![], set_up: None };
        match self.store.add_account(&new, &entry).await? {
            Added::Done => {}
            Added::LoginTaken(taken) => return Err(AdminError::LoginTaken(taken).into()),
        }
        self.cache.forget(&new.account);
        Ok(new.account)
    }

    /// What it had is void: a new primary password revokes its app passwords.
    async fn renew(&self, account: Account, primary: Primary) -> Result<Account, CanaryError> {
        let (id, now) = (account.id, self.clock.now());
        // As all are whose file of revocations is lost.
        if account.standing == Standing::Suspended {
            let entry = postern(now, id, Event::AccountResumed);
            let resume = async move |store: Arc<dyn Store>| store.set_standing(id, Standing::Active, &entry).await;
            self.end(&account, Around::Account, resume).await?;
        }
        let account = self.store.account(id).await?.ok_or(CanaryError::NotAlive)?;
        let (epoch, entry) = (account.epoch, postern(now, id, Event::PrimaryPasswordChanged));
        let change = async move |store: Arc<dyn Store>| store.change_primary(id, epoch, &primary, &entry).await;
        self.end(&account, Around::Account, change).await?;
        Ok(account)
    }
}

fn postern(at: Timestamp, account: AccountId, event: Event) -> Entry {
    Entry { at, actor: Actor::Postern, account: Some(account), event }
}

/// The scope that nothing but the canary's own door asks for.
fn nothing() -> Scopes {
    [Scope::Custom(NAME.into())].into_iter().collect()
}

fn request(label: &str) -> Result<AppPasswordRequest, CanaryError> {
    let (label, app) = match (Label::parse(label), AppName::parse(NAME)) {
        (Ok(label), Ok(app)) => (label, app),
        _ => return Err(CanaryError::NotAlive),
    };
    let (networks, lock) = (Networks::default(), LockMode::Off);
    Ok(AppPasswordRequest { label, app, scopes: nothing(), networks, expires_in: None, lock })
}
