//! The embedded store: `postern.db` in the data folder.
//!
//! One thread owns the connection that writes and commits what waits in groups;
//! look-ups run where they are asked for, on connections that only read; lists
//! run where blocking is allowed. WAL with `synchronous=FULL`: what was
//! acknowledged survives the process and the power.

mod connection;
mod failure;
mod folder;
mod migrations;
mod readers;

use std::{fmt, path::Path, sync::Arc};

use authority::AuditKey;
use keeper::Store;
use rusqlite::Connection;

pub use folder::{Locked, OpenError, lock};

use crate::{
    chain::{Chain, Unsealed},
    failure::{Failure, Outcome},
    migrations::Mismatch,
    store::{Kind, Sql},
    writer::Writer,
};
use readers::Readers;

/// Opens the store in this folder, which must exist and be ours alone, and makes
/// or brings up to date its database. `key` seals the audit chain. Dropped, the
/// store lets go of the folder.
pub fn open(folder: &Path, key: AuditKey) -> Result<impl Store + fmt::Debug + use<>, OpenError> {
    open_locked(lock(folder)?, key)
}

/// [`open`] in a folder whose lock the caller has taken already.
pub fn open_locked(locked: Locked, key: AuditKey) -> Result<impl Store + fmt::Debug + use<>, OpenError> {
    let path = locked.folder.join("postern.db");
    drop(folder::private(&path)?);
    let broken = |Failure(cause)| OpenError::Database { path: path.clone(), cause };
    let mut db = connection::writing(&path).map_err(broken)?;
    migrations::migrate(&mut db).map_err(|mismatch| match mismatch {
        Mismatch::Foreign => OpenError::Foreign { path: path.clone() },
        Mismatch::Newer(newest) => OpenError::Newer { path: path.clone(), newest },
        Mismatch::Altered(migration) => OpenError::Altered { path: path.clone(), migration },
        Mismatch::Failed(failure) => broken(failure),
    })?;
    let chain = Chain::at_end_of(&db, key).map_err(|unsealed| match unsealed {
        Unsealed::Line(seq) => OpenError::AuditSeal { path: path.clone(), seq },
        Unsealed::Failed(failure) => broken(failure),
    })?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kind = Sqlite {
        look_ups: Readers::open(&path, cores.clamp(2, 8)).map_err(broken)?,
        lists: Arc::new(Readers::open(&path, 2).map_err(broken)?),
        _locked: locked,
    };
    let writer = Writer::start(db, chain).map_err(|cause| OpenError::File { path: path.clone(), cause })?;
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

/// A new database that is gone with its connection.
#[cfg(test)]
pub(crate) fn in_memory() -> Connection {
    let mut db = Connection::open_in_memory().expect("SQLite opens one in memory");
    assert!(migrations::migrate(&mut db).is_ok());
    db
}
