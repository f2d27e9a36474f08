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
    /// Check it, and say how it went.
    Try,
    /// It was wrong before and still is: refuse, no need to check.
    KnownWrong,
    /// Refuse unchecked; ask again after this long.
    Wait(Duration),
}

/// The recent tries against one target.
#[derive(Clone, Debug, Default)]
pub struct Bucket {
    tried: VecDeque<Tried>,
    /// Wrong ones within memory that are no longer remembered singly.
    forgotten: usize,
}

#[derive(Clone, Copy, Debug)]
struct Tried {
    tag: u64,
    at: Timestamp,
    is_wrong: bool,
}

impl Bucket {
    /// May a secret with this tag (a keyed hash, never the secret) be checked?
    ///
    /// It counts from now on, until [`Bucket::withdraw`]: a thousand guesses at
    /// once are a thousand. The same one sent again while it is being checked is
    /// no other: an impatient owner clicks twice.
    pub fn ask(&mut self, tag: u64, pace: Pace, now: Timestamp) -> Permit {
        self.forget(now);
        if let Some(tried) = self.tried.iter().find(|tried| tried.tag == tag) {
            return if tried.is_wrong { Permit::KnownWrong } else { Permit::Try };
        }
        let count = self.tried.len() + self.forgotten;
        if let (Some(over), Some(last)) = (count.checked_sub(pace.free), self.tried.back()) {
            let doubling = Duration::from_secs(1 << over.min(20));
            let wait = doubling.min(pace.longest_wait).saturating_sub(now.since(last.at));
            if !wait.is_zero() {
                return Permit::Wait(wait);
            }
        }
        self.push(Tried { tag, at: now, is_wrong: false });
        Permit::Try
    }

    /// It was checked, and is wrong.
    pub fn failed(&mut self, tag: u64, now: Timestamp) {
        match self.tried.iter_mut().find(|tried| tried.tag == tag) {
            Some(tried) => tried.is_wrong = true,
            // Another try of the same was withdrawn meanwhile.
            None => self.push(Tried { tag, at: now, is_wrong: true }),
        }
    }

    /// It was right: the past is forgotten.
    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// It was not checked after all: it does not count.
    pub fn withdraw(&mut self, tag: u64) {
        self.tried.retain(|tried| tried.tag != tag || tried.is_wrong);
    }

    fn push(&mut self, tried: Tried) {
        self.tried.push_back(tried);
        if self.tried.len() > REMEMBERED {
            self.tried.pop_front();
            self.forgotten += 1;
        }
    }

    fn forget(&mut self, now: Timestamp) {
        while self.tried.front().is_some_and(|tried| now.since(tried.at) > MEMORY) {
            self.tried.pop_front();
            // What was pushed out is older still.
            self.forgotten = 0;
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
        bucket.failed(1, at(0));
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
            let now = at(i64::try_from(second).unwrap());
            if bucket.ask(second, PER_NETWORK, now) == Permit::Try {
                bucket.failed(second, now);
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

    #[test]
    fn the_same_at_once_is_one_try_and_wrong_is_wrong_whoever_hangs_up() {
        let mut bucket = Bucket::default();
        assert_eq!(bucket.ask(1, PER_NETWORK, at(0)), Permit::Try);
        assert_eq!(bucket.ask(1, PER_NETWORK, at(0)), Permit::Try, "still being checked");
        bucket.withdraw(1);
        bucket.failed(1, at(0));
        assert_eq!(bucket.ask(1, PER_NETWORK, at(0)), Permit::KnownWrong);
        bucket.withdraw(1);
        assert_eq!(bucket.ask(1, PER_NETWORK, at(0)), Permit::KnownWrong, "checked is checked");
    }

    #[test]
    fn a_guesser_with_many_tries_is_not_forgotten_by_the_bound_on_memory() {
        let mut bucket = Bucket::default();
        for tag in 0..2 * REMEMBERED as u64 {
            bucket.failed(tag, at(0));
        }
        assert_eq!(bucket.ask(u64::MAX, PER_ACCOUNT, at(1)), Permit::Wait(Duration::from_secs(899)));
        assert_eq!(bucket.ask(u64::MAX, PER_ACCOUNT, at(100_000)), Permit::Try, "a day has passed");
    }
}
