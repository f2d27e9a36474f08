//! A connection, as the thread that uses it sees it: each call waits for its
//! answer, and for no longer than [`PATIENCE`].

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    future::Future,
    time::Duration,
};

use bytes::BytesMut;
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{
    Client, Error, Row, Statement,
    types::{IsNull, ToSql, Type, to_sql_checked},
};

use super::{
    failure::{Unreachable, is_conflict},
    server::Server,
};
use crate::{
    database::{Columns, Db, Value},
    failure::{Failure, Outcome},
};

/// No statement of ours takes longer on a server that works.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is left of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    Well,
    /// What was done last came to nothing, because of what others did.
    Conflict,
    /// It is of no use any more.
    Broken,
}

pub(super) struct Session {
    /// Its own, so that it works in any thread, whatever drives the server.
    runtime: Option<Runtime>,
    client: Client,
    statements: RefCell<HashMap<Box<str>, Statement>>,
    health: Cell<Health>,
}

impl Session {
    /// Waits for a connection.
    pub(super) fn connect(server: &Server) -> Outcome<Self> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime =
            runtime.map_err(|error| Failure::unavailable(format_args!("no thread for PostgreSQL: {error}")))?;
        let client = runtime.block_on(server.connect())?;
        let session =
            Self { runtime: Some(runtime), client, statements: RefCell::default(), health: Cell::new(Health::Well) };
        // What others changed is seen by the next statement, and nobody waits for a lock for ever.
        session.batch(
            "SET default_transaction_isolation = 'read committed'; SET lock_timeout = '8s';
             SET statement_timeout = '9s'; SET idle_in_transaction_session_timeout = '30s'",
        )?;
        Ok(session)
    }

    pub(super) fn health(&self) -> Health {
        if self.client.is_closed() { Health::Broken } else { self.health.get() }
    }

    /// Several statements, nothing bound.
    pub(super) fn batch(&self, sql: &str) -> Outcome<()> {
        Ok(self.wait(self.client.batch_execute(sql))?)
    }

    /// Waits for an answer. After an error that is not an answer of the server,
    /// nothing is known of what it was about.
    pub(super) fn wait<T>(&self, answer: impl Future<Output = Result<T, Error>>) -> Result<T, Unreachable> {
        let Some(runtime) = &self.runtime else { return Err(Unreachable::Late) };
        let answered = runtime.block_on(async { tokio::time::timeout(PATIENCE, answer).await });
        let answer = answered.map_err(|_| Unreachable::Late).and_then(|answer| answer.map_err(Unreachable::Said));
        if let Err(error) = &answer {
            self.health.set(match error {
                Unreachable::Said(error) if is_conflict(error) => Health::Conflict,
                Unreachable::Said(error) if error.code().is_some() => Health::Well,
                _ => Health::Broken,
            });
        }
        answer
    }

    /// Waits without asking for anything.
    pub(super) fn pause(&self, pause: Duration) {
        if let Some(runtime) = &self.runtime {
            runtime.block_on(tokio::time::sleep(pause));
        }
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Forgets a conflict: what it undid is begun anew.
    pub(super) fn begin_anew(&self) {
        if self.health.get() == Health::Conflict {
            self.health.set(Health::Well);
        }
    }

    fn statement(&self, sql: &str) -> Outcome<Statement> {
        if let Some(known) = self.statements.borrow().get(sql) {
            return Ok(known.clone());
        }
        let statement = self.wait(self.client.prepare(&sql.replace('?', "$")))?;
        self.statements.borrow_mut().insert(sql.into(), statement.clone());
        Ok(statement)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Whoever drops it may be at work for others, and must not wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Db for Session {
    fn query<T>(
        &self,
        sql: &str,
        values: &[Value<'_>],
        mut read: impl FnMut(&dyn Columns) -> Outcome<T>,
    ) -> Outcome<Vec<T>> {
        let statement = self.statement(sql)?;
        let rows = self.wait(self.client.query(&statement, &bound(values)))?;
        rows.iter().map(|row| read(row)).collect()
    }

    fn each(&self, sql: &str, read: &mut dyn FnMut(&dyn Columns) -> Outcome<()>) -> Outcome<()> {
        self.batch(&format!("DECLARE each NO SCROLL CURSOR FOR {sql}"))?;
        loop {
            let rows = self.wait(self.client.query("FETCH 1000 FROM each", &[]))?;
            rows.iter().try_for_each(|row| read(row))?;
            if rows.is_empty() {
                return self.batch("CLOSE each");
            }
        }
    }

    fn begin_reading(&self) -> Outcome<()> {
        self.batch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    }

    fn end_reading(&self) -> Outcome<()> {
        self.batch("ROLLBACK")
    }

    fn execute(&self, sql: &str, values: &[Value<'_>]) -> Outcome<u64> {
        let statement = self.statement(sql)?;
        Ok(self.wait(self.client.execute(&statement, &bound(values)))?)
    }
}

fn bound<'v>(values: &'v [Value<'_>]) -> Vec<&'v (dyn ToSql + Sync)> {
    values.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

impl ToSql for Value<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match *self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(number) if *ty == Type::INT2 => i16::try_from(number)?.to_sql(ty, out),
            Self::Int(number) if *ty == Type::INT4 => i32::try_from(number)?.to_sql(ty, out),
            Self::Int(number) => number.to_sql(ty, out),
            Self::Text(text) => text.to_sql(ty, out),
            Self::Blob(bytes) => bytes.to_sql(ty, out),
        }
    }

    fn accepts(ty: &Type) -> bool {
        [Type::INT2, Type::INT4, Type::INT8, Type::TEXT, Type::BYTEA].contains(ty)
    }

    to_sql_checked!();
}

impl Columns for Row {
    fn int(&self, column: usize) -> Result<Option<i64>, String> {
        match self.columns().get(column).map(tokio_postgres::Column::type_) {
            Some(&Type::INT2) => get::<i16>(self, column).map(|number| number.map(i64::from)),
            Some(&Type::INT4) => get::<i32>(self, column).map(|number| number.map(i64::from)),
            _ => get(self, column),
        }
    }

    fn text(&self, column: usize) -> Result<Option<&str>, String> {
        get(self, column)
    }

    fn blob(&self, column: usize) -> Result<Option<&[u8]>, String> {
        get(self, column)
    }

    fn name(&self, column: usize) -> &str {
        self.columns().get(column).map_or("?", tokio_postgres::Column::name)
    }
}

fn get<'r, T: tokio_postgres::types::FromSql<'r>>(row: &'r Row, column: usize) -> Result<Option<T>, String> {
    row.try_get(column).map_err(|error| error.to_string())
}
