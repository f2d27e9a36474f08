//! What must not come back: revoked passwords, and how far the factors and the
//! standing of each account have moved on, in a file beside the database that is
//! only ever added to. A backup of the database that is restored is older than
//! this file, and is brought up to it before anybody is admitted.
//!
//! In the order of a change: its transaction sets a copy of its records down in
//! the database (`outbox`) and is committed, for good; they are added to the
//! file, which is synced; the change is acknowledged. While the disk is waited
//! for, the next transaction is made: the outbox has all that may not be in the
//! file yet. What a crash leaves in the
//! outbox is added at the next start. So the file never knows of a change that
//! the database it belongs to has not made.
//!
//! The file is a header and records of 32 bytes each: kind, id (10), value (8),
//! number (8), MAC (5), integers with their highest byte first. Zeros may follow.

mod file;

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use authority::{AccountId, AppPasswordId, AuditKey, audit::GENESIS};

use crate::{
    database::{Db, values},
    failure::{Failure, Outcome},
    rows::{Fields, int},
};
pub(crate) use file::RecordFile;

const SIZE: usize = 32;
/// A record as it stands in the file.
pub(crate) type Bytes = [u8; SIZE];

/// One thing that must not be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// It is revoked.
    AppPassword(AppPasswordId),
    /// It has come to this epoch.
    Account(AccountId, u64),
    /// It was removed.
    Removed(AccountId),
    /// One of its recovery codes was used: the first eight bytes of its digest.
    RecoveryCode(AccountId, u64),
    /// Its recovery codes were replaced.
    RecoveryCodes(AccountId),
}

/// Why the file does not fit the database.
#[derive(Debug, thiserror::Error)]
pub enum RevocationsError {
    /// Without it nobody knows what was revoked since a backup was made.
    #[error(
        "{} is missing or cut short, and tells what must not come back: put it back; if it is lost for good, \
         `postern restore --without-revocations` suspends every account until it is resumed", .0.display()
    )]
    Lost(PathBuf),
    /// It was written under another key.
    #[error("{} belongs to another site, or was changed: put back the one that belongs to the keys beside it", .0.display())]
    Foreign(PathBuf),
    /// It cannot be used.
    #[error("{}: {cause}; check its owner, its mode and the disk", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The database cannot be asked.
    #[error(transparent)]
    Store(#[from] keeper::StoreError),
}

impl From<Failure> for RevocationsError {
    fn from(Failure(error): Failure) -> Self {
        Self::Store(error)
    }
}

/// What to do where the file is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfLost {
    /// Open nothing.
    Refuse,
    /// Begin a new one. Everything is to be suspended.
    BeginAnew,
}

/// What a newly opened file says about its database.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// They agree.
    Agreed,
    /// The database is older than these.
    Newer(Vec<Record>),
    /// The file was lost, and begun anew.
    Lost,
}

/// What the thread that writes knows of the file.
pub(crate) struct Revocations {
    key: AuditKey,
    /// How many records there are, with those in the outbox; none while the
    /// database is to be asked.
    recorded: Option<u64>,
    /// How many the database says there are: fewer, if it was restored.
    in_database: u64,
    /// Set down by the transaction under way.
    pending: Vec<Bytes>,
    /// Committed, and not in the file for all we know. The last has number `last`.
    committed: Vec<Bytes>,
    last: u64,
    /// The last of those, which were not handed to the file yet.
    not_handed: Vec<Bytes>,
    /// How many are in the file, as it tells.
    written: Arc<AtomicU64>,
}

/// A file that was opened: for the thread that writes, for the one that syncs,
/// and what was found.
pub(crate) type Opened = (Revocations, RecordFile, Found);

impl Revocations {
    /// Opens the file in this folder for this database, whose layout is there.
    pub(crate) fn open<D: Db>(
        folder: &Path,
        key: AuditKey,
        db: &D,
        if_lost: IfLost,
    ) -> Result<Opened, RevocationsError> {
        let path = folder.join("revocations");
        let failed = |cause| RevocationsError::File { path: path.clone(), cause };
        let recorded = recorded(db)?;
        // A new site begins with the file: where there was something to log,
        // there was something to revoke.
        let is_new = db.number("SELECT max(seq) FROM audit", &[])?.is_none();
        let is_empty = path.metadata().map_or(0, |metadata| metadata.len()) == 0;
        if is_empty && !is_new && if_lost == IfLost::Refuse {
            return Err(RevocationsError::Lost(path));
        }
        let told = Arc::new(AtomicU64::new(0));
        let mut file = RecordFile::at(&path, key.clone(), told.clone()).map_err(failed)?;
        let is_ours = !is_empty && file.read_header().map_err(failed)?;
        let mut is_lost = false;
        if is_empty && is_new {
            file.begin_file().map_err(failed)?;
        } else if is_ours && (file.written() >= recorded || file.owes(db, recorded)?) {
            file.pay().map_err(failed)?;
        } else if if_lost == IfLost::BeginAnew {
            file.lose(recorded).map_err(failed)?;
            is_lost = true;
        } else {
            return Err(if is_ours { RevocationsError::Lost(path) } else { RevocationsError::Foreign(path) });
        }
        let newer = file.behind(recorded).map_err(failed)?;
        told.store(file.written(), Ordering::Release);
        let this = Self {
            key,
            recorded: Some(file.written()),
            in_database: recorded,
            pending: vec![],
            committed: vec![],
            last: file.written(),
            not_handed: vec![],
            written: told,
        };
        let found = match () {
            () if is_lost => Found::Lost,
            () if newer.is_empty() => Found::Agreed,
            () => Found::Newer(newer),
        };
        Ok((this, file, found))
    }

