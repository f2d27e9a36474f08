//! What is known of a file or a folder.

use std::time::{Duration, SystemTime};

use dav_server::fs::{DavMetaData, FsResult};
use rustix::fs::{FileType, Stat};

use super::ledger::ENTRY;

/// The two kinds that exist here: a link, a pipe or a device does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
}

#[derive(Clone, Debug)]
pub(super) struct Metadata {
    pub(super) kind: Kind,
    len: u64,
    inode: u64,
    modified: SystemTime,
    changed: SystemTime,
}

impl Metadata {
    /// `None` for what does not exist here. `held` is what the account holds.
    pub(super) fn new(stat: &Stat, held: u64) -> Option<Self> {
        let (kind, len) = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => (Kind::File, u64::try_from(stat.st_size).unwrap_or(0)),
            // RFC 4331: dav-server reports a folder's length as its
            // quota-used-bytes and takes it from the limit for what is left.
            FileType::Directory => (Kind::Folder, held),
            _ => return None,
        };
        Some(Self {
            kind,
            len,
            inode: stat.st_ino,
            modified: time(stat.st_mtime, stat.st_mtime_nsec),
            changed: time(stat.st_ctime, stat.st_ctime_nsec),
        })
    }

    /// Another name of the same file, or the same name.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.inode == other.inode
    }

    /// What it costs its account.
    pub(super) fn cost(&self) -> u64 {
        match self.kind {
            Kind::File => self.len.saturating_add(ENTRY),
            Kind::Folder => ENTRY,
        }
    }
}

/// Times before 1970 are shown as 1970.
fn time(seconds: i64, nanoseconds: u64) -> SystemTime {
    let since = Duration::new(u64::try_from(seconds).unwrap_or(0), 0) + Duration::from_nanos(nanoseconds);
    SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH)
}

impl DavMetaData for Metadata {
    fn len(&self) -> u64 {
        self.len
    }

    fn modified(&self) -> FsResult<SystemTime> {
        Ok(self.modified)
    }

    fn status_changed(&self) -> FsResult<SystemTime> {
        Ok(self.changed)
    }

    fn is_dir(&self) -> bool {
        self.kind == Kind::Folder
    }

    /// A file gets a new inode with each PUT, so that two of the same length in
    /// one tick of the clock differ.
    fn etag(&self) -> Option<String> {
        let modified = self.modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
        Some(match self.kind {
            Kind::File => format!("{:x}-{:x}-{modified:x}", self.inode, self.len),
            Kind::Folder => format!("{:x}-{modified:x}", self.inode),
        })
    }
}
