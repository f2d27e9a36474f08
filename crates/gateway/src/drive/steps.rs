//! One step at a time, from an open folder to a name in it, and through no
//! link. So nothing that is swapped underneath, by whatever program, can lead
//! outside between a check and its use.

use std::{
    fs::File,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use dav_server::fs::FsError;
use rustix::{
    fs::{AtFlags, Dir, Mode, OFlags, fsync, mkdirat, openat, statat},
    io::Errno,
};

use super::{ledger::Full, metadata::Metadata, place::Name};

/// Nobody but Postern reads what people keep.
const PRIVATE_FOLDER: Mode = Mode::RWXU;

/// One step down, into a folder.
pub(super) fn step(at: BorrowedFd<'_>, name: &Name) -> Result<OwnedFd, FsError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(at, name.as_c_str(), flags, Mode::empty()).map_err(|errno| match errno {
        // A file or a link where a folder should be: there is nothing below it.
        Errno::NOTDIR | Errno::LOOP => FsError::NotFound,
        errno => refusal(errno),
    })
}

/// Opens a file or a folder for reading.
pub(super) fn open(parent: BorrowedFd<'_>, name: &Name) -> Result<File, FsError> {
    // Opening some devices does something, and a pipe would wait.
    look(parent, name)?.ok_or(FsError::NotFound)?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(File::from(openat(parent, name.as_c_str(), flags, Mode::empty()).map_err(refusal)?))
}

pub(super) fn make_folder(parent: BorrowedFd<'_>, name: &Name) -> Result<(), FsError> {
    mkdirat(parent, name.as_c_str(), PRIVATE_FOLDER).map_err(refusal)
}

/// Waits until what was renamed or made in a folder is on the disk. A rename is
/// else forgotten by a power cut, long after it was acknowledged.
pub(super) fn sync(folder: impl AsFd) -> Result<(), FsError> {
    match fsync(folder) {
        // A file system that knows no such thing.
        Ok(()) | Err(Errno::INVAL | Errno::NOTSUP) => Ok(()),
        Err(errno) => Err(refusal(errno)),
    }
}

/// What is at this name; a link, a pipe or a device is forbidden ground.
pub(super) fn look(parent: BorrowedFd<'_>, name: &Name) -> Result<Option<Metadata>, FsError> {
    match statat(parent, name.as_c_str(), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Metadata::new(&stat, 0).map(Some).ok_or(FsError::Forbidden),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(refusal(errno)),
    }
}

/// Files and folders in a folder; what does not exist here is left out.
pub(super) fn list(folder: BorrowedFd<'_>, held: u64) -> Result<Vec<(Name, Metadata)>, FsError> {
    let mut entries = Vec::new();
    for entry in Dir::read_from(folder).map_err(refusal)? {
        let entry = entry.map_err(refusal)?;
        let Some(name) = Name::new(entry.file_name().to_bytes()) else { continue };
        let stat = match statat(folder, name.as_c_str(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => continue, // removed while we look
            Err(errno) => return Err(refusal(errno)),
        };
        if let Some(metadata) = Metadata::new(&stat, held) {
            entries.push((name, metadata));
        }
    }
    Ok(entries)
}

/// What the system's answer means to a client.
pub(super) fn refusal(errno: Errno) -> FsError {
    match errno {
        Errno::NOENT | Errno::LOOP => FsError::NotFound,
        Errno::EXIST | Errno::NOTEMPTY => FsError::Exists,
        Errno::NOSPC | Errno::DQUOT | Errno::MLINK => FsError::InsufficientStorage,
        Errno::FBIG => FsError::TooLarge,
        Errno::NAMETOOLONG => FsError::PathTooLong,
        Errno::XDEV => FsError::IsRemote,
        Errno::ISDIR | Errno::NOTDIR | Errno::INVAL | Errno::ILSEQ => FsError::Forbidden,
        errno => failure(&errno.into()),
    }
}

/// The same for reading and writing files.
pub(super) fn io_refusal(error: &std::io::Error) -> FsError {
    error.raw_os_error().map_or_else(|| failure(error), |raw| refusal(Errno::from_raw_os_error(raw)))
}

/// Nothing that a client did: for the log.
pub(super) fn failure(error: &std::io::Error) -> FsError {
    tracing::error!(%error, "the drive's folder cannot be read or written: check its owner, its rights and its disk");
    FsError::GeneralFailure
}

impl From<Full> for FsError {
    fn from(_: Full) -> Self {
        Self::InsufficientStorage
    }
}
