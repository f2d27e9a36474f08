//! Whoever started this program and watches over it: systemd's sd_notify(3). With
//! nobody there, nothing is said.

use std::{future::pending, time::Duration};

use sd_notify::NotifyState;

/// Told how the server is.
pub(crate) struct Supervisor {
    /// It wants a sign of life this often.
    patience: Option<Duration>,
}

impl Default for Supervisor {
    fn default() -> Self {
        Self { patience: sd_notify::watchdog_enabled() }
    }
}

impl Supervisor {
    /// Everything is bound and served.
    pub(crate) fn ready(&self) {
        tell(&[NotifyState::Ready, NotifyState::Status("serving")]);
    }

    /// Files are being read again; [`Supervisor::ready`] follows.
    pub(crate) fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => tell(&[NotifyState::Reloading, now, NotifyState::Status("reading its files again")]),
            Err(error) => tracing::debug!(%error, "the clock of the supervisor cannot be read"),
        }
    }

    /// No more is let in.
    pub(crate) fn stopping(&self) {
        tell(&[NotifyState::Stopping, NotifyState::Status("saying goodbye")]);
    }

    pub(crate) fn alive(&self) {
        tell(&[NotifyState::Watchdog]);
    }

    /// Returns when the next sign of life is due: twice in the time that is asked for.
    pub(crate) async fn expects_a_sign(&self) {
        match self.patience {
            Some(patience) => tokio::time::sleep(patience / 2).await,
            None => pending().await,
        }
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "the supervisor cannot be told");
    }
}
