//! Bringing `postern.db` to this program's layout.

use rusqlite::{Connection, params};

use crate::{
    failure::Outcome,
    migrations::{Migration, Mismatch, migrations, missing},
};

const MIGRATIONS: &[Migration] = migrations!("sqlite");

/// Set by the first migration: "Post".
const APPLICATION_ID: i32 = 0x506f_7374;

/// Applies what is missing.
pub(super) fn migrate(db: &mut Connection) -> Result<(), Mismatch> {
    let empty: bool = db.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))?;
    let id: i32 = db.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    if !empty && id != APPLICATION_ID {
        return Err(Mismatch::Foreign);
    }
    let applied = if empty { vec![] } else { applied(db)? };
    for migration in missing(MIGRATIONS, &applied)? {
        let transaction = db.transaction()?;
        transaction.execute_batch(
            "CREATE TABLE IF NOT EXISTS migration (
                number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum BLOB NOT NULL
            ) STRICT",
        )?;
        transaction.execute_batch(migration.sql)?;
        transaction.execute(
            "INSERT INTO migration (name, checksum) VALUES (?1, ?2)",
            params![migration.name, migration.checksum()],
        )?;
        crate::fail_point::pass("within a migration");
        transaction.commit()?;
    }
    Ok(())
}

fn applied(db: &Connection) -> Outcome<Vec<(String, Vec<u8>)>> {
    let mut statement = db.prepare("SELECT name, checksum FROM migration ORDER BY number")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn applied_once_and_known_by_its_checksum() {
        let mut db = Connection::open_in_memory().unwrap();
        migrate(&mut db).unwrap();
        migrate(&mut db).unwrap();
        db.execute("UPDATE migration SET checksum = x'00' WHERE number = 1", []).unwrap();
        assert!(matches!(migrate(&mut db), Err(Mismatch::Altered("0001_begin"))));
    }

    #[test]
    fn a_later_versions_database_is_left_alone() {
        let mut db = Connection::open_in_memory().unwrap();
        migrate(&mut db).unwrap();
        db.execute("INSERT INTO migration (name, checksum) VALUES ('9999_later', x'00')", []).unwrap();
        assert!(matches!(migrate(&mut db), Err(Mismatch::Newer(name)) if name == "9999_later"));
    }

    #[test]
    fn another_programs_database_is_left_alone() {
        let mut db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE t (x)").unwrap();
        assert!(matches!(migrate(&mut db), Err(Mismatch::Foreign)));
    }
}
