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
    end: End,
}

/// Where the log stands. Kept aside before an intent is tried and put back when
/// it fails, as the database puts back its rows.
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
        let mut end = End { seq: 0, seal: GENESIS, newest: rows::newest(db)? };
        if let Some(last) = db.number("SELECT max(seq) FROM audit", &[])? {
            let previous = last - 1;
            let seal = db.first("SELECT seal FROM audit WHERE seq = ?1", values![previous], |row| {
                Fields::of("audit", row).bytes(0)
            })?;
            let [last] = &rows::audit(db, u64::try_from(previous).unwrap_or(0), 1)?[..] else {
                return Err(Failure::corrupt("audit.seq", "there is a line before the first").into());
            };
            if key.seal(&seal.unwrap_or(GENESIS), last.seq, &last.text) != last.seal {
                return Err(Unsealed::Line(last.seq));
            }
            (end.seq, end.seal) = (last.seq, last.seal);
        }
        Ok(Self { key, end })
    }

    pub(crate) fn end(&self) -> End {
        self.end
    }

    pub(crate) fn go_back_to(&mut self, end: End) {
        self.end = end;
    }

    pub(crate) fn append<D: Db>(&mut self, db: &D, entry: &Entry) -> Outcome<()> {
        let (seq, text) = (self.end.seq + 1, entry.to_text());
        let seal = self.key.seal(&self.end.seal, seq, &text);
        let sql = "INSERT INTO audit (seq, line, seal) VALUES (?1, ?2, ?3)";
        db.execute(sql, values![rows::int(seq), &*line::pack(&text), &seal])?;
        (self.end.seq, self.end.seal) = (seq, seal);
        self.saw(entry.at);
        Ok(())
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
