//! A file on its way in.

use std::{
    fmt,
    fs::File,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::FileExt,
    },
};

use dav_server::fs::{DavMetaData, FsError};
use rustix::fs::{Mode, OFlags, fdatasync, fstat, openat};

use super::{
    incoming::{Aside, Spot, put},
    ledger::{Charge, ENTRY},
    metadata::{Kind, Metadata},
    place::Name,
    steps::{self, io_refusal, look, refusal},
    terms::Terms,
    tree,
};

/// Makes a file, empty and nobody else's.
pub(super) fn create_file(parent: BorrowedFd<'_>, name: &Name) -> Result<File, FsError> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(File::from(openat(parent, name.as_c_str(), flags, Mode::RUSR | Mode::WUSR).map_err(refusal)?))
}

/// What must be in the place of a file, from when it is asked for until it is put
/// there: else 412.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Creation {
    Either,
    /// `If-None-Match: *`.
    New,
    /// `If-Match: *`.
    Old,
    /// The file with this etag, or none: what other conditions were checked with.
    Onto(Option<String>),
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

    fn spot(&self) -> Spot<'_> {
        Spot { parent: self.parent.as_fd(), name: &self.name }
    }

    /// What will be replaced, or why nothing can be there.
    fn look(&self, terms: &Terms) -> Result<Option<Metadata>, FsError> {
        let there = look(self.parent.as_fd(), &self.name)?;
        if there.as_ref().is_some_and(|there| there.kind == Kind::Folder) {
            return Err(FsError::Forbidden);
        }
        let holds = match &self.creation {
            Creation::Either => true,
            Creation::New => there.is_none(),
            Creation::Old => there.is_some(),
            Creation::Onto(etag) => there.as_ref().and_then(DavMetaData::etag) == *etag,
        };
        if holds { Ok(there) } else { Err(terms.precondition_failed()) }
    }
}

/// A file being written.
pub(super) struct Upload {
    aside: Aside,
    file: File,
    target: Target,
    charge: Charge,
    declared: Option<u64>,
    written: u64,
    terms: Terms,
}

impl Upload {
    /// Begins one. All of a declared length is charged at once: what does not
    /// fit is refused before its first octet is read.
    pub(super) fn new(target: Target, declared: Option<u64>, terms: Terms) -> Result<Self, FsError> {
        target.look(&terms)?;
        let charge = terms.ledger.charge(declared.unwrap_or(0).saturating_add(ENTRY))?;
        let (aside, file) = terms.incoming.file()?;
        Ok(Self { aside, file, target, charge, declared, written: 0, terms })
    }

    pub(super) fn write(&mut self, octets: &[u8]) -> Result<(), FsError> {
        let end = self.written + octets.len() as u64;
        match self.declared {
            Some(declared) if end > declared => return Err(FsError::TooLarge),
            Some(_) => {}
            None => self.charge.add(octets.len() as u64)?,
        }
        self.file.write_all_at(octets, self.written).map_err(|error| io_refusal(&error))?;
        self.written = end;
        Ok(())
    }

    /// Puts the file in its place, in one step, and returns it.
    pub(super) fn commit(self) -> Result<(File, Metadata), FsError> {
        if self.declared.is_some_and(|declared| declared != self.written) {
            return Err(FsError::GeneralFailure);
        }
        // Before the rename, or a power cut could leave an empty file in place
        // of the old one.
        fdatasync(&self.file).map_err(refusal)?;
        let one = self.terms.change()?;
        let replaced = self.target.look(&self.terms)?;
        if replaced.is_some() {
            // Properties belong to the place; a new content keeps them (RFC 4918, 9.7.1).
            let old = steps::open(self.target.spot().parent, self.target.spot().name)?;
            tree::copy_properties(old.as_fd(), self.file.as_fd())?;
        }
        put(self.aside.spot(), self.target.spot())?;
        if let Some(replaced) = replaced {
            self.terms.ledger.give_back(replaced.cost());
        }
        self.charge.keep();
        drop(one);
        steps::sync(&self.target.parent)?;
        let stat = fstat(&self.file).map_err(refusal)?;
        let metadata = Metadata::new(&stat, 0).ok_or(FsError::GeneralFailure)?;
        Ok((self.file, metadata))
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Upload({} octets)", self.written)
    }
}
