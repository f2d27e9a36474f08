//! What came in at a listener, counted since it was bound.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::{Address, limits::Crowd};

/// A listener and its counts, for whoever watches over a site.
#[derive(Clone, Debug)]
pub struct Listening {
    /// The endpoint's name.
    pub name: String,
    /// Where.
    pub address: Address,
    pub(crate) crowd: Arc<Crowd>,
    pub(crate) traffic: Arc<Traffic>,
}

impl Listening {
    /// What it has come to by now.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let Traffic { accepted, full, crowded, failed, evicted } = &*self.traffic;
        Counts {
            open: self.crowd.total(),
            accepted: accepted.load(Relaxed),
            full: full.load(Relaxed),
            crowded: crowded.load(Relaxed),
            failed: failed.load(Relaxed),
            evicted: evicted.load(Relaxed),
        }
    }
}

/// Connections of one listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// There now.
    pub open: usize,
    /// Given a place. All below but `full` are among them.
    pub accepted: u64,
    /// Closed because there were as many as there may be, and all had signed in.
    pub full: u64,
    /// Closed because their address had as many as one may have.
    pub crowded: u64,
    /// Closed for want of a PROXY header or of TLS.
    pub failed: u64,
    /// Had to make room before they had signed in.
    pub evicted: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) accepted: AtomicU64,
    pub(crate) full: AtomicU64,
    pub(crate) crowded: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) evicted: AtomicU64,
}

pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}
