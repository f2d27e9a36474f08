//! From the store to the mail server, until that has taken it.
//!
//! A mail is settled in the store after the server has taken it: a crash between the
//! two sends it again, with the same Message-ID. Nothing else does.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use authority::{AccountId, notice::GIVEN_UP_AFTER};
use keeper::{Keeper, Notice, StoreError, Told};
use rand_core::Rng;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use crate::{
    mail::{Settings, compose},
    relay::Untaken,
};

/// So many mails are taken from the store at once.
const BATCH: usize = 32;
/// How often the store is asked.
const EVERY: Duration = Duration::from_secs(1);
/// Where no mail is sent, and what is asked for is only whether that has changed.
const LONG: Duration = Duration::from_secs(86_400);
/// A server that is away is tried again after [`EVERY`], and then after twice as long
/// each time, up to this.
const AWAY_AT_MOST: Duration = Duration::from_secs(300);
/// A mail that a server does not take: tried again after this, and then ...
const UNTAKEN: Duration = Duration::from_secs(60);
/// ... after twice as long each time, up to this.
const UNTAKEN_AT_MOST: Duration = Duration::from_secs(6 * 3600);
/// At the end a mail on its way is waited for.
const LAST: Duration = Duration::from_secs(10);

/// Sends what is due.
pub struct Outbox {
    keeper: Arc<Keeper>,
    random: Mutex<Box<dyn Rng + Send>>,
    sends: AtomicBool,
    sent: AtomicU64,
    failed: AtomicU64,
    given_up: AtomicU64,
}

/// What has become of mails, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Taken by the mail server.
    pub sent: u64,
    /// Tries that came to nothing.
    pub failed: u64,
    /// Not tried any more.
    pub given_up: u64,
}

impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Outbox({:?})", self.counts())
    }
}

/// What one run remembers.
#[derive(Default)]
struct Round {
    /// How often in a row the server was away.
    away: u32,
    /// Sent, and not settled, because the store could not be used. In memory: should
    /// this process end before it can, they are sent again.
    unsettled: HashSet<(AccountId, u64)>,
}

impl Outbox {
    /// Of this keeper's notices. `random` spreads the tries of many sites.
    pub fn new(keeper: Arc<Keeper>, random: Box<dyn Rng + Send>) -> Self {
        let zero = AtomicU64::default;
        let (sends, random) = (AtomicBool::default(), Mutex::new(random));
        Self { keeper, random, sends, sent: zero(), failed: zero(), given_up: zero() }
    }

    /// What has become of mails so far.
    pub fn counts(&self) -> Counts {
        let [sent, failed, given_up] = [&self.sent, &self.failed, &self.given_up].map(|count| count.load(Relaxed));
        Counts { sent, failed, given_up }
    }

    /// Whether mail is sent at all.
    pub fn sends(&self) -> bool {
        self.sends.load(Relaxed)
    }

    /// Sends by these settings, whatever they are at the time; none: nothing is sent.
    /// Returns when there will be no others, with no mail half sent.
    pub async fn run(&self, mut settings: watch::Receiver<Option<Arc<Settings>>>) {
        let mut round = Round::default();
        loop {
            let current = settings.borrow_and_update().clone();
            self.sends.store(current.is_some(), Relaxed);
            let pause = match current {
                Some(current) => self.send_due(&current, &settings, &mut round).await,
                None => LONG,
            };
            tokio::select! {
                changed = settings.changed() => match changed {
                    // Perhaps to a server that is not away.
                    Ok(()) => round.away = 0,
                    Err(_) => return,
                },
                () = sleep(pause) => {}
            }
        }
    }

    /// Sends what is due now. Returns how long to wait before the next time.
    async fn send_due(
        &self,
        settings: &Settings,
        current: &watch::Receiver<Option<Arc<Settings>>>,
        round: &mut Round,
    ) -> Duration {
        let due = match self.keeper.due_notices(BATCH).await {
            Ok(due) => due,
            Err(error) => {
                tracing::debug!(%error, "notices cannot be looked up");
                return EVERY;
            }
        };
        let all = due.len();
        for (to, told) in due {
            // New settings, or the end.
            if !matches!(current.has_changed(), Ok(false)) {
                return Duration::ZERO;
            }
            let settled = match self.send(settings, &to, &told, round).await {
                Ok(settled) => settled,
                Err(away) => return away,
            };
            if let Err(error) = settled {
                tracing::warn!(%error, "what became of a notice cannot be recorded yet");
                return EVERY;
            }
        }
        if all == BATCH { Duration::ZERO } else { EVERY }
    }

