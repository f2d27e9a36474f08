//! How much an account holds, and how much it may.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// What a file or a folder costs beside its octets: its name, its place in the
/// folder above, its properties. Without it a million empty files were free.
pub(super) const ENTRY: u64 = 4096;

/// The account has no room for that.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

/// The balance of one account. It is charged before anything is written, so
/// that writers at the same time cannot exceed the limit together.
#[derive(Debug)]
pub(super) struct Ledger {
    limit: u64,
    used: AtomicU64,
}

impl Ledger {
    /// `used` octets are there already, perhaps more than the limit.
    pub(super) fn new(limit: u64, used: u64) -> Self {
        Self { limit, used: AtomicU64::new(used) }
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Charges `octets`, given back unless the charge is [kept](Charge::keep).
    pub(super) fn charge(self: &Arc<Self>, octets: u64) -> Result<Charge, Full> {
        let mut charge = Charge { ledger: Arc::clone(self), octets: 0 };
        charge.add(octets)?;
        Ok(charge)
    }

    /// Something that cost `octets` is gone.
    pub(super) fn give_back(&self, octets: u64) {
        // Another program may have removed files that were counted once.
        let less = |used: u64| Some(used.saturating_sub(octets));
        let _ = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }
}

/// Octets that are charged, for something not yet in its place.
#[derive(Debug)]
#[must_use]
pub(super) struct Charge {
    ledger: Arc<Ledger>,
    octets: u64,
}

impl Charge {
    /// Charges more.
    pub(super) fn add(&mut self, octets: u64) -> Result<(), Full> {
        let limit = self.ledger.limit;
        let more = |used: u64| used.checked_add(octets).filter(|&used| used <= limit);
        self.ledger.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).map_err(|_| Full)?;
        self.octets += octets;
        Ok(())
    }

    /// Gives a part back.
    pub(super) fn less(&mut self, octets: u64) {
        let octets = octets.min(self.octets);
        self.octets -= octets;
        self.ledger.give_back(octets);
    }

    /// It is in its place: the charge stands.
    pub(super) fn keep(mut self) {
        self.octets = 0;
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.ledger.give_back(self.octets);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charges_never_exceed_the_limit_together() {
        let ledger = Arc::new(Ledger::new(100, 10));
        let mut first = ledger.charge(50).unwrap();
        let second = ledger.charge(40).unwrap();
        assert_eq!(first.add(1), Err(Full));
        assert!(ledger.charge(u64::MAX).is_err());
        drop(second);
        first.add(40).unwrap();
        first.keep();
        assert_eq!(ledger.used(), 100);
        ledger.give_back(500);
        assert_eq!(ledger.used(), 0);
    }
}
