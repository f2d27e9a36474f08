//! The embedded store: `postern.db` in the data folder.
//!
//! One thread owns the connection that writes and commits what waits in groups;
//! look-ups run where they are asked for, on connections that only read; lists
//! run where blocking is allowed. WAL, which a thread of its own syncs before
//! anything is acknowledged: that survives the process and the power. A look-up
//! may see what is about to be acknowledged.

mod connection;
mod failure;
mod folder;
mod migrations;
mod readers;

use std::{
    fmt,
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use authority::AuditKey;
use keeper::Store;
use rusqlite::Connection;

pub(crate) use folder::private;
pub use folder::{Locked, OpenError, lock};

use crate::{
    chain::{Chain, Unsealed},
    copy::copy,
    database::{Db, Writable},
    failure::{Failure, Outcome},
    migrations::Mismatch,
    revocations::{IfLost, Revocations},
    store::{Kind, Sql},
    writer::Writer,
};
use readers::Readers;

/// Opens the store in this folder, which must exist and be ours alone, and makes
/// or brings up to date its database. `key` seals the audit chain. Dropped, the
/// store lets go of the folder.
pub fn open(folder: &Path, key: AuditKey) -> Result<impl Store + fmt::Debug + use<>, OpenError> {
    open_locked(lock(folder)?, key, IfLost::Refuse)
}

/// [`open`] in a folder whose lock the caller has taken already.
pub fn open_locked(
    locked: Locked,
    key: AuditKey,
    if_lost: IfLost,
) -> Result<impl Store + fmt::Debug + use<>, OpenError> {
    let path = locked.folder.join("postern.db");
    drop(folder::private(&path)?);
    let broken = |Failure(cause)| OpenError::Database { path: path.clone(), cause };
    let mut db = connection::writing(&path).map_err(broken)?;
    migrations::migrate(&mut db).map_err(|mismatch| OpenError::of(mismatch, &path))?;
    let chain = Chain::at_end_of(&db, key.clone()).map_err(|unsealed| match unsealed {
        Unsealed::Line(seq) => OpenError::AuditSeal { path: path.clone(), seq },
        Unsealed::Failed(failure) => broken(failure),
    })?;
    let opened = Revocations::open(&locked.folder, key, &db, if_lost)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kind = Sqlite {
        look_ups: Readers::open(&path, cores.clamp(2, 8)).map_err(broken)?,
        lists: Arc::new(Readers::open(&path, 2).map_err(broken)?),
        _locked: locked,
    };
    let started = Writer::start(db, chain, opened);
    let writer = started.map_err(|cause| OpenError::File { path: path.clone(), cause })?;
    Ok(Sql { writer, kind })
}

struct Sqlite {
    look_ups: Readers,
    lists: Arc<Readers>,
    _locked: Locked,
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sqlite")
    }
}

impl Kind for Sqlite {
    type Db = Connection;

    async fn look_up<T: Send + 'static>(
        &self,
        read: impl Fn(&Connection) -> Outcome<T> + Send + 'static,
    ) -> Outcome<T> {
        // Microseconds: to hand it to another thread would take longer.
        self.look_ups.read(read)
    }

    async fn list<T: Send + 'static>(&self, read: impl Fn(&Connection) -> Outcome<T> + Send + 'static) -> Outcome<T> {
        let lists = self.lists.clone();
        let listed = tokio::task::spawn_blocking(move || lists.read(read)).await;
        listed.map_err(|_| Failure::unavailable("the server is stopping: try again when it is back")).flatten()
    }
}

/// Puts the database of a backup into a folder that has none.
pub fn restore(locked: &Locked, backup: &Path) -> Result<(), OpenError> {
    let path = locked.folder.join("postern.db");
    if path.exists() {
        return Err(OpenError::NotEmpty { path });
    }
    let unfinished = locked.folder.join("postern.db.unfinished");
    let failed = |cause| OpenError::File { path: unfinished.clone(), cause };
    let mut into = folder::private(&unfinished)?;
    let mut from = File::open(backup).map_err(|cause| OpenError::File { path: backup.into(), cause })?;
    into.set_len(0).map_err(failed)?;
    std::io::copy(&mut from, &mut into).and_then(|_| into.sync_all()).map_err(failed)?;
    std::fs::rename(&unfinished, &path).map_err(failed)?;
    File::open(&locked.folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

/// The database of a backup, brought to this program's layout in a copy of its
/// own, which goes with this value.
pub(crate) struct Backup {
    pub(crate) db: Connection,
    copy: PathBuf,
}

impl Drop for Backup {
    fn drop(&mut self) {
        for beside in ["", "-wal", "-shm"] {
            let mut name = self.copy.clone().into_os_string();
            name.push(beside);
            let _ = std::fs::remove_file(name);
        }
    }
}

/// Opens the database of a backup.
pub(crate) fn open_backup(locked: &Locked, backup: &Path) -> Result<Backup, OpenError> {
    let copy = locked.folder.join("restoring.db");
    let failed = |cause| OpenError::File { path: copy.clone(), cause };
    drop(folder::private(&copy)?);
    std::fs::copy(backup, &copy).map_err(failed)?;
    let broken = |Failure(cause)| OpenError::Database { path: backup.into(), cause };
    let mut opened = Backup { db: connection::writing(&copy).map_err(broken)?, copy };
    migrations::migrate(&mut opened.db).map_err(|mismatch| OpenError::of(mismatch, backup))?;
    Ok(opened)
}

/// Writes all that `db` holds into a new database at `path`.
pub(crate) fn back_up(db: &impl Db, path: &Path) -> Outcome<()> {
    let taken = |error: OpenError| Failure::unavailable(error);
    if path.exists() {
        return Err(Failure::unavailable(format_args!("{} is there already: name another", path.display())));
    }
    drop(folder::private(path).map_err(taken)?);
    let mut into = connection::writing(path)?;
    migrations::migrate(&mut into).map_err(|mismatch| match mismatch {
        Mismatch::Failed(failure) => failure,
        other => Failure::unavailable(format_args!("a new database is not new: {other:?}")),
    })?;
    db.begin_reading()?;
    let copied = into.transact(&mut |into| copy(db, into));
    db.end_reading()?;
    copied?;
    // One file, whole in itself.
    Ok(into.execute_batch("PRAGMA journal_mode = DELETE")?)
}

/// A new database that is gone with its connection.
#[cfg(test)]
pub(crate) fn in_memory() -> Connection {
    let mut db = Connection::open_in_memory().expect("SQLite opens one in memory");
    assert!(migrations::migrate(&mut db).is_ok());
    db
}
