//! The keys that lie beside the database, each in a file that only we can read.
//!
//! `server.key` is the current one. `server-old.key` is the one before it, behind
//! the time until which it is good: eight bytes of milliseconds, 0 where others
//! may know the key. It is there before the new key takes its place, so that a
//! crash leaves either both or the same one twice: the rotation did not happen then.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use authority::{AuditKey, Timestamp};
use keeper::{KeyFolder, Keys, Retiring, ServerKey};
use rand_core::Rng;
use zeroize::Zeroizing;

use crate::data::{DataError, make_folder, randomness};

/// What every site has.
pub(crate) const KEYS: [&str; 2] = [SERVER, "audit.key"];
/// What it has while an old key lives.
pub(crate) const OLD: &str = "server-old.key";
const SERVER: &str = "server.key";

type Key = Zeroizing<[u8; 32]>;

/// All of them; made where the database is new as well.
pub(crate) fn read(data: &Path, new: bool) -> Result<Keys, DataError> {
    let folder = data.join("keys");
    make_folder(&folder)?;
    let current = key(&folder.join(SERVER), new)?;
    let audit = AuditKey::new(*key(&folder.join("audit.key"), new)?);
    let mut keys = Keys::new(ServerKey::new(*current), audit);
    if let Some((old, retiring)) = read_old(data)? {
        if old == current {
            let path = folder.join(OLD);
            fs::remove_file(&path).map_err(|source| DataError::Io { path, source })?;
        } else {
            keys = keys.with_old(&ServerKey::new(*old), retiring);
        }
    }
    // Copies of keys that a crash left half-way.
    for name in [SERVER, OLD] {
        let _ = fs::remove_file(unfinished(&folder.join(name)));
    }
    Ok(keys.kept_in(Box::new(KeyFiles { folder, current: Mutex::new(current) })))
}

/// The server key before the current one, if there is one, and how long it is good.
pub(crate) fn read_old(data: &Path) -> Result<Option<(Key, Retiring)>, DataError> {
    let path = data.join("keys").join(OLD);
    let Some(bytes) = secret(&path)? else { return Ok(None) };
    let (millis, key) =
        bytes.split_first_chunk().ok_or_else(|| DataError::NotAKey { path: path.clone(), length: 40 })?;
    let key = key.try_into().map_err(|_| DataError::NotAKey { path, length: 40 })?;
    let retiring = match i64::from_be_bytes(*millis) {
        0 => Retiring::Now,
        millis => Retiring::At(Timestamp::from_millis(millis)),
    };
    Ok(Some((Zeroizing::new(key), retiring)))
}

/// Reads a key of 32 bytes; makes it where the database is new as well.
fn key(path: &Path, new: bool) -> Result<Key, DataError> {
    match secret(path)? {
        Some(bytes) => {
            let key = bytes.as_slice().try_into().map_err(|_| DataError::NotAKey { path: path.into(), length: 32 })?;
            Ok(Zeroizing::new(key))
        }
        None if new => {
            let mut bytes = Zeroizing::new([0; 32]);
            randomness().fill_bytes(&mut *bytes);
            write_whole(path, &*bytes).map_err(|source| DataError::Io { path: path.into(), source })?;
            Ok(bytes)
        }
        None => Err(DataError::KeyMissing(path.into())),
    }
}

/// What is in a file that nobody else may read; `None` if there is none.
fn secret(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, DataError> {
    let io = |source| DataError::Io { path: path.into(), source };
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(error)),
    };
    if file.metadata().map_err(io)?.permissions().mode() & 0o077 != 0 {
        return Err(DataError::Readable(path.into()));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(64));
    file.read_to_end(&mut bytes).map_err(io)?;
    Ok(Some(bytes))
}

/// Copies a key, for nobody else to read.
pub(crate) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    write_whole(to, &Zeroizing::new(fs::read(from)?))
}

/// The file is there whole or not at all, also after a power cut: half a key
/// would have to be told from a damaged one.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = unfinished(path);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    sync_folder_of(path)
}

fn unfinished(path: &Path) -> PathBuf {
    path.with_extension("unfinished")
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// The server keys of the process at work.
struct KeyFiles {
    folder: PathBuf,
    /// The one at work. Where writing another one failed half-way, the file may
    /// hold that one.
    current: Mutex<Key>,
}

impl KeyFolder for KeyFiles {
    fn put_aside(&self, retiring: Retiring) -> io::Result<()> {
        let millis = match retiring {
            Retiring::At(end) => end.as_millis(),
            Retiring::Now => 0,
        };
        let mut bytes = Zeroizing::new([0; 40]);
        bytes[..8].copy_from_slice(&millis.to_be_bytes());
        bytes[8..].copy_from_slice(&**self.current.lock().unwrap_or_else(PoisonError::into_inner));
        write_whole(&self.folder.join(OLD), &*bytes)
    }

    fn replace(&self, key: &ServerKey) -> io::Result<()> {
        write_whole(&self.folder.join(SERVER), key.as_bytes())?;
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Zeroizing::new(*key.as_bytes());
        Ok(())
    }

    fn wipe_old(&self) -> io::Result<()> {
        let path = self.folder.join(OLD);
        match OpenOptions::new().write(true).open(&path) {
            Ok(mut file) => {
                file.write_all(&[0; 40])?;
                file.sync_all()?;
                fs::remove_file(&path)?;
                sync_folder_of(&path)
            }
            // Somebody was quicker, by hand.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}