    /// One mail. `Err` says how long to leave the server alone.
    async fn send(
        &self,
        settings: &Settings,
        to: &authority::Login,
        told: &Told,
        round: &mut Round,
    ) -> Result<Result<(), StoreError>, Duration> {
        let notice = &told.notice;
        let key = (notice.account, notice.seq);
        if round.unsettled.contains(&key) {
            let settled = self.keeper.notice_settled(notice).await;
            if settled.is_ok() {
                round.unsettled.remove(&key);
            }
            return Ok(settled);
        }
        let now = self.keeper.now();
        if now.since(notice.entry.at) > GIVEN_UP_AFTER {
            return Ok(self.give_up(notice, "for days no mail server has taken it").await);
        }
        let mail = match compose(settings, to, told, now) {
            Ok(mail) => mail,
            Err(error) => return Ok(self.give_up(notice, &error.to_string()).await),
        };
        match settings.relay.send(mail).await {
            Ok(()) => {
                if std::mem::take(&mut round.away) > 0 {
                    tracing::info!(server = %settings.relay.url(), "notices are sent again");
                }
                self.sent.fetch_add(1, Relaxed);
                let settled = self.keeper.notice_settled(notice).await;
                if settled.is_err() {
                    round.unsettled.insert(key);
                }
                Ok(settled)
            }
            Err(error @ Untaken::Relay(_)) => {
                self.failed.fetch_add(1, Relaxed);
                if round.away == 0 {
                    tracing::warn!(server = %settings.relay.url(), %error, "notices wait: look at the mail server, and at [notices]");
                }
                round.away += 1;
                Err(self.jittered(grown(EVERY, round.away.into(), AWAY_AT_MOST)))
            }
            Err(error @ Untaken::Mail(_)) => {
                self.failed.fetch_add(1, Relaxed);
                let pause = self.jittered(grown(UNTAKEN, notice.failures, UNTAKEN_AT_MOST));
                tracing::warn!(account = %notice.account, line = notice.seq, %error, again_in = ?pause, "a notice was not sent");
                Ok(self.keeper.notice_failed(notice, now.plus(pause)).await)
            }
        }
    }

    async fn give_up(&self, notice: &Notice, why: &str) -> Result<(), StoreError> {
        self.keeper.notice_settled(notice).await?;
        self.given_up.fetch_add(1, Relaxed);
        tracing::error!(account = %notice.account, line = notice.seq, why, "a notice is shown on the portal alone: no mail could be sent");
        Ok(())
    }

    /// Between half of it and all of it.
    fn jittered(&self, pause: Duration) -> Duration {
        let drawn = self.random.lock().unwrap_or_else(PoisonError::into_inner).next_u32();
        pause.mul_f64(0.5 + 0.5 * f64::from(drawn) / f64::from(u32::MAX))
    }

    /// Waits for the end of a run whose settings have gone.
    pub async fn ended(run: tokio::task::JoinHandle<()>) {
        if timeout(LAST, run).await.is_err() {
            tracing::warn!("a notice was cut on its way; it may be sent twice");
        }
    }
}

/// Twice as long each time.
fn grown(first: Duration, times: u64, at_most: Duration) -> Duration {
    let factor = 1_u32.checked_shl(u32::try_from(times).unwrap_or(u32::MAX)).unwrap_or(u32::MAX);
    first.saturating_mul(factor).min(at_most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_bounded() {
        let seconds = |times| grown(UNTAKEN, times, UNTAKEN_AT_MOST).as_secs();
        assert_eq!([0, 1, 2, 8, 9, 40, u64::MAX].map(seconds), [60, 120, 240, 15_360, 21_600, 21_600, 21_600]);
    }
}
