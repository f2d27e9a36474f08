//! Calls that are held between their work and their answer.

use std::sync::Arc;

use tokio::sync::Notify;

/// A call that can be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// The account of a login.
    Account,
    /// The app password of a digest.
    AppPassword,
    /// The revocation of one: it is done by then, and not answered.
    Revocation,
}

/// A call that has done its work and does not answer yet: a look-up that will
/// answer what was so when it read, a change that is committed and not yet known
/// to whoever asked for it.
#[derive(Debug, Default)]
pub struct Hold {
    done: Notify,
    answer: Notify,
}

impl Hold {
    /// Returns once the work is done.
    pub async fn is_done(&self) {
        self.done.notified().await;
    }

    /// Lets it answer.
    pub fn answer(&self) {
        self.answer.notify_one();
    }
}

/// Waits at a hold that the call has met.
pub(super) async fn wait(met: Option<(Call, Arc<Hold>)>) {
    if let Some((_, hold)) = met {
        hold.done.notify_one();
        hold.answer.notified().await;
    }
}
