//! What is left under a server key whose time has come. It is refused from then
//! on, and lists must not say otherwise: who counts on a recovery code that is
//! void stands before a closed door on the worst of days.

use std::{collections::HashSet, sync::Arc};

use authority::{AccountId, Actor, Entry, Event, Timestamp};

use crate::{Keeper, Listed, Store, StoreError, live_session::Around};

/// So many lines of audit are read at once.
const PAGE: u64 = 1000;

/// What the log says of the time since a rotation.
struct Since {
    rotated: Timestamp,
    /// Whose recovery codes are newer than that.
    renewed: HashSet<AccountId>,
}

impl Keeper {
    /// Revokes the app passwords that were not used since the rotation whose old
    /// key is good until then, and voids the recovery codes from before it.
    pub(crate) async fn end_what_is_left(&self, until: Timestamp) -> Result<(), StoreError> {
        self.write_journal().await?;
        // Read before the log: codes that somebody makes meanwhile are not among them.
        let mut left = vec![];
        for account in self.store.accounts().await? {
            let codes = self.store.recovery_codes(account.id).await?;
            left.push((account, codes));
        }
        // Where a backup from before it was restored, nobody knows.
        let Some(since) = self.since_rotation(until).await? else { return Ok(()) };
        for (account, codes) in left {
            let entry = |event| Entry { at: self.clock.now(), actor: Actor::Postern, account: Some(account.id), event };
            if !codes.is_empty() && !since.renewed.contains(&account.id) {
                self.store.void_recovery_codes(account.id, &codes, &entry(Event::RecoveryCodesVoided)).await?;
            }
            for listed in self.store.app_passwords(account.id).await? {
                if !is_left(&listed, since.rotated, self.clock.now()) {
                    continue;
                }
                let (owner, id) = (account.id, listed.password.id);
                let entry = entry(Event::AppPasswordRevoked { id });
                let revoke = async move |store: Arc<dyn Store>| store.revoke(owner, id, &entry).await;
                self.end(&account, Around::AppPassword(id), revoke).await?;
            }
        }
        Ok(())
    }

    /// Reads the log backwards to the line of that rotation.
    async fn since_rotation(&self, until: Timestamp) -> Result<Option<Since>, StoreError> {
        let mut renewed = HashSet::new();
        let mut end = self.audit_lines().await?;
        while end > 0 {
            let begin = end.saturating_sub(PAGE);
            let page = self.store.audit(begin, usize::try_from(end - begin).unwrap_or(usize::MAX)).await?;
            for line in page.iter().rev() {
                let Some(Entry { at: rotated, account, event, .. }) = Entry::from_text(&line.text) else { continue };
                match event {
                    Event::ServerKeyRotated { old_key_until } if old_key_until == until => {
                        return Ok(Some(Since { rotated, renewed }));
                    }
                    Event::AccountAdded { .. }
                    | Event::AccountSetUp
                    | Event::SecondFactorEnrolled
                    | Event::SecondFactorReplaced
                    | Event::RecoveryCodesRenewed => renewed.extend(account),
                    _ => {}
                }
            }
            end = begin;
        }
        Ok(None)
    }

    /// How many lines there are: asked for by halving, since each has its number.
    async fn audit_lines(&self) -> Result<u64, StoreError> {
        let (mut there, mut beyond) = (0, 1);
        while !self.store.audit(beyond - 1, 1).await?.is_empty() {
            (there, beyond) = (beyond, beyond * 2);
        }
        while beyond - there > 1 {
            let middle = there + (beyond - there) / 2;
            match self.store.audit(middle - 1, 1).await?.is_empty() {
                true => beyond = middle,
                false => there = middle,
            }
        }
        Ok(there)
    }
}

/// True if it is alive, and was not filed under the newer key: that happens as it is used.
fn is_left(Listed { password, uses }: &Listed, rotated: Timestamp, now: Timestamp) -> bool {
    let is_alive = password.revoked.is_none() && !password.is_over(now);
    is_alive && password.created < rotated && uses.iter().all(|used| used.at < rotated)
}
