//! One account's folder: every step is taken from an open folder to a name in
//! it, and no step follows a link. So nothing that is swapped underneath, by
//! whatever program, can lead outside between a check and its use.
//!
//! All of this blocks; `filesystem` calls it on threads made for that.

use std::{
    fs::File,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use dav_server::fs::{DavProp, FsError};
use rustix::{
    fs::{AtFlags, Dir, Mode, OFlags, fstat, mkdirat, openat, renameat, statat, unlinkat},
    io::Errno,
};

use super::{
    ledger::{ENTRY, Full, Ledger},
    metadata::{Kind, Metadata},
    place::{MAX_DEPTH, Name, Place},
    properties,
    upload::{Creation, Incoming, Target, Upload},
};

/// Nobody but Postern reads what people keep.
const PRIVATE_FOLDER: Mode = Mode::RWXU;

/// A folder, open for one request.
pub(super) struct Folder {
    root: OwnedFd,
    pub(super) ledger: Arc<Ledger>,
    pub(super) changes: Arc<Changes>,
    incoming: Arc<Incoming>,
}

/// Names of one account change one at a time, so that what a change replaces is
/// what was counted.
#[derive(Debug, Default)]
pub(super) struct Changes(Mutex<()>);

impl Changes {
    pub(super) fn one(&self) -> MutexGuard<'_, ()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens the folder of this name, made if there is none.
pub(super) fn open_root(drive: BorrowedFd<'_>, account: &Name) -> Result<OwnedFd, FsError> {
    match mkdirat(drive, account.as_c_str(), PRIVATE_FOLDER) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(refusal(errno)),
    }
    step(drive, account)
}

/// What everything in a folder costs together.
pub(super) fn cost(folder: BorrowedFd<'_>) -> Result<u64, FsError> {
    let mut sum = 0;
    visit(folder, 0, &mut |_, metadata| sum += metadata.cost())?;
    Ok(sum)
}

impl Folder {
    pub(super) fn new(root: OwnedFd, ledger: Arc<Ledger>, changes: Arc<Changes>, incoming: Arc<Incoming>) -> Self {
        Self { root, ledger, changes, incoming }
    }

    pub(super) fn metadata(&self, place: &Place) -> Result<Metadata, FsError> {
        let stat = match place.split() {
            None => fstat(&self.root).map_err(refusal)?,
            Some((parents, name)) => {
                let parent = self.walk(parents)?;
                statat(&parent, name.as_c_str(), AtFlags::SYMLINK_NOFOLLOW).map_err(refusal)?
            }
        };
        Metadata::new(&stat, self.ledger.used()).ok_or(FsError::NotFound)
    }

    /// Files and folders in a folder; what does not exist here is left out.
    pub(super) fn list(&self, place: &Place) -> Result<Vec<(Name, Metadata)>, FsError> {
        list(self.walk(place.steps())?.as_fd(), self.ledger.used())
    }

    pub(super) fn read(&self, place: &Place) -> Result<(File, Metadata), FsError> {
        let file = self.open(place)?;
        let stat = fstat(&file).map_err(refusal)?;
        let metadata = Metadata::new(&stat, self.ledger.used()).ok_or(FsError::NotFound)?;
        Ok((file, metadata))
    }

    pub(super) fn create_folder(&self, place: &Place) -> Result<(), FsError> {
        let (parents, name) = place.split().ok_or(FsError::Exists)?;
        let parent = self.walk(parents)?;
        let charge = self.ledger.charge(ENTRY)?;
        mkdirat(&parent, name.as_c_str(), PRIVATE_FOLDER).map_err(refusal)?;
        charge.keep();
        Ok(())
    }

    pub(super) fn remove_folder(&self, place: &Place) -> Result<(), FsError> {
        let (parents, name) = place.split().ok_or(FsError::Forbidden)?;
        let parent = self.walk(parents)?;
        let _one = self.changes.one();
        unlinkat(&parent, name.as_c_str(), AtFlags::REMOVEDIR).map_err(refusal)?;
        self.ledger.give_back(ENTRY);
        Ok(())
    }

    pub(super) fn remove_file(&self, place: &Place) -> Result<(), FsError> {
        let (parents, name) = place.split().ok_or(FsError::Forbidden)?;
        let parent = self.walk(parents)?;
        let _one = self.changes.one();
        let Some(there) = look(parent.as_fd(), name)? else { return Err(FsError::NotFound) };
        unlinkat(&parent, name.as_c_str(), AtFlags::empty()).map_err(refusal)?;
        self.ledger.give_back(there.cost());
        Ok(())
    }

    pub(super) fn rename(&self, from: &Place, to: &Place) -> Result<(), FsError> {
        let ((from_parents, from_name), (to_parents, to_name)) =
            from.split().zip(to.split()).ok_or(FsError::Forbidden)?;
        let (from_parent, to_parent) = (self.walk(from_parents)?, self.walk(to_parents)?);
        let _one = self.changes.one();
        let moved = look(from_parent.as_fd(), from_name)?.ok_or(FsError::NotFound)?;
        if moved.kind == Kind::Folder {
            let mut height = 0;
            let folder = step(from_parent.as_fd(), from_name)?;
            visit(folder.as_fd(), 0, &mut |depth, _| height = height.max(depth + 1))?;
            if to.steps().len() + height > MAX_DEPTH {
                return Err(FsError::PathTooLong);
            }
        }
        let replaced = look(to_parent.as_fd(), to_name)?;
        renameat(&from_parent, from_name.as_c_str(), &to_parent, to_name.as_c_str()).map_err(refusal)?;
        if let Some(replaced) = replaced {
            self.ledger.give_back(replaced.cost());
        }
        Ok(())
    }

    /// Copies one file, with its properties.
    pub(super) fn copy(&self, from: &Place, to: &Place) -> Result<(), FsError> {
        let (file, metadata) = self.read(from)?;
        if metadata.kind != Kind::File {
            return Err(FsError::Forbidden);
        }
        let upload = self.upload(to, Some(metadata.cost() - ENTRY), Creation::Either)?;
        upload.fill_from(file)?.commit().map(drop)
    }

    /// What all that a copy would make costs; links and what is too deep are not copied.
    pub(super) fn cost_of_copy(&self, place: &Place) -> Result<u64, FsError> {
        let metadata = self.metadata(place)?;
        match metadata.kind {
            Kind::File => Ok(metadata.cost()),
            Kind::Folder => Ok(metadata.cost().saturating_add(cost(self.walk(place.steps())?.as_fd())?)),
        }
    }

    /// Begins a file that will be at `place` when it is whole.
    pub(super) fn upload(&self, place: &Place, declared: Option<u64>, creation: Creation) -> Result<Upload, FsError> {
        let (parents, name) = place.split().ok_or(FsError::Forbidden)?;
        let target = Target::new(self.walk(parents)?, name.clone(), creation);
        target.look()?;
        // All of a declared length at once: what does not fit is refused
        // before its first octet is read.
        let charge = self.ledger.charge(declared.unwrap_or(0).saturating_add(ENTRY))?;
        let file = self.incoming.begin()?;
        Ok(Upload::new(file, target, charge, declared, Arc::clone(&self.changes), Arc::clone(&self.ledger)))
    }

    pub(super) fn properties(&self, place: &Place) -> Result<Vec<DavProp>, FsError> {
        properties::read(self.open(place)?.as_fd())
    }

    pub(super) fn change_properties(
        &self,
        place: &Place,
        change: impl FnOnce(&mut Vec<DavProp>),
    ) -> Result<(), FsError> {
        let file = self.open(place)?;
        let _one = self.changes.one();
        let mut held = properties::read(file.as_fd())?;
        change(&mut held);
        properties::write(file.as_fd(), &held)
    }

    fn walk(&self, steps: &[Name]) -> Result<OwnedFd, FsError> {
        let mut at = self.root.try_clone().map_err(|error| failure(&error))?;
        for name in steps {
            at = step(at.as_fd(), name)?;
        }
        Ok(at)
    }

    /// Opens a file or a folder for reading.
    fn open(&self, place: &Place) -> Result<File, FsError> {
        let Some((parents, name)) = place.split() else {
            return Ok(File::from(self.walk(&[])?));
        };
        let parent = self.walk(parents)?;
        // Opening some devices does something, and a pipe would wait.
        look(parent.as_fd(), name)?.ok_or(FsError::NotFound)?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(File::from(openat(&parent, name.as_c_str(), flags, Mode::empty()).map_err(refusal)?))
    }
}

/// One step down, into a folder and through no link.
fn step(at: BorrowedFd<'_>, name: &Name) -> Result<OwnedFd, FsError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(at, name.as_c_str(), flags, Mode::empty()).map_err(|errno| match errno {
        // A file or a link where a folder should be: there is nothing below it.
        Errno::NOTDIR | Errno::LOOP => FsError::NotFound,
        errno => refusal(errno),
    })
}

