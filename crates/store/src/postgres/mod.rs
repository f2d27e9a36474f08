//! A PostgreSQL database as the store.
//!
//! One thread owns the connection that writes and commits what waits in groups,
//! each group counting on the [lease](lease()) by which one server at a time
//! works on a database. Reading has connections of its own, to the same server:
//! what was acknowledged is seen.

mod failure;
mod leader;
mod lease;
mod migrations;
mod readers;
mod server;
mod session;

use std::{fmt, path::Path, sync::Arc};

use authority::AuditKey;
use keeper::{Store, StoreError, Tenure};

pub use server::{NotAServer, Server};

use crate::{
    chain::{Chain, Unsealed},
    copy::copy,
    database::Writable,
    failure::{Failure, Outcome},
    migrations::Mismatch,
    revocations::{IfLost, Revocations, RevocationsError},
    sqlite::{self, Locked},
    store::{Kind, Sql},
    writer::Writer,
};
use leader::Leader;
use lease::{Applicant, Trust};
use readers::Readers;
use session::Session;

/// Connections for look-ups, of which most are answered by the keeper's cache.
const LOOK_UPS: usize = 8;
/// Connections for lists.
const LISTS: usize = 2;

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// One server per database.
    #[error(
        "another Postern ({who}) works on this database: stop it first; one that has died is replaced after half a minute"
    )]
    InUse {
        /// Where it runs, as it said.
        who: String,
    },
    /// Not a database of this program.
    #[error(
        "the database {name} holds tables that are not Postern's: give Postern a database, or a schema, of its own"
    )]
    Foreign {
        /// The database.
        name: String,
    },
    /// A later version has worked on it.
    #[error(
        "the database {name} was written by a newer version of Postern (it has {newest}): install that version, or restore the backup made before it"
    )]
    Newer {
        /// The database.
        name: String,
        /// The newest migration in it.
        newest: String,
    },
    /// A build of the same number but another text has worked on it.
    #[error(
        "the database {name} was made by another build of Postern, whose migration {migration} differs: use that build, or restore a backup"
    )]
    Altered {
        /// The database.
        name: String,
        /// The migration that differs.
        migration: &'static str,
    },
    /// The newest line of audit does not bear our seal.
    #[error(
        "line {seq} of the audit log in {name} is not sealed by the key in the data folder: put back the keys from the backup that belongs to this database; if they are the right ones, somebody changed the log"
    )]
    AuditSeal {
        /// The database.
        name: String,
        /// The newest line.
        seq: u64,
    },
    /// It cannot be reached or brought up to date.
    #[error("the database {name}: {cause}")]
    Database {
        /// The database.
        name: String,
        /// What went wrong.
        cause: StoreError,
    },
    /// A backup is restored where nothing is.
    #[error("the database {name} is not empty: make a new one, and name it in [store] url")]
    NotEmpty {
        /// The database.
        name: String,
    },
    /// The backup cannot be read.
    #[error(transparent)]
    Backup(#[from] sqlite::OpenError),
    /// The file of revocations does not fit the database.
    #[error(transparent)]
    Revocations(#[from] RevocationsError),
    /// The machine does not play its part.
    #[error("{0}: check the limit of processes, and that /proc is there")]
    Machine(#[from] std::io::Error),
}

/// A database that was reached, leased and brought up to date.
pub struct Leased {
    leader: Leader,
    locked: Locked,
    /// True if there was nothing in it: no key belongs to it yet.
    pub is_new: bool,
}

impl fmt::Debug for Leased {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Leased({:?})", self.leader.server)
    }
}

/// Reaches the database, takes its lease, and applies the migrations it lacks.
/// Takes half a minute where another machine, or data folder, held the lease
/// and has died. `run` is drawn anew for each call.
pub async fn lease(server: Server, locked: Locked, run: [u8; 16]) -> Result<Leased, OpenError> {
    let leasing = tokio::task::spawn_blocking(move || leased(server, locked, run));
    leasing.await.map_err(std::io::Error::other)?
}

fn leased(server: Server, locked: Locked, run: [u8; 16]) -> Result<Leased, OpenError> {
    let applicant = Applicant::of(&locked, run)?;
    let name = server.name();
    let mismatch = |mismatch| match mismatch {
        Mismatch::Foreign => OpenError::Foreign { name: name.clone() },
        Mismatch::Newer(newest) => OpenError::Newer { name: name.clone(), newest },
        Mismatch::Altered(migration) => OpenError::Altered { name: name.clone(), migration },
        Mismatch::Failed(Failure(cause)) => OpenError::Database { name: name.clone(), cause },
    };
    let session = Session::connect(&server).map_err(|failure| mismatch(failure.into()))?;
    migrations::begin(&session).map_err(mismatch)?;
    lease::take(&session, &applicant).map_err(|not_taken| match not_taken {
        lease::NotTaken::InUse(who) => OpenError::InUse { who },
        lease::NotTaken::Failed(failure) => mismatch(failure.into()),
    })?;
    let trust = Arc::new(Trust::default());
    let mut leader = Leader { server, session, run: applicant.run, commits: 0, is_unsettled: false, trust };
    let is_new = migrations::migrate(&mut leader).map_err(mismatch)?;
    Ok(Leased { leader, locked, is_new })
}

impl Leased {
    /// Fills the database, which must be new, with all that is in a backup.
    pub async fn restore(self, backup: &Path) -> Result<Self, OpenError> {
        let backup = backup.to_owned();
        tokio::task::spawn_blocking(move || self.restored(&backup)).await.map_err(std::io::Error::other)?
    }

    fn restored(mut self, backup: &Path) -> Result<Self, OpenError> {
        let name = self.leader.server.name();
        if !self.is_new {
            return Err(OpenError::NotEmpty { name });
        }
        let from = sqlite::open_backup(&self.locked, backup)?;
        let filled = self.leader.transact(&mut |session| {
            copy(&from.db, session)?;
            // What is numbered goes on behind what came with its numbers.
            ["account", "app_password", "door"].iter().try_for_each(|table| {
                session.batch(&format!(
                    "SELECT setval(pg_get_serial_sequence('{table}', 'no'), 1 + coalesce(max(no), 0), false) FROM {table}"
                ))
            })
        });
        filled.map_err(|undone| OpenError::Database { name, cause: Failure::from(undone).0 })?;
        // Keys belong to it now.
        Ok(Self { is_new: false, ..self })
    }

    /// The store. `key` seals the audit chain. Dropped, the store finishes what
    /// was asked for, and gives back the lease and the folder.
    pub async fn open(self, key: AuditKey, if_lost: IfLost) -> Result<impl Store + fmt::Debug + use<>, OpenError> {
        let opening = tokio::task::spawn_blocking(move || self.opened(key, if_lost));
        let store = opening.await.map_err(std::io::Error::other)??;
        tokio::spawn(store.writer.beating(lease::BEAT));
        Ok(store)
    }

    fn opened(self, key: AuditKey, if_lost: IfLost) -> Result<Sql<Postgres>, OpenError> {
        let Self { leader, locked, .. } = self;
        let name = leader.server.name();
        let chain = Chain::at_end_of(&leader.session, key.clone()).map_err(|unsealed| match unsealed {
            Unsealed::Line(seq) => OpenError::AuditSeal { name, seq },
            Unsealed::Failed(Failure(cause)) => OpenError::Database { name, cause },
        })?;
        let opened = Revocations::open(&locked.folder, key, &leader.session, if_lost)?;
        let kind = Postgres {
            look_ups: Readers::new(&leader.server, LOOK_UPS),
            lists: Readers::new(&leader.server, LISTS),
            trust: leader.trust.clone(),
            _locked: locked,
        };
        let writer = Writer::start(leader, chain, opened)?;
        Ok(Sql { writer, kind })
    }
}

struct Postgres {
    look_ups: Readers,
    lists: Readers,
    trust: Arc<Trust>,
    _locked: Locked,
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Postgres")
    }
}

impl Kind for Postgres {
    type Db = Session;

    async fn look_up<T: Send + 'static>(&self, read: impl Fn(&Session) -> Outcome<T> + Send + 'static) -> Outcome<T> {
        self.look_ups.read(read).await
    }

    async fn list<T: Send + 'static>(&self, read: impl Fn(&Session) -> Outcome<T> + Send + 'static) -> Outcome<T> {
        self.lists.read(read).await
    }

    fn tenure(&self) -> Tenure {
        self.trust.tenure()
    }
}
