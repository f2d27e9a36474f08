//! All that is kept, row by row, from one database into another of the same
//! layout, of whatever kind: what a backup is made of.

use crate::{
    database::{Columns, Db, Value},
    failure::{Failure, Outcome},
    rows::Fields,
};

/// In an order in which no row refers to one that is not there yet. Behind each
/// column its kind: i a number, t a text, b octets.
const TABLES: [(&str, &str); 18] = [
    ("account", "no:i id:b standing:i primary_hash:t primary_by:i seed:b seed_by:i last_step:i created:i epoch:i"),
    ("login", "name:t account:i place:i"),
    ("recovery_code", "account:i digest:b"),
    ("set_up", "account:i digest:b expires:i"),
    (
        "app_password",
        "no:i id:b account:i digest:b label:t app:b scopes:b networks:b lock:i created:i use_by:i expires:i \
         revoked:i",
    ),
    ("door", "no:i name:t"),
    ("app_password_use", "app_password:i door:i first:i at:i source:b"),
    ("signature", "no:i text:t"),
    ("pin", "app_password:i signature:i since:i source:b pinned_by:i"),
    ("form_taken", "app:t signature:i account:i"),
    ("form", "app:t signature:i since:i"),
    ("stranger", "app_password:i signature:t door:i source:b at:i"),
    ("refusal", "account:i app_password:i door:i reason:t source:b at:i count:i"),
    ("stranger_refusal", "door:i reason:t source:b at:i count:i"),
    ("audit", "seq:i line:b seal:b"),
    ("notice", "account:i next_try:i tray:b"),
    ("newest", "one:i at:i"),
    ("revocations", "one:i records:i outbox:b"),
];

/// So many rows go into one statement: a database behind a network answers each.
const ROWS: usize = 100;

/// Copies everything. Both sides are in a transaction, and `into` is empty.
pub(crate) fn copy(from: &impl Db, into: &impl Db) -> Outcome<()> {
    TABLES.iter().try_for_each(|(table, columns)| copy_table(from, into, table, columns))
}

fn copy_table(from: &impl Db, into: &impl Db, table: &str, columns: &str) -> Outcome<()> {
    let columns: Vec<(&str, &str)> = columns.split_whitespace().filter_map(|column| column.split_once(':')).collect();
    let names = columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let mut waiting: Vec<Kept> = vec![];
    from.each(&format!("SELECT {names} FROM {table}"), &mut |row: &dyn Columns| {
        let fields = Fields::of("backup", row);
        for (column, (name, kind)) in columns.iter().enumerate() {
            waiting.push(match *kind {
                "i" => fields.optional_int(column)?.map_or(Kept::Null, Kept::Int),
                "t" => fields.optional_text(column)?.map_or(Kept::Null, |text| Kept::Text(text.into())),
                "b" => fields.optional_blob(column)?.map_or(Kept::Null, |octets| Kept::Blob(octets.into())),
                _ => return Err(Failure::corrupt(name, "this is a bug, please report it: no kind")),
            });
        }
        if waiting.len() == ROWS * columns.len() {
            insert(into, table, &names, columns.len(), &std::mem::take(&mut waiting))?;
        }
        Ok(())
    })?;
    insert(into, table, &names, columns.len(), &waiting)
}

/// What a row holds, until its turn comes.
enum Kept {
    Null,
    Int(i64),
    Text(String),
    Blob(Vec<u8>),
}

/// Inserts rows of so many columns, each behind the other.
fn insert(into: &impl Db, table: &str, names: &str, width: usize, kept: &[Kept]) -> Outcome<()> {
    if kept.is_empty() {
        return Ok(());
    }
    let marks: Vec<String> = (1..=kept.len()).map(|number| format!("?{number}")).collect();
    let rows: Vec<String> = marks.chunks(width).map(|row| format!("({})", row.join(", "))).collect();
    let values = kept.iter().map(|kept| match kept {
        Kept::Null => Value::Null,
        Kept::Int(number) => Value::Int(*number),
        Kept::Text(text) => Value::Text(text),
        Kept::Blob(octets) => Value::Blob(octets),
    });
    let values: Vec<Value<'_>> = values.collect();
    into.execute(&format!("INSERT INTO {table} ({names}) VALUES {}", rows.join(", ")), &values).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::in_memory;

    #[test]
    fn every_column_of_every_table_is_copied() {
        let db = in_memory();
        let sql = "SELECT m.name || ' ' || c.name FROM sqlite_schema AS m JOIN pragma_table_info(m.name) AS c
            WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' AND m.name <> 'migration'";
        let mut there = db.query(sql, &[], |row| Ok(Fields::of("column", row).text(0)?.to_owned())).unwrap();
        let mut copied: Vec<String> = TABLES
            .iter()
            .flat_map(|(table, columns)| {
                columns.split_whitespace().map(move |column| format!("{table} {}", column.split(':').next().unwrap()))
            })
            .collect();
        there.sort();
        copied.sort();
        assert_eq!(there, copied);
    }

    #[test]
    fn all_rows_are_copied_however_many_they_are() {
        for count in [0, 1, ROWS, 2 * ROWS + 7] {
            let (from, into) = (in_memory(), in_memory());
            for seq in 1..=i64::try_from(count).unwrap() {
                from.execute("INSERT INTO audit (seq, line, seal) VALUES (?1, x'00', zeroblob(16))", [seq]).unwrap();
            }
            copy(&from, &into).unwrap();
            let sum = |db| Db::number(db, "SELECT coalesce(sum(seq), 0) FROM audit", &[]).unwrap();
            assert_eq!(sum(&into), sum(&from), "{count}");
            assert_eq!(Db::number(&into, "SELECT count(*) FROM audit", &[]).unwrap(), Some(count as i64));
        }
    }
}
