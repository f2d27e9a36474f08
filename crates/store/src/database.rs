//! What the two databases have in common, and all that the rest of this crate
//! knows of them. Statements are written once, with `?1`, `?2` for what is
//! bound, in the words that SQLite and PostgreSQL share.

use crate::failure::{Failure, Outcome};

/// Something that is bound to a statement.
#[derive(Clone, Copy)]
pub(crate) enum Value<'v> {
    Null,
    Int(i64),
    Text(&'v str),
    Blob(&'v [u8]),
}

/// Libraries print what is bound where everything is logged: of digests, hashes
/// and sealed seeds nothing.
impl std::fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl<'v> From<&'v str> for Value<'v> {
    fn from(text: &'v str) -> Self {
        Self::Text(text)
    }
}

impl<'v> From<&'v [u8]> for Value<'v> {
    fn from(bytes: &'v [u8]) -> Self {
        Self::Blob(bytes)
    }
}

impl<'v, const N: usize> From<&'v [u8; N]> for Value<'v> {
    fn from(bytes: &'v [u8; N]) -> Self {
        Self::Blob(bytes)
    }
}

impl<'v, T: Into<Value<'v>>> From<Option<T>> for Value<'v> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// `values![id, name]`: what is bound, in order.
macro_rules! values {
    ($($value:expr),* $(,)?) => { &[$($crate::database::Value::from($value)),*] };
}
pub(crate) use values;

/// A row of an answer. Columns are counted from 0; `None` is NULL, an error is a
/// column of another kind.
pub(crate) trait Columns {
    fn int(&self, column: usize) -> Result<Option<i64>, String>;
    fn text(&self, column: usize) -> Result<Option<&str>, String>;
    fn blob(&self, column: usize) -> Result<Option<&[u8]>, String>;
    /// The column's name, for whoever has to look for it.
    fn name(&self, column: usize) -> &str;
}

/// A connection.
pub(crate) trait Db {
    /// All rows of an answer, each as `read` makes it.
    fn query<T>(
        &self,
        sql: &str,
        values: &[Value<'_>],
        read: impl FnMut(&dyn Columns) -> Outcome<T>,
    ) -> Outcome<Vec<T>>;

    /// The first row.
    fn first<T>(
        &self,
        sql: &str,
        values: &[Value<'_>],
        read: impl FnMut(&dyn Columns) -> Outcome<T>,
    ) -> Outcome<Option<T>> {
        Ok(self.query(sql, values, read)?.into_iter().next())
    }

    /// The first column of the first row, a number.
    fn number(&self, sql: &str, values: &[Value<'_>]) -> Outcome<Option<i64>> {
        Ok(self.first(sql, values, |row| row.int(0).map_err(|what| Failure::corrupt(row.name(0), what)))?.flatten())
    }

    /// Hands each row of an answer to `read` as it comes: for what may be too
    /// much to hold. In a transaction.
    fn each(&self, sql: &str, read: &mut dyn FnMut(&dyn Columns) -> Outcome<()>) -> Outcome<()>;

    /// Begins a transaction that only reads, and sees everything as it is now.
    fn begin_reading(&self) -> Outcome<()>;

    /// Ends it.
    fn end_reading(&self) -> Outcome<()>;

    /// Has something done; returns how many rows it touched.
    fn execute(&self, sql: &str, values: &[Value<'_>]) -> Outcome<u64>;
}

/// Why a transaction came to nothing.
#[derive(Debug)]
pub(crate) enum Undone {
    /// What was to be done in it failed.
    Inside(Failure),
    /// It could not be begun or committed, whatever is in it.
    Transaction(Failure),
}

impl From<Undone> for Failure {
    fn from(undone: Undone) -> Self {
        match undone {
            Undone::Inside(failure) | Undone::Transaction(failure) => failure,
        }
    }
}

/// The one that writes.
pub(crate) trait Writable: Send + 'static {
    type Db: Db;

    /// Does it in a transaction, and returns when that will survive the process;
    /// the machine's end once [`lasting`](Self::lasting) has been asked. May do it again from the start, where the first time certainly came to
    /// nothing.
    fn transact(&mut self, act: &mut dyn FnMut(&Self::Db) -> Outcome<()>) -> Result<(), Undone>;

    /// Called before the first group: returns what waits, in another thread, until
    /// all that was committed will survive the machine's end.
    fn lasting(&mut self) -> Outcome<Box<dyn FnMut() -> Outcome<()> + Send>>;
}
