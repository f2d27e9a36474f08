//! What a request goes by when it changes a folder.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use dav_server::fs::FsError;
use http::StatusCode;
use keeper::LiveSession;

use super::{incoming::Incoming, ledger::Ledger};

/// What a request stands on: the session that it is part of.
pub trait Standing: Send + Sync {
    /// False once it was ended. What is acknowledged as ended changes nothing more.
    fn stands(&self) -> bool;
}

impl Standing for LiveSession {
    fn stands(&self) -> bool {
        self.is_open()
    }
}

/// Of one request.
#[derive(Clone)]
pub(super) struct Terms {
    pub(super) ledger: Arc<Ledger>,
    pub(super) incoming: Arc<Incoming>,
    changes: Arc<Changes>,
    standing: Arc<dyn Standing>,
    said: Arc<OnceLock<StatusCode>>,
}

/// Names of one account change one at a time, so that what a change replaces is
/// what was counted.
#[derive(Debug, Default)]
pub(super) struct Changes(Mutex<()>);

impl Terms {
    pub(super) fn new(
        ledger: Arc<Ledger>,
        incoming: Arc<Incoming>,
        changes: Arc<Changes>,
        standing: Arc<dyn Standing>,
    ) -> Self {
        Self { ledger, incoming, changes, standing, said: Arc::default() }
    }

    /// Nobody else changes a name while this is held.
    pub(super) fn change(&self) -> Result<MutexGuard<'_, ()>, FsError> {
        let one = self.clear();
        self.stand()?;
        Ok(one)
    }

    /// The same for what is left to do after a change, whoever has ended what.
    pub(super) fn clear(&self) -> MutexGuard<'_, ()> {
        self.changes.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fails once the session was ended. Work that was handed to a thread is not
    /// dropped with its request: it asks this before each part and the last step.
    pub(super) fn stand(&self) -> Result<(), FsError> {
        // Nobody is told: the connection is cut.
        if self.standing.stands() { Ok(()) } else { Err(FsError::Forbidden) }
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
