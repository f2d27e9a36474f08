//! The file `revocations` itself: written, synced, read.

use std::{
    fs::File,
    io::{self, ErrorKind},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use authority::{AccountId, AppPasswordId, AuditKey};

use super::{Bytes, Record, SIZE, outbox_behind, seal};
use crate::{
    database::Db,
    fail_point,
    failure::{Failure, Outcome},
    sqlite::private,
};

/// So much is laid out ahead of the records, as zeros.
const AHEAD: usize = 64 * 1024;
/// The file itself.
pub(crate) struct RecordFile {
    file: File,
    path: PathBuf,
    key: AuditKey,
    /// Records before the first in this file.
    base: u64,
    /// How many there are, up to the last in the file.
    written: u64,
    /// Told to whoever keeps the outbox.
    told: Arc<AtomicU64>,
    /// Committed, and not in the file yet.
    owed: Vec<Bytes>,
    /// Where the zeros end.
    laid_out: u64,
    /// False where the file was lost, until everybody is suspended: a crash before
    /// that must find it lost again.
    is_begun: bool,
}

impl RecordFile {
    /// The file, whatever is in it. What is written will be `told`.
    pub(super) fn at(path: &Path, key: AuditKey, told: Arc<AtomicU64>) -> io::Result<Self> {
        let file = private(path).map_err(io::Error::other)?;
        let path = path.to_owned();
        Ok(Self { file, path, key, base: 0, written: 0, told, owed: vec![], laid_out: 0, is_begun: true })
    }

    /// Everything in it is lost, up to this number.
    pub(super) fn lose(&mut self, recorded: u64) -> io::Result<()> {
        self.file.set_len(0)?;
        (self.base, self.written, self.is_begun) = (recorded, recorded, false);
        self.owed.clear();
        Ok(())
    }

    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// These are to be in the file, sooner or later.
    pub(crate) fn owe(&mut self, records: &[Bytes]) {
        self.owed.extend(records);
    }

    /// Adds what is owed; returns when it will survive a crash.
    pub(crate) fn settle(&mut self) -> Outcome<()> {
        let begun = if self.is_begun { Ok(()) } else { self.begin_file() };
        self.lay_out();
        begun.and_then(|()| self.pay()).map_err(|error| {
            let told = format!("{}: {error}; make room, and check its owner", self.path.display());
            Failure::unsettled(Failure::unavailable(told))
        })
    }

    /// Lays out zeros where the records are to be written: where the file need not
    /// become longer, the system syncs it in half the time.
    fn lay_out(&mut self) {
        let needed = self.end() + (self.owed.len() * SIZE) as u64;
        if !self.owed.is_empty() && needed > self.laid_out {
            // Where there is no room for them, there may be some for the records.
            let laid_out = self.file.write_all_at(&vec![0; AHEAD], needed).and_then(|()| self.file.sync_all());
            self.laid_out = if laid_out.is_ok() { needed + AHEAD as u64 } else { 0 };
        }
    }

    /// Adds what is owed to the file.
    pub(super) fn pay(&mut self) -> io::Result<()> {
        if self.owed.is_empty() {
            return Ok(());
        }
        let owed = self.owed.concat();
        let (first, rest) = owed.split_at(SIZE / 2);
        self.file.write_all_at(first, self.end())?;
        fail_point::pass("within a record");
        self.file.write_all_at(rest, self.end() + first.len() as u64)?;
        self.file.sync_data()?;
        self.written += self.owed.len() as u64;
        self.told.store(self.written, Ordering::Release);
        self.owed.clear();
        Ok(())
    }

    fn end(&self) -> u64 {
        (1 + self.written - self.base) * SIZE as u64
    }

    /// Takes what the file lacks from the outbox. False if it is not all there.
    pub(super) fn owes<D: Db>(&mut self, db: &D, recorded: u64) -> Outcome<bool> {
        let lacks = outbox_behind(db, recorded, self.written)?;
        let is_whole = lacks.is_some();
        self.owed = lacks.unwrap_or_default();
        Ok(is_whole)
    }

    pub(super) fn begin_file(&mut self) -> io::Result<()> {
        self.file.write_all_at(&seal(&self.key, 0, [0; 10], self.base, 0), 0)?;
        self.file.sync_all()?;
        let folder = self.path.parent().unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()?;
        self.is_begun = true;
        Ok(())
    }

    /// False if it was not written under our key. What a power cut left of the
    /// last records is cut off: they were not acknowledged.
    pub(super) fn read_header(&mut self) -> io::Result<bool> {
        let mut header = [0; SIZE];
        match self.file.read_exact_at(&mut header, 0) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(false),
            read => read?,
        }
        self.base = value(&header);
        if header != seal(&self.key, 0, [0; 10], self.base, 0) {
            return Ok(false);
        }
        let whole = self.file.metadata()?.len() / SIZE as u64;
        self.written = self.base + whole.saturating_sub(1);
        while self.written > self.base && self.read(self.written)?.is_none() {
            self.written -= 1;
        }
        self.file.set_len(self.end())?;
        Ok(true)
    }

    /// All behind number `seq`.
    pub(super) fn behind(&self, seq: u64) -> io::Result<Vec<Record>> {
        let damaged = || io::Error::new(ErrorKind::InvalidData, "a record in the middle is damaged");
        (seq.max(self.base) + 1..=self.written).map(|seq| self.read(seq)?.ok_or_else(damaged)).collect()
    }

    fn read(&self, seq: u64) -> io::Result<Option<Record>> {
        let mut bytes = [0; SIZE];
        self.file.read_exact_at(&mut bytes, (seq - self.base) * SIZE as u64)?;
        let id: [u8; 10] = std::array::from_fn(|at| bytes[1 + at]);
        let record = match bytes[0] {
            1 => Record::AppPassword(AppPasswordId::from_bytes(id)),
            2 => Record::Account(AccountId::from_bytes(id), value(&bytes)),
            3 => Record::Removed(AccountId::from_bytes(id)),
            4 => Record::RecoveryCode(AccountId::from_bytes(id), value(&bytes)),
            5 => Record::RecoveryCodes(AccountId::from_bytes(id)),
            _ => return Ok(None),
        };
        Ok((record.sealed(&self.key, seq) == bytes).then_some(record))
    }
}

impl Drop for RecordFile {
    fn drop(&mut self) {
        if self.laid_out > 0 {
            // For whoever looks at it; who opens it cuts them off as well.
            let _ = self.file.set_len(self.end());
        }
    }
}

fn value(bytes: &Bytes) -> u64 {
    u64::from_be_bytes(std::array::from_fn(|at| bytes[11 + at]))
}
