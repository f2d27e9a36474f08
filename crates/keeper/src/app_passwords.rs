//! Making app passwords, looking at them, ending them.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use authority::{
    Account, AccountId, AppPassword, AppPasswordId, AppPasswordRequest, CannotIssue, Credential, Event, Letters,
    Secret, State, Timestamp, app_password,
};

use crate::{
    FreshMandate, Issued, Keeper, Listed, Mandate, Refused, SessionInfo, Store, StoreError, Which, live_session::Around,
};

/// A new app password with its letters, which exist nowhere else.
#[derive(Debug)]
pub struct IssuedSecret {
    /// The row.
    pub password: AppPassword,
    /// Shown once.
    pub secret: Secret,
}

/// Why there is no new app password.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The rules do not allow it.
    #[error(transparent)]
    Cannot(#[from] CannotIssue),
    /// The account is gone.
    #[error("there is no such account any more")]
    NoAccount,
    /// Try later.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// All that the page of an account shows.
#[derive(Debug)]
pub struct Overview {
    /// The account.
    pub account: Account,
    /// Its app passwords with their state now, newest first.
    pub passwords: Vec<(Listed, State)>,
    /// How many recovery codes are left.
    pub recovery_codes_left: usize,
    /// Now, as the states were derived.
    pub now: Timestamp,
}

impl Keeper {
    /// Makes an app password.
    pub async fn issue(&self, mandate: &FreshMandate, request: AppPasswordRequest) -> Result<IssuedSecret, IssueError> {
        let account = self.store.account(mandate.account).await?.ok_or(IssueError::NoAccount)?;
        let (id, letters) = self.draw(|rng| (AppPasswordId::random(rng), Letters::random(rng)));
        let rules = self.policy().rules;
        let password = app_password::issue(&account, request, rules, id, self.clock.now())?;
        let keys = self.keys.in_use();
        let digest = keys.current.app_password(account.id, &letters);
        let entry = mandate.entry(
            password.created,
            Event::AppPasswordIssued {
                id,
                label: password.label.to_string(),
                app: password.app.to_string(),
                scopes: password.scopes.to_string(),
            },
        );
        match self.store.issue(&password, &digest, rules.limit, &entry).await? {
            Issued::Done => Ok(IssuedSecret { password, secret: letters.grouped() }),
            Issued::LimitReached => Err(CannotIssue::LimitReached(rules.limit).into()),
            Issued::NotAllowed => Err(CannotIssue::NoSecondFactor.into()),
        }
    }

    /// Revokes one app password. When this returns, nothing is admitted or
    /// relayed under it any more. `None` if it is not this account's or was
    /// revoked before; else how many sessions were ended.
    pub async fn revoke(&self, mandate: &Mandate, id: AppPasswordId) -> Result<Option<usize>, StoreError> {
        let Some(account) = self.store.account(mandate.account).await? else {
            return Ok(None);
        };
        // Looked up first: somebody else's id must not cut anything of anybody.
        if self.store.app_password(id).await?.is_none_or(|listed| listed.password.account != account.id) {
            return Ok(None);
        }
        let entry = mandate.entry(self.clock.now(), Event::AppPasswordRevoked { id });
        let account_id = account.id;
        let revoke = async move |store: Arc<dyn Store>| store.revoke(account_id, id, &entry).await;
        let (revoked, closed) = self.end(&account, Around::AppPassword(id), revoke).await?;
        Ok(revoked.then_some(closed))
    }

    /// Revokes all app passwords of the account, as [`Keeper::revoke`] does one.
    pub async fn revoke_all(&self, mandate: &Mandate) -> Result<Vec<AppPasswordId>, StoreError> {
        let Some(account) = self.store.account(mandate.account).await? else {
            return Ok(vec![]);
        };
        let entry = mandate.entry(self.clock.now(), Event::AllAppPasswordsRevoked);
        let account_id = account.id;
        let revoke = async move |store: Arc<dyn Store>| store.revoke_all(account_id, &entry).await;
        let (revoked, _) = self.end(&account, Around::Account, revoke).await?;
        Ok(revoked)
    }

    /// Ends live sessions of the account; returns how many. Passwords stay good.
    pub async fn end_sessions(&self, mandate: &Mandate, which: &Which) -> Result<usize, StoreError> {
        let count = self.registry.end(mandate.account, which);
        if count > 0 {
            self.store.record(&mandate.entry(self.clock.now(), Event::SessionsEnded { count })).await?;
        }
        Ok(count)
    }

    /// The app passwords that these sessions stand under, each looked up once.
    pub async fn passwords_of(
        &self,
        sessions: &[SessionInfo],
    ) -> Result<HashMap<AppPasswordId, AppPassword>, StoreError> {
        let mut found = HashMap::new();
        for session in sessions {
            if let Credential::AppPassword(id) = session.credential
                && let Entry::Vacant(place) = found.entry(id)
                && let Some(listed) = self.store.app_password(id).await?
            {
                place.insert(listed.password);
            }
        }
        Ok(found)
    }

    /// What the page of an account shows.
    pub async fn overview(&self, mandate: &Mandate) -> Result<Option<Overview>, StoreError> {
        self.write_journal().await?;
        let Some(account) = self.store.account(mandate.account).await? else {
            return Ok(None);
        };
        let now = self.clock.now();
        let listed = self.store.app_passwords(account.id).await?;
        let passwords = listed.into_iter().map(|l| (l.password.state(&account, now), l)).map(|(s, l)| (l, s)).collect();
        let recovery_codes_left = self.store.recovery_codes_left(account.id).await?;
        Ok(Some(Overview { account, passwords, recovery_codes_left, now }))
    }

    /// What was refused on this account since then, newest first: the "real
    /// reason" on the page that waits for an app.
    pub async fn refusals(&self, account: AccountId, since: Timestamp) -> Result<Vec<Refused>, StoreError> {
        self.write_journal().await?;
        self.store.refusals(account, since).await
    }
}
