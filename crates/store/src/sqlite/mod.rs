//! The embedded store: `postern.db` in the data folder.
//!
//! One thread owns the connection that writes and commits what waits in groups
//! (`writer.rs`); look-ups run where they are asked for, on connections that
//! only read; lists run where blocking is allowed. WAL with `synchronous=FULL`:
//! what was acknowledged survives the process and the power.

mod accounts;
mod app_passwords;
mod chain;
mod failure;
mod folder;
mod journal;
mod line;
mod migrations;
mod readers;
mod rows;
mod writer;

use std::{path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use authority::{
    Account, AccountId, AppPassword, AppPasswordId, AuditKey, Entry, Login, Primary, SealedEntry, SecondFactor,
    Standing, Timestamp, Use,
};
use keeper::{Added, Digest, Factors, Issued, Listed, NewAccount, Refused, SetUpOffer, Spent, Store, Stored};
use rusqlite::{Connection, OpenFlags, config::DbConfig};

pub use folder::{Locked, OpenError, lock};

use chain::{Chain, Unsealed};
use failure::{Failure, Outcome};
use migrations::Mismatch;
use readers::Readers;
use writer::{Write, Writer};

/// How long to wait for a program that holds the database: a copy being made, a
/// person with a shell.
const PATIENCE: Duration = Duration::from_secs(5);

/// A store in a data folder. Dropped, it finishes what was asked for, then
/// lets go of the folder.
pub struct Sqlite {
    // In this order: the lock is given back when nobody writes any more.
    writer: Writer,
    look_ups: Readers,
    lists: Arc<Readers>,
    _locked: Locked,
}

impl std::fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sqlite")
    }
}

impl Sqlite {
    /// Opens the store in this folder, which must exist and be ours alone, and
    /// makes or brings up to date its database. `key` seals the audit chain.
    pub fn open(folder: &Path, key: AuditKey) -> Result<Self, OpenError> {
        Self::open_locked(lock(folder)?, key)
    }

    /// [`Sqlite::open`] in a folder whose lock the caller has taken already.
    pub fn open_locked(locked: Locked, key: AuditKey) -> Result<Self, OpenError> {
        let path = locked.folder.join("postern.db");
        drop(folder::private(&path)?);
        let broken = |Failure(cause)| OpenError::Database { path: path.clone(), cause };
        let mut db = connect(&path).map_err(broken)?;
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
        Ok(Self {
            writer: Writer::start(db, chain).map_err(|cause| OpenError::File { path: path.clone(), cause })?,
            look_ups: Readers::open(&path, cores.clamp(2, 8)).map_err(broken)?,
            lists: Arc::new(Readers::open(&path, 2).map_err(broken)?),
            _locked: locked,
        })
    }

    fn look_up<T>(&self, read: impl FnOnce(&Connection) -> Outcome<T>) -> Stored<T> {
        self.look_ups.read(read).map_err(|Failure(error)| error)
    }

    async fn list<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Outcome<T> + Send + 'static,
    ) -> Stored<T> {
        let lists = self.lists.clone();
        let listed = tokio::task::spawn_blocking(move || lists.read(read)).await;
        let stopped = |_| Failure::unavailable("the server is stopping: try again when it is back");
        listed.map_err(stopped).flatten().map_err(|Failure(error)| error)
    }

    async fn write<T, F>(&self, act: F) -> Stored<T>
    where
        T: Send + 'static,
        F: Fn(&mut Write<'_>) -> Outcome<T> + Send + 'static,
    {
        self.writer.run(act).await
    }
}

/// The connection that writes.
fn connect(path: &Path) -> Outcome<Connection> {
    let db = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    db.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = ON;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -32768;
         PRAGMA journal_size_limit = 67108864;",
    )?;
    Ok(db)
}

fn open(path: &Path, flags: OpenFlags) -> Outcome<Connection> {
    let db = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.busy_timeout(PATIENCE)?;
    // Without this promise SQLite plans a statement anew for each value that is
    // bound to it, which costs ten times the look-up.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    db.execute_batch("PRAGMA trusted_schema = OFF")?;
    db.set_prepared_statement_cache_capacity(64);
    Ok(db)
}

#[async_trait]
impl Store for Sqlite {
    async fn account_by_login(&self, login: &Login) -> Stored<Option<Account>> {
        self.look_up(|db| accounts::by_login(db, login))
    }

    async fn account(&self, id: AccountId) -> Stored<Option<Account>> {
        self.look_up(|db| accounts::by_id(db, id))
    }

    async fn app_password_by_digest(&self, digest: &Digest) -> Stored<Option<AppPassword>> {
        self.look_up(|db| app_passwords::by_digest(db, digest))
    }

    async fn accounts(&self) -> Stored<Vec<Account>> {
        self.list(accounts::all).await
    }

    async fn app_passwords(&self, account: AccountId) -> Stored<Vec<Listed>> {
        self.list(move |db| app_passwords::of_account(db, account)).await
    }

    async fn app_password(&self, id: AppPasswordId) -> Stored<Option<Listed>> {
        self.look_up(|db| app_passwords::by_id(db, id))
    }

    async fn refusals(&self, account: AccountId, since: Timestamp) -> Stored<Vec<Refused>> {
        self.list(move |db| journal::refusals(db, account, since)).await
    }

    async fn recovery_codes_left(&self, account: AccountId) -> Stored<usize> {
        self.look_up(|db| accounts::recovery_codes_left(db, account))
    }