/// What is at this name; a link, a pipe or a device is forbidden ground.
pub(super) fn look(parent: BorrowedFd<'_>, name: &Name) -> Result<Option<Metadata>, FsError> {
    match statat(parent, name.as_c_str(), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Metadata::new(&stat, 0).map(Some).ok_or(FsError::Forbidden),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(refusal(errno)),
    }
}

fn list(folder: BorrowedFd<'_>, held: u64) -> Result<Vec<(Name, Metadata)>, FsError> {
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

/// Calls `each` with everything below a folder and how deep it lies.
fn visit(folder: BorrowedFd<'_>, depth: usize, each: &mut impl FnMut(usize, &Metadata)) -> Result<(), FsError> {
    // Deeper than any path that is served: not reachable, so not counted.
    if depth >= MAX_DEPTH {
        return Ok(());
    }
    for (name, metadata) in list(folder, 0)? {
        each(depth, &metadata);
        if metadata.kind == Kind::Folder {
            match step(folder, &name) {
                Ok(below) => visit(below.as_fd(), depth + 1, each)?,
                Err(FsError::NotFound) => {} // removed while we look
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
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
        // INVAL: a folder moved into itself.
        Errno::ISDIR | Errno::NOTDIR | Errno::INVAL | Errno::ILSEQ => FsError::Forbidden,
        errno => failure(&errno.into()),
    }
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
