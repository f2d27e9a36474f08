//! Who has guessed what lately: the authority's throttle, for all accounts.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use authority::{
    AccountId, Timestamp,
    throttle::{Bucket, PER_ACCOUNT, PER_NETWORK, Permit},
};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use quick_cache::sync::Cache;

type Shared = Arc<Mutex<Bucket>>;

/// Buckets per account and network, and per account. Bounded: a flood from many
/// networks pushes out the oldest, and then meets the account's own bucket.
pub(crate) struct Guesses {
    per_network: Cache<(AccountId, IpNet), Shared>,
    per_account: Cache<AccountId, Shared>,
    /// Where owners have proved themselves: strangers elsewhere do not slow them here.
    known: Cache<(AccountId, IpNet), ()>,
}

/// A guess that was let through to be checked. Say how it went; dropped
/// unsaid, it could not be checked, or nobody waited for it, and does not count.
#[must_use]
pub(crate) struct Guess<'g> {
    guesses: &'g Guesses,
    account: AccountId,
    network: IpNet,
    tag: u64,
}

/// Not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// The same wrong secret as before.
    KnownWrong,
    /// Too many different ones.
    Wait,
}

impl Guesses {
    pub(crate) fn new() -> Self {
        Self { per_network: Cache::new(65_536), per_account: Cache::new(65_536), known: Cache::new(65_536) }
    }

    pub(crate) fn ask(&self, account: AccountId, from: IpAddr, tag: u64, now: Timestamp) -> Result<Guess<'_>, Held> {
        let network = network(from);
        let near = bucket(&self.per_network, &(account, network));
        match near.lock().unwrap_or_else(PoisonError::into_inner).ask(tag, PER_NETWORK, now) {
            Permit::Try => {}
            Permit::KnownWrong => return Err(Held::KnownWrong),
            Permit::Wait(_) => return Err(Held::Wait),
        }
        let guess = Guess { guesses: self, account, network, tag };
        if self.known.get(&(account, network)).is_none() {
            let all = bucket(&self.per_account, &account);
            let permit = all.lock().unwrap_or_else(PoisonError::into_inner).ask(tag, PER_ACCOUNT, now);
            match permit {
                Permit::Try => {}
                Permit::KnownWrong => {
                    guess.failed(now);
                    return Err(Held::KnownWrong);
                }
                Permit::Wait(_) => return Err(Held::Wait),
            }
        }
        Ok(guess)
    }

    /// The secret has changed: what was wrong may be right now.
    pub(crate) fn forget(&self, account: AccountId) {
        self.per_account.remove(&account);
        self.per_network.retain(|(of, _), _| *of != account);
    }
}

impl Guess<'_> {
    pub(crate) fn succeeded(self) {
        self.guesses.known.insert((self.account, self.network), ());
        self.each(Bucket::succeeded);
    }

    /// It is wrong. Said before the refusal is given: who hangs up earlier has
    /// guessed all the same.
    pub(crate) fn failed(self, now: Timestamp) {
        let tag = self.tag;
        self.each(|bucket| bucket.failed(tag, now));
    }

    fn each(&self, mut change: impl FnMut(&mut Bucket)) {
        let near = self.guesses.per_network.get(&(self.account, self.network));
        let all = self.guesses.per_account.get(&self.account);
        for bucket in near.into_iter().chain(all) {
            change(&mut bucket.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

impl Drop for Guess<'_> {
    fn drop(&mut self) {
        // After success or failure there is nothing under way to take back.
        let tag = self.tag;
        self.each(|bucket| bucket.withdraw(tag));
    }
}

fn bucket<K: std::hash::Hash + Eq + Clone>(cache: &Cache<K, Shared>, key: &K) -> Shared {
    cache.get_or_insert_with(key, || Ok::<_, std::convert::Infallible>(Shared::default())).unwrap_or_default()
}

/// Who gets an address gets its neighbours: /24 and /64 are one guesser.
fn network(from: IpAddr) -> IpNet {
    match from.to_canonical() {
        IpAddr::V4(v4) => Ipv4Net::new_assert(v4, 24).trunc().into(),
        IpAddr::V6(v6) => Ipv6Net::new_assert(v6, 64).trunc().into(),
    }
}