    /// A transaction begins, or begins anew.
    pub(crate) fn begin<D: Db>(&mut self, db: &D) -> Outcome<()> {
        self.pending.clear();
        if self.recorded.is_none() {
            let recorded = recorded(db)?;
            // What was committed after all, while nobody could tell.
            let Some(more) = outbox_behind(db, recorded, self.last)? else {
                return Err(Failure::corrupt("revocations.outbox", "it lacks records that the file does not have"));
            };
            self.committed.extend(&more);
            self.not_handed.extend(more);
            (self.recorded, self.in_database, self.last) = (Some(recorded), recorded, self.last.max(recorded));
        }
        Ok(())
    }

    /// Sets records down, as part of the transaction.
    pub(crate) fn set_down<D: Db>(&mut self, db: &D, records: &[Record]) -> Outcome<()> {
        let Some(recorded) = self.recorded else { return Ok(()) };
        if records.is_empty() && recorded == self.in_database {
            return Ok(());
        }
        self.pending = (recorded + 1..).zip(records).map(|(seq, record)| record.sealed(&self.key, seq)).collect();
        // With what is not in the file yet: its turn comes, or the disk is full.
        let unwritten = self.last.saturating_sub(self.written.load(Ordering::Acquire));
        let known = self.committed.len().saturating_sub(usize::try_from(unwritten).unwrap_or(usize::MAX));
        self.committed.drain(..known);
        let outbox = [self.committed.concat(), self.pending.concat()].concat();
        let sql = "INSERT INTO revocations (one, records, outbox) VALUES (1, ?1, ?2)
            ON CONFLICT (one) DO UPDATE SET records = excluded.records, outbox = excluded.outbox";
        db.execute(sql, values![int(recorded + records.len() as u64), &*outbox]).map(drop)
    }

    /// It was committed: these go into the file before it is acknowledged.
    #[must_use]
    pub(crate) fn keep(&mut self) -> Vec<Bytes> {
        if let Some(recorded) = &mut self.recorded {
            *recorded += self.pending.len() as u64;
            (self.in_database, self.last) = (*recorded, *recorded);
        }
        self.committed.extend(&self.pending);
        self.not_handed.append(&mut self.pending);
        std::mem::take(&mut self.not_handed)
    }

    /// It was not, or nobody knows: the next one looks.
    pub(crate) fn give_up(&mut self) {
        self.pending.clear();
        self.recorded = None;
    }
}

impl Record {
    fn sealed(&self, key: &AuditKey, seq: u64) -> Bytes {
        match self {
            Self::AppPassword(id) => seal(key, 1, *id.as_bytes(), 0, seq),
            Self::Account(id, epoch) => seal(key, 2, *id.as_bytes(), *epoch, seq),
            Self::Removed(id) => seal(key, 3, *id.as_bytes(), 0, seq),
            Self::RecoveryCode(id, digest) => seal(key, 4, *id.as_bytes(), *digest, seq),
            Self::RecoveryCodes(id) => seal(key, 5, *id.as_bytes(), 0, seq),
        }
    }
}

fn seal(key: &AuditKey, kind: u8, id: [u8; 10], value: u64, seq: u64) -> Bytes {
    let mut bytes = [0; SIZE];
    bytes[0] = kind;
    bytes[1..11].copy_from_slice(&id);
    bytes[11..19].copy_from_slice(&value.to_be_bytes());
    bytes[19..27].copy_from_slice(&seq.to_be_bytes());
    let text = format!("revocations {}", data_encoding::HEXLOWER.encode(&bytes[..27]));
    let mac = key.seal(&GENESIS, seq, &text);
    bytes[27..].copy_from_slice(&mac[..5]);
    bytes
}

/// The records behind number `seq`, of so many, out of the outbox; `None` if it
/// has not all of them.
fn outbox_behind<D: Db>(db: &D, recorded: u64, seq: u64) -> Outcome<Option<Vec<Bytes>>> {
    let outbox = db.first("SELECT outbox FROM revocations", &[], |row| {
        Ok(Fields::of("revocations", row).blob(0)?.as_chunks::<SIZE>().0.to_vec())
    })?;
    let (mut outbox, count) = (outbox.unwrap_or_default(), recorded.saturating_sub(seq));
    let first = outbox.len().checked_sub(usize::try_from(count).unwrap_or(usize::MAX));
    Ok(first.map(|first| outbox.split_off(first)))
}

fn recorded<D: Db>(db: &D) -> Outcome<u64> {
    let records = db.number("SELECT records FROM revocations", &[])?;
    Ok(records.and_then(|records| u64::try_from(records).ok()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_lost_stays_lost_until_everybody_is_suspended() {
        let (db, folder) = (crate::sqlite::in_memory(), tempfile::tempdir().unwrap());
        db.execute_batch("INSERT INTO audit (seq, line, seal) VALUES (1, x'00', zeroblob(16))").unwrap();
        let open = |if_lost| Revocations::open(folder.path(), AuditKey::new([1; 32]), &db, if_lost);
        let lost = |opened: Result<_, RevocationsError>| matches!(opened, Err(RevocationsError::Lost(_)));
        assert!(lost(open(IfLost::Refuse)));
        let (_, begun, found) = open(IfLost::BeginAnew).unwrap();
        assert_eq!(found, Found::Lost);
        // A crash before anybody is suspended.
        drop(begun);
        assert!(lost(open(IfLost::Refuse)));
        let (_, mut begun, found) = open(IfLost::BeginAnew).unwrap();
        assert_eq!(found, Found::Lost);
        begun.settle().unwrap();
        drop(begun);
        assert_eq!(open(IfLost::Refuse).unwrap().2, Found::Agreed);
    }
}
