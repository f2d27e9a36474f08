//! Named moments at which tests have the process killed. Without the feature
//! `fail-points`, which only this crate's own tests switch on, they are nothing.

/// The process ends here, as by kill -9, the n-th time, if `POSTERN_FAIL_AT` is
/// `name:n`.
#[cfg(feature = "fail-points")]
pub(crate) fn pass(name: &str) {
    use std::sync::atomic::{AtomicU32, Ordering};

    static PASSED: AtomicU32 = AtomicU32::new(0);
    let Ok(wanted) = std::env::var("POSTERN_FAIL_AT") else { return };
    let Some((at, count)) = wanted.split_once(':') else { return };
    if at == name && Some(PASSED.fetch_add(1, Ordering::Relaxed) + 1) == count.parse().ok() {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}

#[cfg(not(feature = "fail-points"))]
#[inline]
pub(crate) fn pass(_: &str) {}
