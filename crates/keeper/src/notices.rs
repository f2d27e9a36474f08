//! Notices to owners, with what they need to be told in words.

use authority::{AppPasswordId, Event, Login, Timestamp};

use crate::{Keeper, Mandate, Notice, StoreError};

/// A notice, and what it is about besides.
#[derive(Clone, Debug)]
pub struct Told {
    /// The notice.
    pub notice: Notice,
    /// The app password, where it is about one.
    pub password: Option<AboutPassword>,
}

/// An app password as a notice names it.
#[derive(Clone, Debug)]
pub struct AboutPassword {
    /// Which.
    pub id: AppPasswordId,
    /// The owner's name for it.
    pub label: String,
    /// The app that it was made for, by its proper name.
    pub app: String,
    /// True if there is nothing left to revoke.
    pub is_over: bool,
}

impl Keeper {
    /// What an owner has not dismissed, newest first.
    pub async fn notices(&self, mandate: &Mandate) -> Result<Vec<Told>, StoreError> {
        let mut told = vec![];
        for notice in self.store.notices_of(mandate.account).await? {
            told.push(self.in_words(notice).await?);
        }
        Ok(told)
    }

    /// The owner has seen it. False if there is none with this number, or it was
    /// dismissed before.
    pub async fn dismiss_notice(&self, mandate: &Mandate, seq: u64) -> Result<bool, StoreError> {
        self.store.dismiss_notice(mandate.account, seq).await
    }

    /// Mails that are to be sent by now, with the address of each.
    pub async fn due_notices(&self, limit: usize) -> Result<Vec<(Login, Told)>, StoreError> {
        // Another server sends them then.
        self.is_at_work()?;
        let mut due = vec![];
        for notice in self.store.due_notices(self.clock.now(), limit).await? {
            match self.store.account(notice.account).await? {
                Some(account) if !self.site.is_canary(&account.login) => {
                    due.push((account.login, self.in_words(notice).await?));
                }
                // Nobody reads the canary's mail.
                Some(_) => self.notice_settled(&notice).await?,
                // Its notices go with the account.
                None => {}
            }
        }
        Ok(due)
    }

    /// How many mails wait to be sent.
    pub async fn notices_waiting(&self) -> Result<u64, StoreError> {
        self.store.notices_waiting().await
    }

    /// Its mail was sent, or is not tried any more.
    pub async fn notice_settled(&self, notice: &Notice) -> Result<(), StoreError> {
        self.store.notice_settled(notice.account, notice.seq).await
    }

    /// Its mail could not be sent, and is due again then.
    pub async fn notice_failed(&self, notice: &Notice, next_try: Timestamp) -> Result<(), StoreError> {
        self.store.notice_failed(notice.account, notice.seq, next_try).await
    }

    async fn in_words(&self, notice: Notice) -> Result<Told, StoreError> {
        let listed = match about(&notice.entry.event) {
            Some(id) => self.store.app_password(id).await?,
            None => None,
        };
        let password = listed.map(|listed| listed.password).map(|password| AboutPassword {
            id: password.id,
            label: password.label.to_string(),
            app: self.apps().shown(&password.app).to_owned(),
            is_over: password.revoked.is_some() || password.is_over(self.clock.now()),
        });
        Ok(Told { notice, password })
    }
}

/// The app password of an event that owners are told of.
fn about(event: &Event) -> Option<AppPasswordId> {
    match event {
        Event::AppPasswordIssued { id, .. }
        | Event::AppPasswordFirstUsed { id }
        | Event::AppPasswordRevoked { id }
        | Event::AppLockRefused { id, .. }
        | Event::AppLockWatched { id, .. }
        | Event::AppLockDrifted { id, .. }
        | Event::AppAllowed { id, .. }
        | Event::AppLockRelearn { id } => Some(*id),
        _ => None,
    }
}
