//! Time, passed in, and never going back.

use std::sync::atomic::{AtomicI64, Ordering};

use authority::Timestamp;

/// Where the time comes from.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The machine's clock. The one place that asks it.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the clock that everything else is handed")]
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// A clock that holds still when the one behind it steps back, so that nothing
/// which time has ended comes back.
pub(crate) struct Ratchet {
    clock: Box<dyn Clock>,
    highest: AtomicI64,
}

impl Ratchet {
    /// Starts no earlier than `floor`, the newest time on record.
    pub(crate) fn new(clock: Box<dyn Clock>, floor: Option<Timestamp>) -> Self {
        Self { clock, highest: AtomicI64::new(floor.map_or(0, Timestamp::as_millis)) }
    }

    pub(crate) fn now(&self) -> Timestamp {
        let now = self.clock.now().as_millis();
        Timestamp::from_millis(self.highest.fetch_max(now, Ordering::Relaxed).max(now))
    }
}
