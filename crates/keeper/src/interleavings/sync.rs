//! The same names as in [`crate::sync`], over loom: whatever threads share here
//! is a step at which another thread may come in between.

use std::{borrow::Borrow, collections::HashMap, hash::Hash};

pub(crate) use loom::sync::{Mutex, MutexGuard, atomic::AtomicU64};

/// The cache's table. Never full: what is pushed out is read again, no more.
pub(crate) struct Bounded<K, V>(Mutex<HashMap<K, V>>);

impl<K: Hash + Eq, V: Clone> Bounded<K, V> {
    pub(crate) fn new(_bound: usize) -> Self {
        Self(Mutex::default())
    }

    pub(crate) fn get<Q: Hash + Eq>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.0.lock().unwrap().get(key).cloned()
    }

    pub(crate) fn insert(&self, key: K, value: V) {
        self.0.lock().unwrap().insert(key, value);
    }

    pub(crate) fn remove<Q: Hash + Eq>(&self, key: &Q)
    where
        K: Borrow<Q>,
    {
        self.0.lock().unwrap().remove(key);
    }

    pub(crate) fn clear(&self) {
        self.0.lock().unwrap().clear();
    }
}

/// Here: in the thread of who asks for it, which waits for it and does not go away.
pub(crate) async fn to_its_end<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Result<T, String> {
    Ok(work.await)
}

/// Runs `work` as a thread of the model.
pub(super) fn spawn<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> loom::thread::JoinHandle<T> {
    // In words. Loom's own 32 KiB do not hold an unoptimised HMAC.
    let thread = loom::thread::Builder::new().stack_size(1 << 16);
    thread.spawn(|| loom::future::block_on(work)).unwrap()
}

/// No time passes in a model.
pub(crate) async fn sleep_until(_: tokio::time::Instant) {}
