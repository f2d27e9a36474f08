//! Bytes on disk per credential: its row, its place in every index, its lines of
//! audit. Credentials are issued by the keeper, ten for each account, and the
//! growth of the database is divided by their number.

use std::{path::Path, sync::Arc};

use authority::{Door, Secret};
use futures_util::{StreamExt, TryStreamExt, stream};
use keeper::Keeper;
use rusqlite::Connection;

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
    tokio::runtime::Runtime::new()?.block_on(grow(credentials))
}

async fn grow(credentials: u64) -> Outcome<Vec<Line>> {
    let folder = site::folder()?;
    let accounts = credentials / PER_ACCOUNT;
    tell(&format!("disk: {accounts} accounts"));
    let keeper = Arc::new(site::open(folder.path()).await?);
    let mandates: Vec<_> = stream::iter(0..accounts)
        .map(|number| {
            let keeper = keeper.clone();
            async move { site::account(&keeper, number).await }
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    let without = size(keeper, folder.path())?;

    tell(&format!("disk: {credentials} credentials"));
    let keeper = Arc::new(site::open(folder.path()).await?);
    let issuing = (0..credentials).map(|number| {
        // Accounts in turns: an owner does not make all of them at once.
        let owner = number % accounts;
        let (keeper, mandate) = (keeper.clone(), &mandates[usize::try_from(owner).unwrap_or(0)]);
        async move { Outcome::Ok((owner, keeper.issue(mandate, site::request()?).await?.secret)) }
    });
    let secrets: Vec<(u64, Secret)> = stream::iter(issuing).buffered(AT_ONCE).try_collect().await?;
    let issued = size(keeper, folder.path())?;

    tell("disk: the first use of each");
    let (keeper, door) = (Arc::new(site::open(folder.path()).await?), Arc::new(site::door()?));
    let using = secrets.iter().map(|(owner, secret)| use_first(keeper.clone(), door.clone(), *owner, secret));
    let () = stream::iter(using).buffered(AT_ONCE).try_collect().await?;
    let used = size(keeper, folder.path())?;

    let each = |bytes: u64| -> Series { [(bytes - without) as f64 / credentials as f64].into_iter().collect() };
    Ok(vec![
        Line::new("bytes on disk per credential, SQLite", each(issued), Unit::Bytes).promised(Goal::AtMost(350.0)),
        Line::new("  once it has been used, with that line of audit", each(used), Unit::Bytes)
            .promised(Goal::AtMost(350.0)),
    ])
}

async fn use_first(keeper: Arc<Keeper>, door: Arc<Door>, owner: u64, secret: &Secret) -> Outcome<()> {
    site::sign_in(&keeper, &site::login(owner), secret, &door).await
}

/// The database's size with everything in its one file.
fn size(keeper: Arc<Keeper>, folder: &Path) -> Outcome<u64> {
    drop(Arc::into_inner(keeper).ok_or("the keeper is still in use")?);
    let path = folder.join("postern.db");
    let busy: bool = Connection::open(&path)?.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if busy {
        return Err(format!("{} is still in use", path.display()).into());
    }
    Ok(path.metadata()?.len())
}
