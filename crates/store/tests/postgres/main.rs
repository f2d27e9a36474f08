//! PostgreSQL as the keeper meets it, and as an administrator does.

#![expect(clippy::unwrap_used, reason = "all of this is tests")]

mod contract;
mod lease;
mod tls;
mod trouble;

use std::{fs::Permissions, os::unix::fs::PermissionsExt};

use keeper::Store;
use store::{
    postgres::{self, Leased, OpenError, Server},
    sqlite,
};
use tempfile::TempDir;
use testkit::Postgres;

/// A data folder: each is another place.
fn folder() -> TempDir {
    tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir().unwrap()
}

/// Run number `run`, in this folder.
async fn lease(url: &str, folder: &TempDir, run: u8) -> Result<Leased, OpenError> {
    let server = Server::new(url, None, None).unwrap();
    postgres::lease(server, sqlite::lock(folder.path()).unwrap(), [run; 16]).await
}

async fn open(url: &str, folder: &TempDir, run: u8) -> impl Store + std::fmt::Debug + use<> {
    lease(url, folder, run).await.unwrap().open(testkit::contract::key()).await.unwrap()
}

fn database() -> String {
    Postgres::shared().database()
}
