//! SQLite as the keeper meets it, and as an administrator does.

#![expect(clippy::unwrap_used, reason = "all of this is tests")]

mod contract;
mod durable;
mod folder;
mod tampering;

use std::{fs::Permissions, os::unix::fs::PermissionsExt};

use keeper::Store;
use store::sqlite;
use tempfile::TempDir;

/// A data folder as `postern init` makes it.
fn folder() -> TempDir {
    tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir().unwrap()
}

fn open(folder: &TempDir) -> impl Store + std::fmt::Debug + use<> {
    sqlite::open(folder.path(), testkit::contract::key()).unwrap()
}

/// The database as somebody else would open it.
fn raw(folder: &TempDir) -> rusqlite::Connection {
    rusqlite::Connection::open(folder.path().join("postern.db")).unwrap()
}
