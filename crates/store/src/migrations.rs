//! How the layout came to be: numbered files, each applied once, whole or not
//! at all, and remembered with its checksum.

use sha2::{Digest as _, Sha256};

use crate::failure::Failure;

pub(crate) struct Migration {
    pub(crate) name: &'static str,
    pub(crate) sql: &'static str,
}

impl Migration {
    pub(crate) fn checksum(&self) -> [u8; 32] {
        Sha256::digest(self.sql).into()
    }
}

/// In order, for one kind of database; the first has number 1. Both kinds have
/// the same names.
macro_rules! migrations {
    ($kind:literal) => {
        migrations![$kind: "0001_begin", "0002_app_lock", "0003_notices"]
    };
    ($kind:literal: $($name:literal),*) => {
        &[$($crate::migrations::Migration {
            name: $name,
            sql: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/", $kind, "/", $name, ".sql")),
        }),*]
    };
}
pub(crate) use migrations;

/// Why a database cannot be brought to this program's layout.
#[derive(Debug)]
pub(crate) enum Mismatch {
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

/// What is left to apply on a database that has these, name and checksum, in order.
pub(crate) fn missing(
    all: &'static [Migration],
    applied: &[(String, Vec<u8>)],
) -> Result<&'static [Migration], Mismatch> {
    if let Some((name, _)) = applied.get(all.len()) {
        return Err(Mismatch::Newer(name.clone()));
    }
    for (migration, (name, checksum)) in all.iter().zip(applied) {
        if migration.name != name || migration.checksum() != checksum.as_slice() {
            return Err(Mismatch::Altered(migration.name));
        }
    }
    Ok(&all[applied.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_in_the_list_in_order() {
        const SQLITE: &[Migration] = migrations!("sqlite");
        for kind in ["sqlite", "postgres"] {
            let folder = format!("{}/migrations/{kind}", env!("CARGO_MANIFEST_DIR"));
            let files = std::fs::read_dir(folder).unwrap();
            let mut files: Vec<_> = files.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            files.sort();
            let listed: Vec<_> = SQLITE.iter().map(|migration| format!("{}.sql", migration.name)).collect();
            assert_eq!(files, listed, "{kind}");
            for (number, file) in (1..).zip(files) {
                assert!(file.starts_with(&format!("{number:04}_")), "{file}");
            }
        }
    }
}
