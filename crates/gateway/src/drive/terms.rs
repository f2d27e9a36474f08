//! What a request goes by when it changes a folder.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use dav_server::fs::FsError;
use http::StatusCode;

use super::{incoming::Incoming, ledger::Ledger};

/// Of one request.
#[derive(Clone)]
pub(super) struct Terms {
    pub(super) ledger: Arc<Ledger>,
    pub(super) incoming: Arc<Incoming>,
    changes: Arc<Changes>,
    said: Arc<OnceLock<StatusCode>>,
}

/// Names of one account change one at a time, so that what a change replaces is
/// what was counted.
#[derive(Debug, Default)]
pub(super) struct Changes(Mutex<()>);

impl Terms {
    pub(super) fn new(ledger: Arc<Ledger>, incoming: Arc<Incoming>, changes: Arc<Changes>) -> Self {
        Self { ledger, incoming, changes, said: Arc::default() }
    }

    /// Nobody else changes a name while this is held.
    pub(super) fn change(&self) -> MutexGuard<'_, ()> {
        self.changes.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the answer, in place of what `dav-server` would say: it has no word
    /// for some failures, and does not know what was replaced.
    pub(super) fn say(&self, status: StatusCode) {
        // What was said first is what happened.
        let _ = self.said.set(status);
    }

    /// Fails with 412.
    pub(super) fn precondition_failed(&self) -> FsError {
        self.say(StatusCode::PRECONDITION_FAILED);
        FsError::Forbidden
    }

    pub(super) fn said(&self) -> Option<StatusCode> {
        self.said.get().copied()
    }
}
