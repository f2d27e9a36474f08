//! Routine uses and refusals, gathered and written about once a second: a flood
//! costs a counter, not a row.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use authority::{AccountId, AppPasswordId, Reason, Refusal, Timestamp, Use};

use tokio::time::Instant;

use crate::{Refused, Store, StoreError, by_id::ById};

/// So many different lines wait at most. More come only from more accounts than
/// that being tried within a second; then counts are lost, not sign-ins.
const LINES: usize = 50_000;

type RefusalKey = (Option<AccountId>, Option<AppPasswordId>, Arc<str>, Reason);

#[derive(Default)]
struct Pages {
    uses: ById<(AppPasswordId, Arc<str>), (Timestamp, IpAddr)>,
    refused: HashMap<RefusalKey, (Timestamp, IpAddr, u64)>,
}

/// How the journal is doing.
#[derive(Clone, Copy, Debug, Default)]
pub struct JournalState {
    /// Lines that wait to be written. They wait a second, unless the store fails.
    pub waiting: usize,
    /// How long the last writing took that wrote something.
    pub took: Duration,
    /// How often it could not be written; it was tried again.
    pub failures: u64,
    /// Lines lost because too many waited.
    pub lost: u64,
}

#[derive(Default)]
pub(crate) struct Journal {
    pages: Mutex<Pages>,
    took_micros: AtomicU64,
    failures: AtomicU64,
    lost: AtomicU64,
}

impl Journal {
    pub(crate) fn state(&self) -> JournalState {
        let waiting = {
            let pages = self.pages();
            pages.uses.len() + pages.refused.len()
        };
        JournalState {
            waiting,
            took: Duration::from_micros(self.took_micros.load(Relaxed)),
            failures: self.failures.load(Relaxed),
            lost: self.lost.load(Relaxed),
        }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn used(&self, id: AppPasswordId, door: &Arc<str>, from: IpAddr, at: Timestamp) {
        let mut pages = self.pages();
        let (key, full) = ((id, door.clone()), pages.uses.len() >= LINES);
        if let Some(line) = pages.uses.get_mut(&key) {
            *line = (at, from);
        } else if !full {
            pages.uses.insert(key, (at, from));
        } else {
            self.lost.fetch_add(1, Relaxed);
        }
    }

    /// True if it is the first of its kind since the journal was written.
    pub(crate) fn refused(&self, refusal: &Refusal, door: &Arc<str>, from: IpAddr, at: Timestamp) -> bool {
        let mut pages = self.pages();
        let key = (refusal.account, refusal.app_password, door.clone(), refusal.reason);
        let full = pages.refused.len() >= LINES;
        if let Some(line) = pages.refused.get_mut(&key) {
            *line = (at, from, line.2 + 1);
            return false;
        }
        if !full {
            pages.refused.insert(key, (at, from, 1));
        } else {
            self.lost.fetch_add(1, Relaxed);
        }
        !full
    }

    /// Writes what has been gathered. What cannot be written is gathered again.
    pub(crate) async fn write(&self, store: &dyn Store) -> Result<(), StoreError> {
        let pages = std::mem::take(&mut *self.pages());
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
        let (begun, is_empty) = (Instant::now(), uses.is_empty() && refused.is_empty());
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
        if outcome.is_err() {
            self.failures.fetch_add(1, Relaxed);
        } else if !is_empty {
            self.took_micros.store(begun.elapsed().as_micros().try_into().unwrap_or(u64::MAX), Relaxed);
        }
        outcome
    }

    fn regather(&self, uses: Vec<(AppPasswordId, Use)>, refused: Vec<Refused>) {
        let mut pages = self.pages();
        for (id, used) in uses {
            pages.uses.entry((id, used.door)).or_insert((used.at, used.from));
        }
        for line in refused {
            let key = (line.account, line.app_password, line.door, line.reason);
            pages.refused.entry(key).or_insert((line.at, line.from, 0)).2 += line.count;
        }
    }
}
