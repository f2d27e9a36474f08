//! A backup: a folder with all that is kept, as an SQLite database whatever the
//! store is, and the keys that belong to it.
//!
//! What it does not hold: the drive's files, and `data/revocations`, which has to
//! stay where it is. Restored, a backup is brought up to that file.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use authority::Standing;
use keeper::{Keeper, Retiring};
use rand_core::Rng;
use serde_json::{Value, json};
use store::{IfLost, RevocationsError};

use crate::{
    config::Config,
    control::socket,
    data::{self, DataError},
    key_files::{self, KEYS, OLD},
};

/// Where a backup stands in the data folder until it is brought out.
const OUTGOING: &str = "outgoing";

/// Why there is no backup, or why it was not restored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackupError {
    #[error("{} is there already: name a folder that is not", .0.display())]
    Taken(PathBuf),
    #[error("{} is no backup: name the folder that `postern backup` made", .0.display())]
    NotABackup(PathBuf),
    #[error("{}: {source}: it must be writable for the user that Postern runs as", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("a server runs on this site: stop it first")]
    Running,
    #[error("{} is another key than the backup's: move data/keys away if the backup is of this site", .0.display())]
    OtherKey(PathBuf),
    #[error(transparent)]
    Lost(RevocationsError),
    #[error(transparent)]
    Data(#[from] DataError),
}

/// Makes a backup within the data folder: a server that is confined can write
/// nowhere else. Whoever asked for it [brings](bring) it out.
pub(crate) async fn make(keeper: &Keeper, config: &Config) -> Result<Value, BackupError> {
    let mut name = [0; 8];
    data::randomness().fill_bytes(&mut name);
    let folder = config.data.join(OUTGOING).join(data_encoding::HEXLOWER.encode(&name));
    data::make_folder(&folder)?;
    let filled = fill(keeper, config, &folder).await;
    if filled.is_err() {
        // It holds keys.
        let _ = fs::remove_dir_all(&folder);
    }
    Ok(json!({ "backup": folder, "accounts": filled? }))
}

async fn fill(keeper: &Keeper, config: &Config, folder: &Path) -> Result<usize, BackupError> {
    data::make_folder(&folder.join("keys"))?;
    // Or the database would come to lie beside keys that it does not belong to.
    let _as_they_are = keeper.hold_keys().await;
    keeper.back_up(&folder.join("postern.db")).await.map_err(DataError::Store)?;
    for key in KEYS.into_iter().chain(has_old(&config.data)) {
        let from = config.data.join("keys").join(key);
        key_files::copy(&from, &folder.join("keys").join(key)).map_err(at(&from))?;
    }
    Ok(keeper.accounts().await.map_err(DataError::Store)?.len())
}

/// Refuses a folder that is there already.
pub(crate) fn untaken(folder: &Path) -> Result<(), BackupError> {
    if folder.exists() { Err(BackupError::Taken(folder.into())) } else { Ok(()) }
}

/// Brings a backup out of the data folder to where it was asked for.
pub(crate) fn bring(made: &Path, folder: &Path) -> Result<(), BackupError> {
    if let Some(above) = folder.parent() {
        data::make_folder(above)?;
    }
    let brought = match fs::rename(made, folder) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            copy(made, folder).inspect_err(|_| drop(fs::remove_dir_all(folder)))
        }
        moved => moved.map_err(at(folder)),
    };
    // Gone already, if it was moved; it must not stay where nobody looks for keys.
    let _ = fs::remove_dir_all(made);
    brought
}

fn copy(made: &Path, folder: &Path) -> Result<(), BackupError> {
    for part in ["", "keys"] {
        let (from, to) = (made.join(part), folder.join(part));
        data::make_folder(&to)?;
        for entry in fs::read_dir(&from).map_err(at(&from))? {
            let file = entry.map_err(at(&from))?.path();
            if let Some(name) = file.file_name().filter(|_| file.is_file()) {
                let to = to.join(name);
                let copied = fs::copy(&file, &to).and_then(|_| File::open(&to)?.sync_all());
                copied.map_err(at(&to))?;
            }
        }
        File::open(&to).and_then(|folder| folder.sync_all()).map_err(at(&to))?;
    }
    Ok(())
}

/// Wipes what commands that were killed have left of their backups.
pub(crate) fn wipe_leftovers(config: &Config) {
    let _ = fs::remove_dir_all(config.data.join(OUTGOING));
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::Io { path, source }
}

/// Opens the store as it is, without the revocations that are lost: everybody is
/// suspended.
pub(crate) async fn do_without_revocations(config: &Config) -> Result<Value, BackupError> {
    stopped(config).await?;
    told(&data::open_without_revocations(config).await?).await
}

/// Puts a backup in place, and suspends or revokes what its time has passed over.
pub(crate) async fn restore(config: &Config, folder: &Path, if_lost: IfLost) -> Result<Value, BackupError> {
    stopped(config).await?;
    let revocations = config.data.join("revocations");
    // Before anything is put in place: what is there would have to be moved away again.
    if if_lost == IfLost::Refuse && !revocations.exists() {
        return Err(BackupError::Lost(RevocationsError::Lost(revocations)));
    }
    let database = folder.join("postern.db");
    if !database.is_file() {
        return Err(BackupError::NotABackup(folder.into()));
    }
    data::make_folder(&config.data)?;
    let keys = config.data.join("keys");
    data::make_folder(&keys)?;
    // Since it was made, its key may have become the old one.
    let old = key_files::read_old(&config.data)?;
    let is_old = |wanted: &[u8]| matches!(&old, Some((key, Retiring::At(_))) if key[..] == *wanted);
    for key in KEYS.into_iter().chain(has_old(folder)) {
        let (from, to) = (folder.join("keys").join(key), keys.join(key));
        let unreadable = |path: &Path, source| BackupError::Io { path: path.to_owned(), source };
        let wanted = fs::read(&from).map_err(|error| unreadable(&from, error))?;
        match fs::read(&to) {
            Ok(present) if present == wanted || is_old(&wanted) => {}
            // One of them is wiped in its time: no reason to stop.
            Ok(_) if key == OLD => {}
            Ok(_) => return Err(BackupError::OtherKey(to)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                key_files::copy(&from, &to).map_err(|error| unreadable(&to, error))?;
            }
            Err(error) => return Err(unreadable(&to, error)),
        }
    }
    told(&data::restore(config, &database, if_lost).await?).await
}

async fn stopped(config: &Config) -> Result<(), BackupError> {
    match tokio::net::UnixStream::connect(socket::path(config)).await {
        Ok(_) => Err(BackupError::Running),
        Err(_) => Ok(()),
    }
}

/// Who is there, and who has to wait.
async fn told(keeper: &Keeper) -> Result<Value, BackupError> {
    let accounts = keeper.accounts().await.map_err(DataError::Store)?;
    let suspended: Vec<&str> = accounts
        .iter()
        .filter(|account| account.standing == Standing::Suspended)
        .map(|account| account.login.as_str())
        .collect();
    Ok(json!({ "accounts": accounts.len(), "suspended": suspended }))
}

/// The old key, where there is one.
fn has_old(folder: &Path) -> Option<&'static str> {
    folder.join("keys").join(OLD).exists().then_some(OLD)
}
