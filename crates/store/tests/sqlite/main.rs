//! SQLite as the keeper meets it, and as an administrator does.

#![expect(clippy::unwrap_used, reason = "all of this is tests")]

mod contract;
#[path = "../both/crash.rs"]
mod crash;
mod durable;
#[path = "../both/flood.rs"]
mod flood;
mod folder;
mod histories;
#[path = "../both/lock.rs"]
mod lock;
#[path = "../both/restored.rs"]
mod restored;
mod tampering;
#[path = "../both/upgrade.rs"]
mod upgrade;

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use keeper::Store;
use lock::lock;
use store::{IfLost, sqlite};
use tempfile::TempDir;

/// A data folder as `postern init` makes it.
fn folder() -> TempDir {
    tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir().unwrap()
}

fn open(folder: &TempDir) -> impl Store + std::fmt::Debug + use<> {
    sqlite::open_locked(lock(folder.path()), testkit::contract::key(), IfLost::Refuse).unwrap()
}

/// The database as somebody else would open it.
fn raw(folder: &TempDir) -> rusqlite::Connection {
    rusqlite::Connection::open(folder.path().join("postern.db")).unwrap()
}

/// A data folder, as the tests of restoring need it.
struct Site {
    folder: PathBuf,
    _kept: Option<TempDir>,
}

impl Site {
    fn new() -> Self {
        let folder = folder();
        Self { folder: folder.path().to_owned(), _kept: Some(folder) }
    }

    /// The site of the process that started this one.
    fn inherited() -> Self {
        Self { folder: std::env::var_os("POSTERN_TEST_FOLDER").unwrap().into(), _kept: None }
    }

    /// Handed on to a process that is started.
    fn hand_on(&self, to: &mut std::process::Command) {
        to.env("POSTERN_TEST_FOLDER", &self.folder);
    }

    fn folder(&self) -> &Path {
        &self.folder
    }

    async fn open(&self, run: u8) -> Box<dyn Store> {
        self.open_if_lost(run, IfLost::Refuse).await
    }

    async fn open_if_lost(&self, _run: u8, if_lost: IfLost) -> Box<dyn Store> {
        let locked = lock(self.folder());
        Box::new(sqlite::open_locked(locked, testkit::contract::key(), if_lost).unwrap())
    }

    async fn refused(&self, _run: u8) -> String {
        sqlite::open(self.folder(), testkit::contract::key()).unwrap_err().to_string()
    }

    /// What a shell at the database would answer.
    fn sql(&self, sql: &str) -> String {
        let db = rusqlite::Connection::open(self.folder.join("postern.db")).unwrap();
        if sql.starts_with("SELECT") {
            return db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap().to_string();
        }
        db.execute_batch(sql).unwrap();
        String::new()
    }

    /// The database as it is now.
    fn copy(&self) -> Vec<u8> {
        rusqlite::Connection::open(self.folder.join("postern.db"))
            .unwrap()
            .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
            .unwrap();
        fs::read(self.folder().join("postern.db")).unwrap()
    }

    /// Octets that the database takes.
    fn size(&self) -> u64 {
        rusqlite::Connection::open(self.folder.join("postern.db"))
            .unwrap()
            .execute_batch("PRAGMA wal_checkpoint(PASSIVE)")
            .unwrap();
        self.folder.join("postern.db").metadata().unwrap().len()
    }

    fn restore(self, copy: Vec<u8>) -> Self {
        for beside in ["postern.db-wal", "postern.db-shm"] {
            let _ = fs::remove_file(self.folder().join(beside));
        }
        fs::write(self.folder().join("postern.db"), copy).unwrap();
        self
    }
}
