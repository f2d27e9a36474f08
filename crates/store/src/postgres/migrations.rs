//! Bringing the database to this program's layout.

use super::{lease, session::Session};
use crate::{
    database::{Db, Writable, values},
    failure::{Failure, Outcome},
    migrations::{Migration, Mismatch, migrations, missing},
    rows::Fields,
};

const MIGRATIONS: &[Migration] = migrations!("postgres");

/// By this a database is known to be ours.
const OURS: &str = "Postern's: see docs/configuration.md";

/// Makes the two tables that come before everything: the list of migrations, and
/// the lease that must be held to apply one.
pub(super) fn begin(session: &Session) -> Result<(), Mismatch> {
    let tables = "SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace
        AND relkind IN ('r', 'p', 'v', 'm', 'f')";
    let ours = "SELECT 1 FROM pg_class WHERE relnamespace = current_schema()::regnamespace
        AND relname = 'migration' AND obj_description(oid, 'pg_class') = ?1";
    if session.number(ours, values![OURS])?.is_some() {
        return Ok(());
    }
    if session.number(tables, &[])? != Some(0) {
        return Err(Mismatch::Foreign);
    }
    Ok(session.batch(&format!(
        "BEGIN;
         CREATE TABLE IF NOT EXISTS migration (
            number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name TEXT NOT NULL, checksum BYTEA NOT NULL
         );
         COMMENT ON TABLE migration IS '{}';
         {};
         COMMIT",
        OURS.replace('\'', "''"),
        lease::TABLE,
    ))?)
}

/// Applies what is missing. True if that was everything: the database is new.
pub(super) fn migrate(leader: &mut impl Writable<Db = Session>) -> Result<bool, Mismatch> {
    let mut had = vec![];
    leader
        .transact(&mut |session| {
            had = applied(session)?;
            Ok(())
        })
        .map_err(Failure::from)?;
    for migration in missing(MIGRATIONS, &had)? {
        leader
            .transact(&mut |session| {
                session.batch(migration.sql)?;
                crate::fail_point::pass("within a migration");
                let sql = "INSERT INTO migration (name, checksum) VALUES (?1, ?2)";
                session.execute(sql, values![migration.name, &migration.checksum()]).map(drop)
            })
            .map_err(Failure::from)?;
    }
    Ok(had.is_empty())
}

fn applied(session: &Session) -> Outcome<Vec<(String, Vec<u8>)>> {
    session.query("SELECT number, name, checksum FROM migration ORDER BY number", &[], |row| {
        let row = Fields::of("migration", row);
        Ok((row.text(1)?.to_owned(), row.blob(2)?.to_vec()))
    })
}
