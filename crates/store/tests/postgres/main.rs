//! PostgreSQL as the keeper meets it, and as an administrator does.

#![expect(clippy::unwrap_used, reason = "all of this is tests")]

mod contract;
#[path = "../both/crash.rs"]
mod crash;
#[path = "../both/flood.rs"]
mod flood;
mod histories;
mod lease;
#[path = "../both/lock.rs"]
mod lock;
#[path = "../both/restored.rs"]
mod restored;
mod tls;
mod trouble;
#[path = "../both/upgrade.rs"]
mod upgrade;

use std::{
    fs::Permissions,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use keeper::Store;
use lock::lock;
use store::{
    IfLost,
    postgres::{self, Leased, OpenError, Server},
};
use tempfile::TempDir;
use testkit::Postgres;

/// A data folder: each is another place.
fn folder() -> TempDir {
    tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir().unwrap()
}

/// Run number `run`, in this folder.
async fn lease(url: &str, folder: &impl AsRef<Path>, run: u8) -> Result<Leased, OpenError> {
    let server = Server::new(url, None, None).unwrap();
    postgres::lease(server, lock(folder.as_ref()), [run; 16]).await
}

async fn open(url: &str, folder: &TempDir, run: u8) -> impl Store + std::fmt::Debug + use<> {
    lease(url, folder, run).await.unwrap().open(testkit::contract::key(), store::IfLost::Refuse).await.unwrap()
}

fn database() -> String {
    Postgres::shared().database()
}

/// A data folder and a database, as the tests of restoring need them.
struct Site {
    folder: PathBuf,
    database: String,
    _kept: Option<TempDir>,
}

impl Site {
    fn new() -> Self {
        let folder = folder();
        Self { folder: folder.path().to_owned(), database: database(), _kept: Some(folder) }
    }

    /// The site of the process that started this one.
    fn inherited() -> Self {
        let folder = std::env::var_os("POSTERN_TEST_FOLDER").unwrap().into();
        Self { folder, database: std::env::var("POSTERN_TEST_DATABASE").unwrap(), _kept: None }
    }

    /// Handed on to a process that is started.
    fn hand_on(&self, to: &mut std::process::Command) {
        to.env("POSTERN_TEST_FOLDER", &self.folder).env("POSTERN_TEST_DATABASE", &self.database);
    }

    fn folder(&self) -> &Path {
        &self.folder
    }

    async fn open(&self, run: u8) -> Box<dyn Store> {
        self.open_if_lost(run, IfLost::Refuse).await
    }

    async fn open_if_lost(&self, run: u8, if_lost: IfLost) -> Box<dyn Store> {
        let leased = lease(&self.database, &self.folder, run).await.unwrap();
        Box::new(leased.open(testkit::contract::key(), if_lost).await.unwrap())
    }

    async fn refused(&self, run: u8) -> String {
        let leased = lease(&self.database, &self.folder, run).await.unwrap();
        leased.open(testkit::contract::key(), IfLost::Refuse).await.unwrap_err().to_string()
    }

    /// What a shell at the database would answer.
    fn sql(&self, sql: &str) -> String {
        Postgres::shared().sql(self.name(), sql)
    }

    fn name(&self) -> &str {
        name(&self.database)
    }

    /// Another database that is as this is now: its name.
    fn copy(&self) -> String {
        let copy = format!("{}_copy", self.name());
        // It has to be alone with it.
        let cut =
            format!("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{}'", self.name());
        Postgres::shared().sql("postgres", &cut);
        Postgres::shared().sql("postgres", &format!("CREATE DATABASE {copy} TEMPLATE {}", self.name()));
        copy
    }

    /// Octets that the database takes.
    fn size(&self) -> u64 {
        let sql = format!("SELECT pg_database_size('{}')", self.name());
        Postgres::shared().sql("postgres", &sql).parse().unwrap()
    }

    fn restore(self, copy: String) -> Self {
        Self { database: Postgres::shared().url(&copy), ..self }
    }
}

/// The name of the database in its URL.
fn name(url: &str) -> &str {
    url.split("@/").nth(1).unwrap().split('?').next().unwrap()
}
