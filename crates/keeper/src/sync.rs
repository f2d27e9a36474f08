//! What the path of a sign-in and of a revocation shares between threads: locks,
//! counters, the cache's table, tasks, and the deadline that a refusal waits for.
//!
//! They are named here and nowhere else, so that the unit tests can compile the
//! same path over loom's, which run it in every order that threads can take:
//! see `interleavings`.

#[cfg(test)]
pub(crate) use crate::interleavings::sync::*;

#[cfg(not(test))]
pub(crate) use {
    quick_cache::sync::Cache as Bounded,
    std::sync::{Mutex, MutexGuard, atomic::AtomicU64},
    tokio::time::sleep_until,
};

/// Carries `work` out in a task of its own: to its end, whether or not somebody
/// still waits for it. Says why when it could not.
#[cfg(not(test))]
pub(crate) async fn to_its_end<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Result<T, String> {
    tokio::spawn(work).await.map_err(|interrupted| interrupted.to_string())
}
