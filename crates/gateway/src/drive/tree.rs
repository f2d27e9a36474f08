//! Whole trees. They are gone through level by level and not by calls in each
//! other: how deep one is, is up to whoever made it.

use std::{
    ffi::{CStr, CString},
    fs::File,
    io::Read,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    vec,
};

use dav_server::fs::FsError;
use rustix::{
    fs::{AtFlags, Dir, FileType, Mode, OFlags, fdatasync, openat, statat, unlinkat},
    io::Errno,
};

use super::{
    ledger::{Charge, ENTRY},
    metadata::{Kind, Metadata},
    place::Name,
    properties,
    steps::{io_refusal, list, make_folder, open, refusal, step, sync},
    terms::Terms,
    upload::create_file,
};

/// How much of a file is copied between two looks at whether to go on.
const PART: u64 = 8 << 20;

/// A folder on the way down, and what is left to do in it.
struct Level {
    folder: OwnedFd,
    left: vec::IntoIter<(Name, Metadata)>,
}

impl Level {
    fn new(folder: OwnedFd) -> Result<Self, FsError> {
        let left = list(folder.as_fd(), 0)?.into_iter();
        Ok(Self { folder, left })
    }

    /// The level below. `None` if it is gone by now.
    fn below(&self, name: &Name) -> Result<Option<Self>, FsError> {
        match step(self.folder.as_fd(), name) {
            Ok(folder) => Self::new(folder).map(Some),
            Err(FsError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// How large a tree is, without the folder it begins with.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    /// What it costs.
    pub(super) cost: u64,
    /// How many levels there are.
    pub(super) height: usize,
}

pub(super) fn measure(folder: OwnedFd) -> Result<Size, FsError> {
    let mut size = Size::default();
    let mut levels = vec![Level::new(folder)?];
    while let Some(level) = levels.last_mut() {
        let Some((name, metadata)) = level.left.next() else {
            levels.pop();
            continue;
        };
        let below = if metadata.kind == Kind::Folder { level.below(&name)? } else { None };
        size.cost = size.cost.saturating_add(metadata.cost());
        size.height = size.height.max(levels.len());
        levels.extend(below);
    }
    Ok(size)
}

/// Copies all that is in a folder into another, onto the disk, at most `height`
/// levels of it. What it costs is charged bit by bit.
pub(super) fn copy(
    from: OwnedFd,
    to: OwnedFd,
    height: usize,
    charge: &mut Charge,
    terms: &Terms,
) -> Result<(), FsError> {
    copy_properties(from.as_fd(), to.as_fd())?;
    let mut levels = vec![(Level::new(from)?, to)];
    loop {
        let depth = levels.len();
        let Some((level, copy)) = levels.last_mut() else { return Ok(()) };
        let Some((name, metadata)) = level.left.next() else {
            sync(&*copy)?;
            levels.pop();
            continue;
        };
        terms.stand()?;
        if depth > height {
            return Err(FsError::PathTooLong);
        }
        match metadata.kind {
            Kind::File => {
                let source = match open(level.folder.as_fd(), &name) {
                    Ok(source) => source,
                    Err(FsError::NotFound) => continue, // removed while we copy
                    Err(error) => return Err(error),
                };
                charge.add(ENTRY)?;
                copy_file(&source, &create_file(copy.as_fd(), &name)?, charge, terms)?;
            }
            Kind::Folder => {
                let Some(below) = level.below(&name)? else { continue };
                charge.add(ENTRY)?;
                make_folder(copy.as_fd(), &name)?;
                let copy = step(copy.as_fd(), &name)?;
                copy_properties(below.folder.as_fd(), copy.as_fd())?;
                levels.push((below, copy));
            }
        }
    }
}

/// Copies what a file holds, onto the disk, and its properties.
pub(super) fn copy_file(from: &File, to: &File, charge: &mut Charge, terms: &Terms) -> Result<(), FsError> {
    // It may grow while it is copied.
    let mut left = from.metadata().map_err(|error| io_refusal(&error))?.len();
    while left > 0 {
        terms.stand()?;
        let part = left.min(PART);
        charge.add(part)?;
        let copied = std::io::copy(&mut from.take(part), &mut &*to).map_err(|error| io_refusal(&error))?;
        // It may also shrink.
        charge.less(part - copied);
        left = if copied < part { 0 } else { left - part };
    }
    copy_properties(from.as_fd(), to.as_fd())?;
    fdatasync(to).map_err(refusal)
}

pub(super) fn copy_properties(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<(), FsError> {
    match properties::read(from)? {
        none if none.is_empty() => Ok(()),
        properties => properties::write(to, &properties),
    }
}

/// Removes a file, or a folder with all that is in it, also what does not exist
/// here. `unlink` removes one of them, and refuses a folder that is not empty.
pub(super) fn remove(
    parent: BorrowedFd<'_>,
    name: &CStr,
    unlink: &mut impl FnMut(BorrowedFd<'_>, &CStr) -> rustix::io::Result<()>,
) -> rustix::io::Result<()> {
    let mut levels: Vec<(OwnedFd, CString, Vec<CString>)> = Vec::new();
    let mut next = Some(name.to_owned());
    while let Some(name) = next.take() {
        let parent = levels.last().map_or(parent, |(folder, ..)| folder.as_fd());
        match unlink(parent, &name) {
            Ok(()) | Err(Errno::NOENT) => {}
            // Also if something has come in since it was emptied.
            Err(Errno::NOTEMPTY | Errno::EXIST) => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let folder = openat(parent, name.as_c_str(), flags, Mode::empty())?;
                let inside = names(folder.as_fd())?;
                levels.push((folder, name, inside));
            }
            Err(errno) => return Err(errno),
        }
        next = match levels.last_mut().map(|(.., inside)| inside.pop()) {
            Some(Some(name)) => Some(name),
            // Emptied: it goes itself.
            Some(None) => levels.pop().map(|(_, name, _)| name),
            None => None,
        };
    }
    Ok(())
}

pub(super) fn names(folder: BorrowedFd<'_>) -> rustix::io::Result<Vec<CString>> {
    let names = Dir::read_from(folder)?.map(|entry| entry.map(|entry| entry.file_name().to_owned()));
    names.filter(|name| !matches!(name.as_deref().map(CStr::to_bytes), Ok(b"." | b".."))).collect()
}

/// Removes one file or empty folder and says what it cost.
pub(super) fn unlink(parent: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<u64> {
    let stat = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    unlinkat(parent, name, if folder { AtFlags::REMOVEDIR } else { AtFlags::empty() })?;
    Ok(Metadata::new(&stat, 0).map_or(0, |metadata| metadata.cost()))
}
