//! The end of the audit chain, held by the one thread that writes.

use authority::{
    AuditKey, Entry, Timestamp,
    audit::{GENESIS, Seal},
};
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    failure::{Failure, Outcome},
    line, rows,
};

/// Seals what is appended.
pub(super) struct Chain {
    key: AuditKey,
    end: End,
}

/// Where the log stands. Kept aside before an intent is tried and put back when
/// it fails, as the database puts back its rows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    seq: u64,
    seal: Seal,
    newest: Option<Timestamp>,
}

/// The newest line was not sealed by this key.
pub(super) enum Unsealed {
    Line(u64),
    Failed(Failure),
}

impl<E: Into<Failure>> From<E> for Unsealed {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Chain {
    /// Goes on where the database ends.
    pub(super) fn at_end_of(db: &Connection, key: AuditKey) -> Result<Self, Unsealed> {
        let newest = rows::newest(db)?;
        let mut end = End { seq: 0, seal: GENESIS, newest };
        let last: Option<i64> = db.query_row("SELECT max(seq) FROM audit", [], |row| row.get(0))?;
        if let Some(last) = last {
            let previous = last - 1;
            let seal: Option<Seal> =
                db.query_row("SELECT seal FROM audit WHERE seq = ?1", [previous], |row| row.get(0)).optional()?;
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

    pub(super) fn end(&self) -> End {
        self.end
    }

    pub(super) fn go_back_to(&mut self, end: End) {
        self.end = end;
    }

    pub(super) fn append(&mut self, db: &Connection, entry: &Entry) -> Outcome<()> {
        let (seq, text) = (self.end.seq + 1, entry.to_text());
        let seal = self.key.seal(&self.end.seal, seq, &text);
        db.prepare_cached("INSERT INTO audit (seq, line, seal) VALUES (?1, ?2, ?3)")?.execute(params![
            rows::int(seq),
            line::pack(&text),
            seal
        ])?;
        (self.end.seq, self.end.seal) = (seq, seal);
        self.saw(entry.at);
        Ok(())
    }

    /// Something was recorded at this time.
    pub(super) fn saw(&mut self, at: Timestamp) {
        self.end.newest = self.end.newest.max(Some(at));
    }

    /// Writes the newest time down, if it has moved since `before`.
    pub(super) fn keep_newest(&self, db: &Connection, before: End) -> Outcome<()> {
        if let Some(at) = self.end.newest.filter(|_| self.end.newest != before.newest) {
            db.prepare_cached("INSERT INTO newest VALUES (1, ?1) ON CONFLICT DO UPDATE SET at = excluded.at")?
                .execute([at.as_millis()])?;
        }
        Ok(())
    }
}
