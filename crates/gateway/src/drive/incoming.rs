//! What has no place yet, or none any more: written aside, in its place at once
//! when it is whole; put aside at once, and removed then.

use std::{
    ffi::CStr,
    fs::File,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use dav_server::fs::FsError;
use rustix::{
    fs::{CWD, Mode, OFlags, RenameFlags, mkdirat, openat, renameat, renameat_with},
    io::Errno,
};

use super::{
    place::Name,
    steps::{make_folder, refusal, step},
    tree,
    upload::create_file,
};

/// Lies beside the accounts' folders, where no account can be called that; on
/// the same file system, so that a file moves into its place in one step.
const INCOMING: &CStr = c".incoming";

/// Opens the drive's folder itself, made if there is none.
pub(super) fn open_drive(path: &std::path::Path) -> std::io::Result<OwnedFd> {
    std::fs::create_dir_all(path)?;
    Ok(openat(CWD, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Where things are until they are whole.
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
        for name in tree::names(folder.as_fd())? {
            tree::remove(folder.as_fd(), &name, &mut uncounted)?;
        }
        Ok(Self { folder, next: AtomicU64::new(0) })
    }

    /// A name under which there is nothing yet.
    fn aside(self: &Arc<Self>) -> Result<Aside, FsError> {
        let name = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        let name = Name::new(name.as_bytes()).ok_or(FsError::GeneralFailure)?;
        Ok(Aside { name, incoming: Arc::clone(self) })
    }

    /// Makes an empty file.
    pub(super) fn file(self: &Arc<Self>) -> Result<(Aside, File), FsError> {
        let aside = self.aside()?;
        let file = create_file(self.folder.as_fd(), &aside.name)?;
        Ok((aside, file))
    }

    /// Makes an empty folder.
    pub(super) fn folder(self: &Arc<Self>) -> Result<(Aside, OwnedFd), FsError> {
        let aside = self.aside()?;
        make_folder(self.folder.as_fd(), &aside.name)?;
        let folder = step(self.folder.as_fd(), &aside.name)?;
        Ok((aside, folder))
    }

    /// Puts something where something else is, at once. What was there is aside
    /// then.
    pub(super) fn exchange(self: &Arc<Self>, new: Spot<'_>, old: Spot<'_>) -> Result<Aside, FsError> {
        let aside = self.aside()?;
        renameat_with(new.parent, new.name.as_c_str(), old.parent, old.name.as_c_str(), RenameFlags::EXCHANGE)
            .map_err(|errno| match errno {
                Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP => {
                    tracing::error!("the drive's file system cannot exchange two names: put the drive on another one");
                    FsError::NotImplemented
                }
                errno => refusal(errno),
            })?;
        put(new, aside.spot())?;
        Ok(aside)
    }
}

/// A name in an open folder.
#[derive(Clone, Copy)]
pub(super) struct Spot<'a> {
    pub(super) parent: BorrowedFd<'a>,
    pub(super) name: &'a Name,
}

/// Moves something in one step; a file replaces a file.
pub(super) fn put(from: Spot<'_>, to: Spot<'_>) -> Result<(), FsError> {
    renameat(from.parent, from.name.as_c_str(), to.parent, to.name.as_c_str()).map_err(refusal)
}

/// Something without a place; gone when dropped, if it is still here.
pub(super) struct Aside {
    name: Name,
    incoming: Arc<Incoming>,
}

impl Aside {
    pub(super) fn spot(&self) -> Spot<'_> {
        Spot { parent: self.incoming.folder.as_fd(), name: &self.name }
    }

    /// Removes it, by `unlink`.
    pub(super) fn remove(
        self,
        unlink: &mut impl FnMut(BorrowedFd<'_>, &CStr) -> rustix::io::Result<()>,
    ) -> Result<(), FsError> {
        tree::remove(self.incoming.folder.as_fd(), self.name.as_c_str(), unlink).map_err(refusal)
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        let removed = tree::remove(self.incoming.folder.as_fd(), self.name.as_c_str(), &mut uncounted);
        if let Err(errno) = removed {
            let _logged = refusal(errno);
        }
    }
}

fn uncounted(parent: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<()> {
    tree::unlink(parent, name).map(drop)
}
