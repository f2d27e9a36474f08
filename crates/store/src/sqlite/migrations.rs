//! How the layout came to be: numbered files, each applied once, whole or not
//! at all, and remembered with its checksum.

use rusqlite::{Connection, params};
use sha2::{Digest as _, Sha256};

use super::failure::{Failure, Outcome};

struct Migration {
    name: &'static str,
    sql: &'static str,
}

macro_rules! migrations {
    ($($name:literal),* $(,)?) => {
        &[$(Migration {
            name: $name,
            sql: include_str!(concat!("../../migrations/sqlite/", $name, ".sql")),
        }),*]
    };
}

/// In order; the first has number 1.
const MIGRATIONS: &[Migration] = migrations!["0001_begin"];

/// Set by the first migration: "Post".
const APPLICATION_ID: i32 = 0x506f_7374;

/// Why a database cannot be brought to this program's layout.
#[derive(Debug)]
pub(super) enum Mismatch {
    /// It is something else's.
    Foreign,
    /// It has been used by a later version, whose newest migration is this.
    Newer(String),
    /// A migration was applied in another form than this program knows.
    Altered(&'static str),
    /// It failed.
    Failed(Failure),
}

impl<E: Into<Failure>> From<E> for Mismatch {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Applies what is missing.
pub(super) fn migrate(db: &mut Connection) -> Result<(), Mismatch> {
    let empty: bool = db.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))?;
    let id: i32 = db.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    if !empty && id != APPLICATION_ID {
        return Err(Mismatch::Foreign);
    }
    let applied = if empty { vec![] } else { applied(db)? };
    if let Some((name, _)) = applied.get(MIGRATIONS.len()) {
        return Err(Mismatch::Newer(name.clone()));
    }
    for (migration, (name, checksum)) in MIGRATIONS.iter().zip(&applied) {
        if migration.name != name || migration.checksum() != checksum.as_slice() {
            return Err(Mismatch::Altered(migration.name));
        }
    }
    for migration in &MIGRATIONS[applied.len()..] {
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
        transaction.commit()?;
    }
    Ok(())
}

fn applied(db: &Connection) -> Outcome<Vec<(String, Vec<u8>)>> {
    let mut statement = db.prepare("SELECT name, checksum FROM migration ORDER BY number")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

impl Migration {
    fn checksum(&self) -> [u8; 32] {
        Sha256::digest(self.sql).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_in_the_list_in_order() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite");
        let mut files: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        files.sort();
        let listed: Vec<_> = MIGRATIONS.iter().map(|migration| format!("{}.sql", migration.name)).collect();
        assert_eq!(files, listed);
        for (number, file) in (1..).zip(files) {
            assert!(file.starts_with(&format!("{number:04}_")), "{file}");
        }
    }

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
