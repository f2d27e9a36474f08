//! A file on its way in: written aside, in its place at once when it is whole.

use std::{
    fmt,
    fs::File,
    io::Read,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::FileExt,
    },
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use dav_server::fs::FsError;
use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, fdatasync, fstat, mkdirat, openat, renameat, unlinkat};
use rustix::io::Errno;

use super::{
    folder::{Changes, failure, look, refusal},
    ledger::{Charge, Ledger},
    metadata::{Kind, Metadata},
    place::Name,
    properties,
};

/// Lies beside the accounts' folders, where no account can be called that; on
/// the same file system, so that a file moves into its place in one step.
const INCOMING: &str = ".incoming";

/// Where files are until they are whole.
#[derive(Debug)]
pub(super) struct Incoming {
    folder: OwnedFd,
    next: AtomicU64,
}

impl Incoming {
    /// Opens it in the drive's folder and empties it of what a crash left.
    pub(super) fn open(drive: &OwnedFd) -> rustix::io::Result<Self> {
        match mkdirat(drive, INCOMING, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = openat(drive, INCOMING, flags, Mode::empty())?;
        for entry in Dir::read_from(&folder)? {
            if let Some(name) = Name::new(entry?.file_name().to_bytes()) {
                unlinkat(&folder, name.as_c_str(), AtFlags::empty())?;
            }
        }
        Ok(Self { folder, next: AtomicU64::new(0) })
    }

    pub(super) fn begin(self: &Arc<Self>) -> Result<Unplaced, FsError> {
        let name = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        let name = Name::new(name.as_bytes()).ok_or(FsError::GeneralFailure)?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&self.folder, name.as_c_str(), flags, Mode::RUSR | Mode::WUSR).map_err(refusal)?;
        Ok(Unplaced { file: File::from(file), name: Some(name), incoming: Arc::clone(self) })
    }
}

/// Opens the drive's folder itself, made if there is none.
pub(super) fn open_drive(path: &std::path::Path) -> std::io::Result<OwnedFd> {
    std::fs::create_dir_all(path)?;
    Ok(openat(CWD, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// A file without a place; gone when dropped.
pub(super) struct Unplaced {
    file: File,
    /// `None` once it is in its place.
    name: Option<Name>,
    incoming: Arc<Incoming>,
}

impl Drop for Unplaced {
    fn drop(&mut self) {
        if let Some(name) = self.name.take()
            && let Err(errno) = unlinkat(&self.incoming.folder, name.as_c_str(), AtFlags::empty())
        {
            let _logged = refusal(errno);
        }
    }
}

/// Whether there must or must not be a file already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Creation {
    Either,
    /// `If-None-Match: *`.
    New,
    /// `If-Match: *`.
    Old,
}

/// Where a file is to be. The folder is held open: should it be moved meanwhile,
/// the file goes with it.
pub(super) struct Target {
    parent: OwnedFd,
    name: Name,
    creation: Creation,
}

impl Target {
    pub(super) fn new(parent: OwnedFd, name: Name, creation: Creation) -> Self {
        Self { parent, name, creation }
    }

    /// What will be replaced, or why nothing can be there.
    pub(super) fn look(&self) -> Result<Option<Metadata>, FsError> {
        match (look(self.parent.as_fd(), &self.name)?, self.creation) {
            (Some(there), _) if there.kind == Kind::Folder => Err(FsError::Forbidden),
            (Some(_), Creation::New) => Err(FsError::Exists),
            (None, Creation::Old) => Err(FsError::NotFound),
            (there, _) => Ok(there),
        }
    }
}

/// A file being written.
pub(super) struct Upload {
    file: Unplaced,
    target: Target,
    charge: Charge,
    declared: Option<u64>,
    written: u64,
    changes: Arc<Changes>,
    ledger: Arc<Ledger>,
}

impl Upload {
    pub(super) fn new(
        file: Unplaced,
        target: Target,
        charge: Charge,
        declared: Option<u64>,
        changes: Arc<Changes>,
        ledger: Arc<Ledger>,
    ) -> Self {
        Self { file, target, charge, declared, written: 0, changes, ledger }
    }

    pub(super) fn write(&mut self, octets: &[u8]) -> Result<(), FsError> {
        let end = self.written + octets.len() as u64;
        match self.declared {
            Some(declared) if end > declared => return Err(FsError::TooLarge),
            Some(_) => {}
            None => self.charge.add(octets.len() as u64)?,
        }
        self.file.file.write_all_at(octets, self.written).map_err(|error| written(&error))?;
        self.written = end;
        Ok(())
    }

    /// Takes everything from another file, and its properties.
    pub(super) fn fill_from(mut self, mut source: File) -> Result<Self, FsError> {
        let declared = self.declared.unwrap_or(0);
        // It may grow while it is copied; what was charged for is copied.
        let mut source_part = (&mut source).take(declared);
        self.written = std::io::copy(&mut source_part, &mut self.file.file).map_err(|error| written(&error))?;
        self.declared = Some(self.written);
        properties::write(self.file.file.as_fd(), &properties::read(source.as_fd())?)?;
        Ok(self)
    }

    /// Puts the file in its place, in one step, and returns it.
    pub(super) fn commit(mut self) -> Result<(File, Metadata), FsError> {
        if self.declared.is_some_and(|declared| declared != self.written) {
            return Err(FsError::GeneralFailure);
        }
        // Before the rename, or a power cut could leave an empty file in place
        // of the old one.
        fdatasync(&self.file.file).map_err(refusal)?;
        let one = self.changes.one();
        let replaced = self.target.look()?;
        if replaced.is_some() {
            self.inherit_properties()?;
        }
        let file = self.file.file.try_clone().map_err(|error| failure(&error))?;
        let name = self.file.name.as_ref().ok_or(FsError::GeneralFailure)?;
        let (incoming, target) = (&self.file.incoming.folder, &self.target);
        renameat(incoming, name.as_c_str(), &target.parent, target.name.as_c_str()).map_err(refusal)?;
        self.file.name = None;
        if let Some(replaced) = replaced {
            self.ledger.give_back(replaced.cost());
        }
        self.charge.keep();
        drop(one);
        let stat = fstat(&file).map_err(refusal)?;
        let metadata = Metadata::new(&stat, 0).ok_or(FsError::GeneralFailure)?;
        Ok((file, metadata))
    }

    /// Properties belong to the place; a new content keeps them (RFC 4918, 9.7.1).
    fn inherit_properties(&self) -> Result<(), FsError> {
        if !properties::read(self.file.file.as_fd())?.is_empty() {
            return Ok(()); // a copy brings its own
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let old = openat(&self.target.parent, self.target.name.as_c_str(), flags, Mode::empty()).map_err(refusal)?;
        properties::write(self.file.file.as_fd(), &properties::read(old.as_fd())?)
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Upload({} octets)", self.written)
    }
}

fn written(error: &std::io::Error) -> FsError {
    error.raw_os_error().map_or_else(|| failure(error), |raw| refusal(Errno::from_raw_os_error(raw)))
}
