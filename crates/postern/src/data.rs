//! The data folder, and the keeper that is opened over the database and the keys
//! in it.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
};

use authority::AppPasswordRules;
use keeper::{HashCost, Keeper, Keys, RotationError, Site, Store, StoreError, SystemClock};
use rand_core::{Rng, UnwrapErr};
use store::{IfLost, postgres, sqlite};

use crate::{config::Config, key_files};

/// Why the data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataError {
    #[error("{}: {source}: let Postern's user own the folder, and nobody else read it", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{} is readable by others: chmod 600 it, and consider the keys known to who could read it", .0.display())]
    Readable(PathBuf),
    #[error(
        "{} belongs to the user with id {owner}: run this as that user (`setpriv --reuid {owner} --regid {owner} --clear-groups postern ...`), \
         since what root makes there the server could not open", path.display()
    )]
    NotOurs { path: PathBuf, owner: u32 },
    #[error("{} does not hold {length} bytes: put it back from the backup that belongs to this database", path.display())]
    NotAKey { path: PathBuf, length: usize },
    #[error(
        "{} is missing, and the database is not new: put it back from the backup that belongs to this database; \
         without it no app password, second factor or audit line can be checked", .0.display()
    )]
    KeyMissing(PathBuf),
    #[error(transparent)]
    Folder(#[from] sqlite::OpenError),
    #[error(transparent)]
    Database(#[from] postgres::OpenError),
    #[error("[store] {0}")]
    Server(#[from] postgres::NotAServer),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Rotation(#[from] RotationError),
}

/// The system's randomness: the one source of every secret.
pub(crate) fn randomness() -> UnwrapErr<getrandom::SysRng> {
    UnwrapErr(getrandom::SysRng)
}

/// Makes the folder, mode 0700, unless it is there.
pub(crate) fn make_folder(path: &Path) -> Result<(), DataError> {
    let io = |source| DataError::Io { path: path.into(), source };
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io)
}

/// Opens the store and takes charge of it. Only one process can.
pub(crate) async fn open(config: &Config) -> Result<Keeper, DataError> {
    open_with(config, None, IfLost::Refuse).await
}

/// Opens the store although its file of revocations is lost.
pub(crate) async fn open_without_revocations(config: &Config) -> Result<Keeper, DataError> {
    open_with(config, None, IfLost::BeginAnew).await
}

/// Opens a store that has nothing in it yet with all that is in a backup.
pub(crate) async fn restore(config: &Config, backup: &Path, if_lost: IfLost) -> Result<Keeper, DataError> {
    open_with(config, Some(backup), if_lost).await
}

async fn open_with(config: &Config, backup: Option<&Path>, if_lost: IfLost) -> Result<Keeper, DataError> {
    make_folder(&config.data)?;
    ours(&config.data)?;
    // Before the keys: two first commands at once would make different ones.
    let locked = sqlite::lock(&config.data)?;
    let (store, keys): (Box<dyn Store>, Keys) = match &config.store {
        None => {
            if let Some(backup) = backup {
                sqlite::restore(&locked, backup)?;
            }
            let keys = key_files::read(&config.data, !config.data.join("postern.db").exists())?;
            (Box::new(sqlite::open_locked(locked, keys.audit().clone(), if_lost)?), keys)
        }
        Some(database) => {
            let mut run = [0; 16];
            randomness().fill_bytes(&mut run);
            let mut leased = postgres::lease(database.server()?, locked, run).await?;
            if let Some(backup) = backup {
                leased = leased.restore(backup).await?;
            }
            let keys = key_files::read(&config.data, leased.is_new)?;
            (Box::new(leased.open(keys.audit().clone(), if_lost).await?), keys)
        }
    };
    let site = Site {
        domain: config.domain.clone(),
        issuer: config.url.host().to_owned(),
        cutoff: config.cutoff.mode,
        rules: AppPasswordRules {
            limit: config.app_passwords.limit,
            first_use_within: config.app_passwords.first_use_within.0,
            sessions: config.app_passwords.sessions,
        },
        hash_cost: HashCost::default(),
        apps: config.catalogue.clone(),
    };
    let keeper = Keeper::new(site, store, keys, Box::new(SystemClock), Box::new(randomness())).await?;
    keeper.tend_keys().await?;
    Ok(keeper)
}

/// Root could open everything, and would leave files that the server's own user
/// cannot: an administrator's first command must not keep the server from starting.
fn ours(folder: &Path) -> Result<(), DataError> {
    let owner = fs::metadata(folder).map_err(|source| DataError::Io { path: folder.into(), source })?.uid();
    if rustix::process::geteuid().is_root() && owner != 0 {
        return Err(DataError::NotOurs { path: folder.into(), owner });
    }
    Ok(())
}
