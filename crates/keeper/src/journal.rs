//! Routine uses and refusals, gathered and written about once a second: a flood
//! costs a counter, not a row.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use authority::{AccountId, AppPasswordId, Reason, Refusal, Timestamp, Use};

use crate::{Refused, Store, StoreError};

/// So many different lines wait at most. More come only from more accounts than
/// that being tried within a second; then counts are lost, not sign-ins.
const LINES: usize = 50_000;

type RefusalKey = (Option<AccountId>, Option<AppPasswordId>, Arc<str>, Reason);

#[derive(Default)]
struct Pages {
    uses: HashMap<(AppPasswordId, Arc<str>), (Timestamp, IpAddr)>,
    refused: HashMap<RefusalKey, (Timestamp, IpAddr, u64)>,
}

#[derive(Default)]
pub(crate) struct Journal(Mutex<Pages>);

impl Journal {
    pub(crate) fn used(&self, id: AppPasswordId, door: &Arc<str>, from: IpAddr, at: Timestamp) {
        let mut pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (key, full) = ((id, door.clone()), pages.uses.len() >= LINES);
        if let Some(line) = pages.uses.get_mut(&key) {
            *line = (at, from);
        } else if !full {
            pages.uses.insert(key, (at, from));
        }
    }

    /// True if it is the first of its kind since the journal was written.
    pub(crate) fn refused(&self, refusal: &Refusal, door: &Arc<str>, from: IpAddr, at: Timestamp) -> bool {
        let mut pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (refusal.account, refusal.app_password, door.clone(), refusal.reason);
        let full = pages.refused.len() >= LINES;
        if let Some(line) = pages.refused.get_mut(&key) {
            *line = (at, from, line.2 + 1);
            return false;
        }
        if !full {
            pages.refused.insert(key, (at, from, 1));
        }
        !full
    }

    /// Writes what has been gathered. What cannot be written is gathered again.
    pub(crate) async fn write(&self, store: &dyn Store) -> Result<(), StoreError> {
        let pages = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let uses: Vec<_> =
            pages.uses.into_iter().map(|((id, door), (at, from))| (id, Use { door, at, from })).collect();
        let refused: Vec<_> = pages
            .refused
            .into_iter()
            .map(|((account, app_password, door, reason), (at, from, count))| Refused {
                account,
                app_password,
                door,
                reason,
                from,
                at,
                count,
            })
            .collect();
        let mut outcome = Ok(());
        if !uses.is_empty() {
            outcome = store.record_uses(&uses).await;
        }
        if outcome.is_err() {
            self.regather(uses, vec![]);
        }
        if !refused.is_empty() {
            let written = store.record_refusals(&refused).await;
            if written.is_err() {
                self.regather(vec![], refused);
            }
            outcome = outcome.and(written);
        }
        outcome
    }

    fn regather(&self, uses: Vec<(AppPasswordId, Use)>, refused: Vec<Refused>) {
        let mut pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (id, used) in uses {
            pages.uses.entry((id, used.door)).or_insert((used.at, used.from));
        }
        for line in refused {
            let key = (line.account, line.app_password, line.door, line.reason);
            pages.refused.entry(key).or_insert((line.at, line.from, 0)).2 += line.count;
        }
    }
}
