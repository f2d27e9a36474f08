//! Bytes on disk per credential: its row, its place in every index, its lines of
//! audit. Credentials are issued by the keeper, ten for each account, and the
//! growth of the database is divided by their number.

use std::{path::Path, sync::Arc};

use authority::{Door, Secret};
use futures_util::{StreamExt, TryStreamExt, stream};
use keeper::Keeper;
use rusqlite::Connection;
use store::{
    IfLost,
    postgres::{self, Server},
    sqlite,
};
use tempfile::TempDir;
use testkit::Postgres;

use crate::{
    Extent, Outcome,
    report::{Goal, Line, Unit, tell},
    series::Series,
    site,
};

const PER_ACCOUNT: u64 = 10;
/// So many calls wait at once, as many as a commit takes.
const AT_ONCE: usize = 256;

pub(crate) fn measure(extent: &Extent) -> Outcome<Vec<Line>> {
    let credentials: u64 = if extent.quick { 20_000 } else { 100_000 };
    let runtime = tokio::runtime::Runtime::new()?;
    let mut lines = runtime.block_on(grow("SQLite", &Database::sqlite()?, credentials, 350.0))?;
    lines.extend(runtime.block_on(grow("PostgreSQL", &Database::postgres()?, credentials, 600.0))?);
    Ok(lines)
}

/// A database that can be weighed.
enum Database {
    Sqlite(TempDir),
    Postgres { folder: TempDir, server: Box<Postgres>, url: String },
}

impl Database {
    fn sqlite() -> Outcome<Self> {
        Ok(Self::Sqlite(site::folder()?))
    }

    fn postgres() -> Outcome<Self> {
        let server = Postgres::start(&[]);
        Ok(Self::Postgres { folder: site::folder()?, url: server.database(), server: Box::new(server) })
    }

    async fn open(&self) -> Outcome<Arc<Keeper>> {
        Ok(Arc::new(match self {
            Self::Sqlite(folder) => site::open(folder.path()).await?,
            Self::Postgres { folder, url, .. } => {
                let server = Server::new(url, None, None)?;
                let leased = postgres::lease(server, sqlite::lock(folder.path())?, [1; 16]).await?;
                site::open_over(Box::new(leased.open(site::audit_key(), IfLost::Refuse).await?)).await?
            }
        }))
    }

    /// What it takes on the disk, with everything in its files.
    fn size(&self, keeper: Arc<Keeper>) -> Outcome<u64> {
        drop(Arc::into_inner(keeper).ok_or("the keeper is still in use")?);
        match self {
            Self::Sqlite(folder) => size(folder.path()),
            Self::Postgres { server, .. } => {
                // Rows that were replaced leave room for the next ones, as on a server that runs.
                server.sql("postern0", "VACUUM");
                Ok(server.sql("postern0", "SELECT pg_database_size('postern0')").parse()?)
            }
        }
    }
}

async fn grow(name: &str, database: &Database, credentials: u64, promised: f64) -> Outcome<Vec<Line>> {
    let accounts = credentials / PER_ACCOUNT;
    tell(&format!("disk: {name}, {accounts} accounts"));
    let keeper = database.open().await?;
    let mandates: Vec<_> = stream::iter(0..accounts)
        .map(|number| {
            let keeper = keeper.clone();
            async move { site::account(&keeper, number).await }
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    let without = database.size(keeper)?;

    tell(&format!("disk: {name}, {credentials} credentials"));
    let keeper = database.open().await?;
    let issuing = (0..credentials).map(|number| {
        // Accounts in turns: an owner does not make all of them at once.
        let owner = number % accounts;
        let (keeper, mandate) = (keeper.clone(), &mandates[usize::try_from(owner).unwrap_or(0)]);
        async move { Outcome::Ok((owner, keeper.issue(mandate, site::request()?).await?.secret)) }
    });
    let secrets: Vec<(u64, Secret)> = stream::iter(issuing).buffered(AT_ONCE).try_collect().await?;
    let issued = database.size(keeper)?;

    tell(&format!("disk: {name}, the first use of each"));
    let (keeper, door) = (database.open().await?, Arc::new(site::door()?));
    let using = secrets.iter().map(|(owner, secret)| use_first(keeper.clone(), door.clone(), *owner, secret));
    let () = stream::iter(using).buffered(AT_ONCE).try_collect().await?;
    let used = database.size(keeper)?;

    let each = |bytes: u64| -> Series { [(bytes - without) as f64 / credentials as f64].into_iter().collect() };
    Ok(vec![
        Line::new(format!("bytes on disk per credential, {name}"), each(issued), Unit::Bytes)
            .promised(Goal::AtMost(promised)),
        Line::new("  once it has been used, with that line of audit", each(used), Unit::Bytes)
            .promised(Goal::AtMost(promised)),
    ])
}

async fn use_first(keeper: Arc<Keeper>, door: Arc<Door>, owner: u64, secret: &Secret) -> Outcome<()> {
    site::sign_in(&keeper, &site::login(owner), secret, &door).await
}

/// The database's size with everything in its one file.
fn size(folder: &Path) -> Outcome<u64> {
    let path = folder.join("postern.db");
    let busy: bool = Connection::open(&path)?.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if busy {
        return Err(format!("{} is still in use", path.display()).into());
    }
    Ok(path.metadata()?.len())
}
