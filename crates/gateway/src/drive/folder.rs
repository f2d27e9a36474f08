//! One account's folder: what is read, made and removed in it.
//!
//! All of this blocks; `filesystem` calls it on threads made for that.

use std::{
    fs::File,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use dav_server::fs::{DavProp, FsError};
use rustix::fs::{AtFlags, fstat, statat, unlinkat};

use super::{
    ledger::ENTRY,
    metadata::Metadata,
    place::{Name, Place},
    properties,
    steps::{self, failure, list, look, make_folder, refusal, step, sync},
    terms::Terms,
    upload::{Creation, Target, Upload},
};

/// A folder, open for one request.
pub(super) struct Folder {
    root: OwnedFd,
    pub(super) terms: Terms,
}

/// Opens the folder of this name, made if there is none.
pub(super) fn open_root(drive: BorrowedFd<'_>, account: &Name) -> Result<OwnedFd, FsError> {
    match make_folder(drive, account) {
        Ok(()) => sync(drive)?,
        Err(FsError::Exists) => {}
        Err(error) => return Err(error),
    }
    step(drive, account)
}

impl Folder {
    pub(super) fn new(root: OwnedFd, terms: Terms) -> Self {
        Self { root, terms }
    }

    pub(super) fn metadata(&self, place: &Place) -> Result<Metadata, FsError> {
        let stat = match place.split() {
            None => fstat(&self.root).map_err(refusal)?,
            Some((parents, name)) => {
                let parent = self.walk(parents)?;
                statat(&parent, name.as_c_str(), AtFlags::SYMLINK_NOFOLLOW).map_err(refusal)?
            }
        };
        Metadata::new(&stat, self.terms.ledger.used()).ok_or(FsError::NotFound)
    }

    pub(super) fn list(&self, place: &Place) -> Result<Vec<(Name, Metadata)>, FsError> {
        list(self.walk(place.steps())?.as_fd(), self.terms.ledger.used())
    }

    pub(super) fn read(&self, place: &Place) -> Result<(File, Metadata), FsError> {
        let file = self.open(place)?;
        let stat = fstat(&file).map_err(refusal)?;
        let metadata = Metadata::new(&stat, self.terms.ledger.used()).ok_or(FsError::NotFound)?;
        Ok((file, metadata))
    }

    pub(super) fn create_folder(&self, place: &Place) -> Result<(), FsError> {
        let (parents, name) = place.split().ok_or(FsError::Exists)?;
        let parent = self.walk(parents)?;
        let charge = self.terms.ledger.charge(ENTRY)?;
        let one = self.terms.change()?;
        make_folder(parent.as_fd(), name)?;
        drop(one);
        charge.keep();
        sync(parent)
    }

    pub(super) fn remove_folder(&self, place: &Place) -> Result<(), FsError> {
        let (parents, name) = place.split().ok_or(FsError::Forbidden)?;
        let parent = self.walk(parents)?;
        let _one = self.terms.change()?;
        unlinkat(&parent, name.as_c_str(), AtFlags::REMOVEDIR).map_err(refusal)?;
        self.terms.ledger.give_back(ENTRY);
        Ok(())
    }

    pub(super) fn remove_file(&self, place: &Place) -> Result<(), FsError> {
        let (parents, name) = place.split().ok_or(FsError::Forbidden)?;
        let parent = self.walk(parents)?;
        let _one = self.terms.change()?;
        let Some(there) = look(parent.as_fd(), name)? else { return Err(FsError::NotFound) };
        unlinkat(&parent, name.as_c_str(), AtFlags::empty()).map_err(refusal)?;
        self.terms.ledger.give_back(there.cost());
        Ok(())
    }

    /// Begins a file that will be at `place` when it is whole.
    pub(super) fn upload(&self, place: &Place, declared: Option<u64>, creation: Creation) -> Result<Upload, FsError> {
        let (parents, name) = place.split().ok_or(FsError::Forbidden)?;
        let target = Target::new(self.walk(parents)?, name.clone(), creation);
        Upload::new(target, declared, self.terms.clone())
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
        let one = self.terms.change()?;
        let mut held = properties::read(file.as_fd())?;
        change(&mut held);
        properties::write(file.as_fd(), &held)?;
        drop(one);
        sync(file)
    }

    /// Opens a folder.
    pub(super) fn walk(&self, steps: &[Name]) -> Result<OwnedFd, FsError> {
        let mut at = self.root.try_clone().map_err(|error| failure(&error))?;
        for name in steps {
            at = step(at.as_fd(), name)?;
        }
        Ok(at)
    }

    /// Opens a file or a folder for reading.
    pub(super) fn open(&self, place: &Place) -> Result<File, FsError> {
        match place.split() {
            None => Ok(File::from(self.walk(&[])?)),
            Some((parents, name)) => steps::open(self.walk(parents)?.as_fd(), name),
        }
    }
}
