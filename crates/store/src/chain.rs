//! The end of the audit chain, held by the one thread that writes.

use authority::{
    AuditKey, Entry, Timestamp,
    audit::{GENESIS, Seal},
};

use crate::{
    database::{Db, values},
    failure::{Failure, Outcome},
    line,
    rows::{self, Fields},
};

/// Seals what is appended.
pub(crate) struct Chain {
    key: AuditKey,
    /// As committed; none while it is not known what was.
    committed: Option<End>,
    /// As it will be, if the transaction under way is committed.
    end: End,
}

/// Where the log stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    seq: u64,
    seal: Seal,
    newest: Option<Timestamp>,
}

/// The newest line was not sealed by this key.
pub(crate) enum Unsealed {
    Line(u64),
    Failed(Failure),
}

impl From<Failure> for Unsealed {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Chain {
    /// Goes on where the database ends.
    pub(crate) fn at_end_of<D: Db>(db: &D, key: AuditKey) -> Result<Self, Unsealed> {
        let end = end_of(db, &key)?;
        Ok(Self { key, committed: Some(end), end })
    }

    /// A transaction begins, or begins anew.
    pub(crate) fn begin<D: Db>(&mut self, db: &D) -> Outcome<End> {
        let end = match self.committed {
            Some(end) => end,
            None => end_of(db, &self.key).map_err(|unsealed| match unsealed {
                Unsealed::Failed(failure) => failure,
                Unsealed::Line(seq) => Failure::corrupt(format_args!("audit.seal, row {seq}"), "not sealed by our key"),
            })?,
        };
        self.committed = Some(end);
        self.end = end;
        Ok(end)
    }

    /// It was committed.
    pub(crate) fn keep(&mut self) {
        self.committed = Some(self.end);
    }

    /// It was not, or nobody knows: the next one looks.
    pub(crate) fn give_up(&mut self) {
        self.committed = None;
    }

    /// Returns the number of the line.
    pub(crate) fn append<D: Db>(&mut self, db: &D, entry: &Entry) -> Outcome<u64> {
        let (seq, text) = (self.end.seq + 1, entry.to_text());
        let seal = self.key.seal(&self.end.seal, seq, &text);
        let sql = "INSERT INTO audit (seq, line, seal) VALUES (?1, ?2, ?3)";
        db.execute(sql, values![rows::int(seq), &*line::pack(&text), &seal])?;
        (self.end.seq, self.end.seal) = (seq, seal);
        self.saw(entry.at);
        Ok(seq)
    }

    /// The newest time on record.
    pub(crate) fn newest(&self) -> Option<Timestamp> {
        self.end.newest
    }

    /// Something was recorded at this time.
    pub(crate) fn saw(&mut self, at: Timestamp) {
        self.end.newest = self.end.newest.max(Some(at));
    }

    /// Writes the newest time down, if it has moved since `before`.
    pub(crate) fn keep_newest<D: Db>(&self, db: &D, before: End) -> Outcome<()> {
        const SQL: &str =
            "INSERT INTO newest (one, at) VALUES (1, ?1) ON CONFLICT (one) DO UPDATE SET at = excluded.at";
        if let Some(at) = self.end.newest.filter(|_| self.end.newest != before.newest) {
            db.execute(SQL, values![at.as_millis()])?;
        }
        Ok(())
    }
}

fn end_of<D: Db>(db: &D, key: &AuditKey) -> Result<End, Unsealed> {
    let mut end = End { seq: 0, seal: GENESIS, newest: rows::newest(db)? };
    if let Some(last) = db.number("SELECT max(seq) FROM audit", &[])? {
        let previous = last - 1;
        let sql = "SELECT seal FROM audit WHERE seq = ?1";
        let seal = db.first(sql, values![previous], |row| Fields::of("audit", row).bytes(0))?;
        let [last] = &rows::audit(db, u64::try_from(previous).unwrap_or(0), 1)?[..] else {
            return Err(Failure::corrupt("audit.seq", "there is a line before the first").into());
        };
        if key.seal(&seal.unwrap_or(GENESIS), last.seq, &last.text) != last.seal {
            return Err(Unsealed::Line(last.seq));
        }
        (end.seq, end.seal) = (last.seq, last.seal);
    }
    Ok(end)
}
