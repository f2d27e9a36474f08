//! The throttle for guessable secrets: primary passwords and codes.
//!
//! It counts *distinct* secrets. A phone that repeats last year's password all
//! night is one failure, is told so from memory without a hash, and takes
//! nothing away from its owner (ASVS 5, 6.1.1: no malicious lock-out).

use std::{collections::VecDeque, time::Duration};

use crate::Timestamp;

/// How fast different secrets may be tried.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// So many may be tried at once.
    pub free: usize,
    /// After that each waits twice as long as the one before, up to this.
    pub longest_wait: Duration,
}

/// From one network against one account.
pub const PER_NETWORK: Pace = Pace { free: 10, longest_wait: Duration::from_secs(900) };
/// Against one account from all networks where its owner has never signed in
/// (NIST SP 800-63B-4, 3.2.2: at most 100 before it slows to a crawl).
pub const PER_ACCOUNT: Pace = Pace { free: 100, longest_wait: Duration::from_secs(900) };

/// Failures are forgotten after this long.
const MEMORY: Duration = Duration::from_secs(86400);
/// So many secrets are remembered at most; older ones would be hashed again.
const REMEMBERED: usize = 128;

/// What may be done with the next secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Permit {
    /// Check it. It counts as wrong until [`Bucket::succeeded`].
    Try,
    /// It was wrong before and still is: refuse, no need to check.
    KnownWrong,
    /// Refuse unchecked; ask again after this long.
    Wait(Duration),
}

/// The recent failures against one target.
#[derive(Clone, Debug, Default)]
pub struct Bucket {
    failed: VecDeque<(u64, Timestamp)>,
    /// All distinct ones within memory, also those no longer remembered singly.
    count: usize,
}

impl Bucket {
    /// May a secret with this tag (a keyed hash, never the secret) be checked?
    pub fn ask(&mut self, tag: u64, pace: Pace, now: Timestamp) -> Permit {
        self.forget(now);
        if self.failed.iter().any(|(known, _)| *known == tag) {
            return Permit::KnownWrong;
        }
        if let (Some(over), Some((_, last))) = (self.count.checked_sub(pace.free), self.failed.back()) {
            let doubling = Duration::from_secs(1 << over.min(20));
            let wait = doubling.min(pace.longest_wait).saturating_sub(now.since(*last));
            if !wait.is_zero() {
                return Permit::Wait(wait);
            }
        }
        // Counted before it is checked: a thousand guesses at once are a thousand.
        self.failed.push_back((tag, now));
        self.count += 1;
        if self.failed.len() > REMEMBERED {
            self.failed.pop_front();
        }
        Permit::Try
    }

    /// The last permitted secret was right.
    pub fn succeeded(&mut self) {
        self.failed.clear();
        self.count = 0;
    }

    /// The secret could not be checked: it does not count.
    pub fn withdraw(&mut self, tag: u64) {
        let before = self.failed.len();
        self.failed.retain(|(known, _)| *known != tag);
        self.count = self.count.saturating_sub(before - self.failed.len());
    }

    fn forget(&mut self, now: Timestamp) {
        while self.failed.front().is_some_and(|(_, at)| now.since(*at) > MEMORY) {
            self.failed.pop_front();
            self.count -= 1;
        }
        if self.failed.is_empty() {
            self.count = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_millis(secs * 1000)
    }

    #[test]
    fn an_old_device_that_repeats_itself_locks_nobody_out() {
        let mut bucket = Bucket::default();
        assert_eq!(bucket.ask(1, PER_NETWORK, at(0)), Permit::Try);
        for minute in 1..600 {
            assert_eq!(bucket.ask(1, PER_NETWORK, at(minute * 60)), Permit::KnownWrong);
        }
        assert_eq!(bucket.ask(2, PER_NETWORK, at(600 * 60)), Permit::Try, "the owner, beside it");
    }

    #[test]
    fn a_guesser_is_slowed_to_a_crawl() {
        let mut bucket = Bucket::default();
        let mut tried = 0;
        for second in 0..86_400 {
            if bucket.ask(second, PER_NETWORK, at(i64::try_from(second).unwrap())) == Permit::Try {
                tried += 1;
            }
        }
        assert!((100..120).contains(&tried), "{tried} guesses in a day");
    }

    #[test]
    fn guesses_at_once_are_counted_before_they_are_checked() {
        let mut bucket = Bucket::default();
        let tried = (0..1000).filter(|tag| bucket.ask(*tag, PER_NETWORK, at(0)) == Permit::Try).count();
        assert_eq!(tried, PER_NETWORK.free);
    }

    #[test]
    fn success_and_outage_clear_what_they_should() {
        let mut bucket = Bucket::default();
        for tag in 0..10 {
            assert_eq!(bucket.ask(tag, PER_NETWORK, at(0)), Permit::Try);
        }
        assert!(matches!(bucket.ask(10, PER_NETWORK, at(0)), Permit::Wait(_)));
        bucket.withdraw(9);
        assert_eq!(bucket.ask(9, PER_NETWORK, at(0)), Permit::Try, "an outage is no wrong password");
        bucket.succeeded();
        assert_eq!(bucket.ask(10, PER_NETWORK, at(0)), Permit::Try);
    }
}