    async fn audit(&self, after: u64, limit: usize) -> Stored<Vec<SealedEntry>> {
        self.list(move |db| rows::audit(db, after, limit)).await
    }

    async fn newest(&self) -> Stored<Option<Timestamp>> {
        self.look_up(rows::newest)
    }

    async fn add_account(&self, new: &NewAccount, entry: &Entry) -> Stored<Added> {
        let NewAccount { account, recovery, set_up } = new;
        let new = NewAccount { account: account.clone(), recovery: recovery.clone(), set_up: *set_up };
        let entry = entry.clone();
        self.write(move |write| accounts::add(write, &new, &entry)).await
    }

    async fn remove_account(&self, id: AccountId, entry: &Entry) -> Stored<bool> {
        let entry = entry.clone();
        self.write(move |write| accounts::remove(write, id, &entry)).await
    }

    async fn set_standing(&self, id: AccountId, standing: Standing, entry: &Entry) -> Stored<bool> {
        let entry = entry.clone();
        self.write(move |write| accounts::set_standing(write, id, standing, &entry)).await
    }

    async fn change_primary(
        &self,
        id: AccountId,
        epoch: u64,
        primary: &Primary,
        entry: &Entry,
    ) -> Stored<Option<Vec<AppPasswordId>>> {
        let (primary, entry) = (primary.clone(), entry.clone());
        self.write(move |write| accounts::change_primary(write, id, epoch, &primary, &entry)).await
    }

    async fn reset(&self, id: AccountId, offer: &SetUpOffer, entry: &Entry) -> Stored<Option<Vec<AppPasswordId>>> {
        let (offer, entry) = (*offer, entry.clone());
        self.write(move |write| accounts::reset(write, id, &offer, &entry)).await
    }

    async fn set_up_is_open(&self, id: AccountId, digest: &Digest, now: Timestamp) -> Stored<bool> {
        self.look_up(|db| accounts::set_up_is_open(db, id, digest, now))
    }

    async fn set_up(&self, id: AccountId, digest: &Digest, factors: &Factors, entry: &Entry) -> Stored<bool> {
        let Factors { primary, second_factor, recovery } = factors;
        let factors =
            Factors { primary: primary.clone(), second_factor: second_factor.clone(), recovery: recovery.clone() };
        let (digest, entry) = (*digest, entry.clone());
        self.write(move |write| accounts::set_up(write, id, &digest, &factors, &entry)).await
    }

    async fn enrol(
        &self,
        id: AccountId,
        second_factor: &SecondFactor,
        recovery: &[Digest],
        entry: &Entry,
    ) -> Stored<bool> {
        let (second_factor, recovery, entry) = (second_factor.clone(), recovery.to_vec(), entry.clone());
        self.write(move |write| accounts::enrol(write, id, &second_factor, &recovery, &entry)).await
    }

    async fn replace_second_factor(
        &self,
        id: AccountId,
        epoch: u64,
        second_factor: &SecondFactor,
        recovery: &[Digest],
        entry: &Entry,
    ) -> Stored<bool> {
        let (factor, recovery, entry) = (second_factor.clone(), recovery.to_vec(), entry.clone());
        self.write(move |write| accounts::replace_second_factor(write, id, epoch, &factor, &recovery, &entry)).await
    }

    async fn spend(&self, id: AccountId, spent: Spent, entry: &Entry) -> Stored<bool> {
        let entry = entry.clone();
        self.write(move |write| accounts::spend(write, id, spent, &entry)).await
    }

    async fn renew_recovery_codes(&self, id: AccountId, recovery: &[Digest], entry: &Entry) -> Stored<bool> {
        let (recovery, entry) = (recovery.to_vec(), entry.clone());
        self.write(move |write| accounts::renew_recovery_codes(write, id, &recovery, &entry)).await
    }

    async fn issue(&self, password: &AppPassword, digest: &Digest, limit: usize, entry: &Entry) -> Stored<Issued> {
        let (password, digest, entry) = (password.clone(), *digest, entry.clone());
        self.write(move |write| app_passwords::issue(write, &password, &digest, limit, &entry)).await
    }

    async fn revoke(&self, account: AccountId, id: AppPasswordId, entry: &Entry) -> Stored<bool> {
        let entry = entry.clone();
        self.write(move |write| app_passwords::revoke(write, account, id, &entry)).await
    }

    async fn revoke_all(&self, account: AccountId, entry: &Entry) -> Stored<Vec<AppPasswordId>> {
        let entry = entry.clone();
        self.write(move |write| app_passwords::revoke_all(write, account, &entry)).await
    }

    async fn record_first_use(&self, id: AppPasswordId, first: &Use, entry: &Entry) -> Stored<bool> {
        let (first, entry) = (first.clone(), entry.clone());
        self.write(move |write| app_passwords::record_first_use(write, id, &first, &entry)).await
    }

    async fn record_uses(&self, uses: &[(AppPasswordId, Use)]) -> Stored<()> {
        let uses = uses.to_vec();
        self.write(move |write| uses.iter().try_for_each(|(id, used)| journal::record_use(write, *id, used))).await
    }

    async fn record_refusals(&self, refused: &[Refused]) -> Stored<()> {
        let refused = refused.to_vec();
        self.write(move |write| refused.iter().try_for_each(|one| journal::record_refusal(write, one))).await
    }

    async fn record(&self, entry: &Entry) -> Stored<()> {
        let entry = entry.clone();
        self.write(move |write| write.log(&entry)).await
    }
}
