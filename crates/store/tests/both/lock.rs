//! Taking a folder again that was just let go.

use std::{path::Path, time::Duration};

use store::sqlite;

/// The lock of a folder that was just let go. A process that another test is
/// starting has it for the moment between its fork and its exec.
pub(super) fn lock(folder: &Path) -> sqlite::Locked {
    for _ in 0..1_000 {
        match sqlite::lock(folder) {
            Err(sqlite::OpenError::InUse { .. }) => std::thread::park_timeout(Duration::from_millis(2)),
            locked => return locked.unwrap(),
        }
    }
    sqlite::lock(folder).unwrap()
}
