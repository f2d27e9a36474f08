//! Connections that only read, each for one caller at a time.

use std::{
    path::Path,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use rusqlite::Connection;

use super::connection;
use crate::failure::Outcome;

/// A handful of connections.
pub(super) struct Readers {
    connections: Vec<Mutex<Connection>>,
    next: AtomicUsize,
}

impl Readers {
    pub(super) fn open(path: &Path, count: usize) -> Outcome<Self> {
        let open = || connection::reading(path).map(Mutex::new);
        Ok(Self { connections: (0..count).map(|_| open()).collect::<Outcome<_>>()?, next: AtomicUsize::new(0) })
    }

    /// Reads on a connection that is free, or waits for one: for the few
    /// microseconds of a look-up, where all readers are look-ups.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Connection) -> Outcome<T>) -> Outcome<T> {
        read(&self.take())
    }

    fn take(&self) -> MutexGuard<'_, Connection> {
        if let Some(free) = self.connections.iter().find_map(|one| one.try_lock().ok()) {
            return free;
        }
        let next = self.next.fetch_add(1, Ordering::Relaxed) % self.connections.len();
        self.connections[next].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
