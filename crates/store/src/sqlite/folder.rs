//! The data folder: ours alone, and one server's alone.

use std::{
    fs::{File, OpenOptions, Permissions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use keeper::StoreError;

use crate::{failure::Failure, migrations::Mismatch, revocations::RevocationsError};

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no such folder, or it cannot be read.
    #[error("the data folder {path} cannot be used: {cause}; check `data` in postern.toml, or make a site with `postern init`", path = path.display())]
    Folder {
        /// The data folder.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// Others on this machine could read digests, or put a database of theirs
    /// in our place.
    #[error("the data folder {path} is open to others (mode {mode:04o}): run `chmod 700 {path}`", path = path.display())]
    Exposed {
        /// The data folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// One server per folder.
    #[error(
        "another Postern{holder} uses {path}: stop it first, or use another data folder",
        path = path.display(), holder = holder.map(|pid| format!(" (process {pid})")).unwrap_or_default()
    )]
    InUse {
        /// The lock that it holds.
        path: PathBuf,
        /// Its process, as it wrote into the lock.
        holder: Option<u32>,
    },
    /// A file in the folder cannot be opened.
    #[error("{path} cannot be opened: {cause}; check its owner and mode", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A backup is restored where nothing is.
    #[error(
        "{path} is there already: move it away, with its -wal and -shm, and leave `revocations` where it is",
        path = path.display()
    )]
    NotEmpty {
        /// The database.
        path: PathBuf,
    },
    /// Not a database of this program.
    #[error("{path} is not a database of Postern: move it away, or use another data folder", path = path.display())]
    Foreign {
        /// The database.
        path: PathBuf,
    },
    /// A later version has worked on it.
    #[error(
        "{path} was written by a newer version of Postern (it has {newest}): install that version, or restore the backup made before it",
        path = path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// The newest migration in it.
        newest: String,
    },
    /// A build of the same number but another text has worked on it.
    #[error(
        "{path} was made by another build of Postern, whose migration {migration} differs: use that build, or restore a backup",
        path = path.display()
    )]
    Altered {
        /// The database.
        path: PathBuf,
        /// The migration that differs.
        migration: &'static str,
    },
    /// The newest line of audit does not bear our seal. To go on would break
    /// the chain for good.
    #[error(
        "line {seq} of the audit log in {path} is not sealed by the key in the data folder: put back the keys from the backup that belongs to this database; if they are the right ones, somebody changed the log",
        path = path.display()
    )]
    AuditSeal {
        /// The database.
        path: PathBuf,
        /// The newest line.
        seq: u64,
    },
    /// The file of revocations does not fit the database.
    #[error(transparent)]
    Revocations(#[from] RevocationsError),
    /// The database itself cannot be read or brought up to date.
    #[error("{path}: {cause}", path = path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// What went wrong.
        cause: StoreError,
    },
}

impl OpenError {
    pub(super) fn of(mismatch: Mismatch, path: &Path) -> Self {
        let path = path.to_owned();
        match mismatch {
            Mismatch::Foreign => Self::Foreign { path },
            Mismatch::Newer(newest) => Self::Newer { path, newest },
            Mismatch::Altered(migration) => Self::Altered { path, migration },
            Mismatch::Failed(Failure(cause)) => Self::Database { path, cause },
        }
    }
}

/// Proof that this process is the only one at work in the folder. The system
/// gives the lock back when the process ends, however it ends.
#[derive(Debug)]
pub struct Locked {
    pub(crate) folder: PathBuf,
    _file: File,
}

/// Checks the folder and takes its lock.
///
/// Whoever makes something beside the database, as its keys, takes the lock
/// first: two first commands at once would read each other's half-made files.
///
/// # Errors
/// There is no such folder, it is open to others, or somebody else's.
pub fn lock(folder: &Path) -> Result<Locked, OpenError> {
    let cannot = |cause| OpenError::Folder { path: folder.into(), cause };
    let metadata = folder.metadata().map_err(cannot)?;
    if !metadata.is_dir() {
        return Err(cannot(io::ErrorKind::NotADirectory.into()));
    }
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(OpenError::Exposed { path: folder.into(), mode });
    }
    let path = folder.join("postern.lock");
    let mut file = private(&path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let holder = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
            return Err(OpenError::InUse { path, holder });
        }
        Err(TryLockError::Error(cause)) => return Err(OpenError::File { path, cause }),
    }
    // For people only: the lock holds without it.
    let note = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    note.map_err(|cause| OpenError::File { path, cause })?;
    Ok(Locked { folder: folder.into(), _file: file })
}

/// Opens a file that nobody else may read, and makes it if need be. SQLite
/// gives the files beside the database the mode of the database.
pub(crate) fn private(path: &Path) -> Result<File, OpenError> {
    let open = || {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        // A restored backup may have come with the mode of a download.
        file.set_permissions(Permissions::from_mode(0o600))?;
        Ok(file)
    };
    open().map_err(|cause| OpenError::File { path: path.into(), cause })
}
