//! A connection to `postern.db`.

use std::{fs::File, path::Path, time::Duration};

use rusqlite::{
    Connection, OpenFlags, Row, Statement, ToSql, Transaction, TransactionBehavior,
    config::DbConfig,
    params_from_iter,
    types::{FromSqlError, ToSqlOutput, ValueRef},
};

use crate::{
    database::{Columns, Db, Undone, Value, Writable},
    failure::{Failure, Outcome},
};

/// How long to wait for a program that holds the database: a copy being made, a
/// person with a shell.
const PATIENCE: Duration = Duration::from_secs(5);

/// The connection that writes.
pub(super) fn writing(path: &Path) -> Outcome<Connection> {
    let db = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    db.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = ON;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -32768;
         PRAGMA journal_size_limit = 67108864;
         PRAGMA wal_autocheckpoint = 8000;",
    )?;
    Ok(db)
}

/// One that only reads.
pub(super) fn reading(path: &Path) -> Outcome<Connection> {
    let db = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    db.execute_batch("PRAGMA cache_size = -8192")?;
    Ok(db)
}

fn open(path: &Path, flags: OpenFlags) -> Outcome<Connection> {
    let db = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.busy_timeout(PATIENCE)?;
    // Without this promise SQLite plans a statement anew for each value that is
    // bound to it, which costs ten times the look-up.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    db.execute_batch("PRAGMA trusted_schema = OFF")?;
    db.set_prepared_statement_cache_capacity(64);
    Ok(db)
}

impl Db for Connection {
    fn query<T>(
        &self,
        sql: &str,
        values: &[Value<'_>],
        mut read: impl FnMut(&dyn Columns) -> Outcome<T>,
    ) -> Outcome<Vec<T>> {
        let mut statement = self.prepare_cached(sql)?;
        let mut found = statement.query(params_from_iter(values))?;
        let mut all = vec![];
        while let Some(row) = found.next()? {
            all.push(read(row)?);
        }
        Ok(all)
    }

    fn each(&self, sql: &str, read: &mut dyn FnMut(&dyn Columns) -> Outcome<()>) -> Outcome<()> {
        // Row by row; nothing is kept of units.
        self.query(sql, &[], |row| read(row)).map(drop)
    }

    fn begin_reading(&self) -> Outcome<()> {
        Ok(self.execute_batch("BEGIN")?)
    }

    fn end_reading(&self) -> Outcome<()> {
        Ok(self.execute_batch("ROLLBACK")?)
    }

    fn execute(&self, sql: &str, values: &[Value<'_>]) -> Outcome<u64> {
        Ok(self.prepare_cached(sql)?.execute(params_from_iter(values))? as u64)
    }
}

impl Writable for Connection {
    type Db = Self;

    fn transact(&mut self, act: &mut dyn FnMut(&Self) -> Outcome<()>) -> Result<(), Undone> {
        let failed = |error: rusqlite::Error| Undone::Transaction(error.into());
        let transaction = Transaction::new_unchecked(self, TransactionBehavior::Immediate).map_err(failed)?;
        act(self).map_err(Undone::Inside)?;
        transaction.commit().map_err(failed)
    }

    fn lasting(&mut self) -> Outcome<Box<dyn FnMut() -> Outcome<()> + Send>> {
        let Some(path) = self.path().filter(|path| !path.is_empty()) else { return Ok(Box::new(|| Ok(()))) };
        let path = format!("{path}-wal");
        let wal = File::open(&path);
        let failed = move |error: std::io::Error| {
            Failure::unavailable(format_args!("{path}: {error}; the disk reports errors: check the system's log"))
        };
        // A file of its own: no lock of SQLite's is on it that closing could drop.
        let wal = wal.map_err(&failed)?;
        // From now on a commit ends with its last page written; what of it is on
        // the disk is waited for behind it. A checkpoint still waits itself, for
        // the log before it begins and for the database before the log is reused.
        self.pragma_update(None, "synchronous", "NORMAL")?;
        Ok(Box::new(move || wal.sync_data().map_err(&failed)))
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match *self {
            Self::Null => ValueRef::Null,
            Self::Int(number) => ValueRef::Integer(number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl Columns for Row<'_> {
    fn int(&self, column: usize) -> Result<Option<i64>, String> {
        self.value(column)?.as_i64_or_null().map_err(told)
    }

    fn text(&self, column: usize) -> Result<Option<&str>, String> {
        self.value(column)?.as_str_or_null().map_err(told)
    }

    fn blob(&self, column: usize) -> Result<Option<&[u8]>, String> {
        self.value(column)?.as_blob_or_null().map_err(told)
    }

    fn name(&self, column: usize) -> &str {
        AsRef::<Statement<'_>>::as_ref(self).column_name(column).unwrap_or("?")
    }
}

trait At {
    fn value(&self, column: usize) -> Result<ValueRef<'_>, String>;
}

impl At for Row<'_> {
    fn value(&self, column: usize) -> Result<ValueRef<'_>, String> {
        self.get_ref(column).map_err(|error| error.to_string())
    }
}

fn told(error: FromSqlError) -> String {
    error.to_string()
}
