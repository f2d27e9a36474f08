//! Time, for measuring: nothing is decided by it.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Wall time, from when it is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        #[expect(clippy::disallowed_methods, reason = "a benchmark measures time that passes")]
        Self(Instant::now())
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

/// The processor's time that this thread has taken: what other programs take in
/// between does not count. For work that waits for nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WorkWatch(Duration);

impl WorkWatch {
    pub(crate) fn start() -> Self {
        Self(worked())
    }

    pub(crate) fn micros(&self) -> f64 {
        worked().saturating_sub(self.0).as_secs_f64() * 1e6
    }
}

fn worked() -> Duration {
    let worked = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(worked.tv_sec).unwrap_or(0), u32::try_from(worked.tv_nsec).unwrap_or(0))
}
