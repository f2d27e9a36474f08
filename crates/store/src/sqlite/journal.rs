//! Routine, aggregated: last uses and counted refusals.

use authority::{AccountId, AppPasswordId, Timestamp, Use};
use keeper::Refused;
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    accounts,
    failure::Outcome,
    rows::{self, Fields},
    writer::Write,
};

pub(super) fn record_use(write: &mut Write<'_>, id: AppPasswordId, used: &Use) -> Outcome<()> {
    const SQL: &str = "INSERT INTO app_password_use (app_password, door, at, source)
        SELECT no, ?2, ?3, ?4 FROM app_password WHERE id = ?1
        ON CONFLICT DO UPDATE SET at = excluded.at, source = excluded.source WHERE excluded.at >= at";
    let door = door(write.db, &used.door)?;
    let mut upsert = write.db.prepare_cached(SQL)?;
    let written = upsert.execute(params![id.as_bytes(), door, used.at.as_millis(), rows::source(used.from)])?;
    if written == 1 {
        write.chain.saw(used.at);
    }
    Ok(())
}

pub(super) fn record_refusal(write: &mut Write<'_>, refused: &Refused) -> Outcome<()> {
    match refused.account {
        Some(account) => record_refusal_of(write, account, refused),
        None => record_refusal_of_stranger(write, refused),
    }
}

fn record_refusal_of(write: &mut Write<'_>, account: AccountId, refused: &Refused) -> Outcome<()> {
    const SQL: &str = "INSERT INTO refusal (account, app_password, door, reason, source, at, count)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
        ON CONFLICT DO UPDATE SET count = count + excluded.count,
            source = iif(excluded.at >= at, excluded.source, source), at = max(at, excluded.at)";
    // It may have been removed meanwhile.
    let Some(account) = accounts::number(write.db, account)? else { return Ok(()) };
    let app_password = match refused.app_password {
        Some(id) => number(write.db, id)?.unwrap_or(0),
        None => 0,
    };
    write.db.prepare_cached(SQL)?.execute(params![
        account,
        app_password,
        door(write.db, &refused.door)?,
        refused.reason.name(),
        rows::source(refused.from),
        refused.at.as_millis(),
        rows::int(refused.count),
    ])?;
    write.chain.saw(refused.at);
    Ok(())
}

fn record_refusal_of_stranger(write: &mut Write<'_>, refused: &Refused) -> Outcome<()> {
    const SQL: &str = "INSERT INTO stranger_refusal (door, reason, source, at, count) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT DO UPDATE SET count = count + excluded.count,
            source = iif(excluded.at >= at, excluded.source, source), at = max(at, excluded.at)";
    write.db.prepare_cached(SQL)?.execute(params![
        door(write.db, &refused.door)?,
        refused.reason.name(),
        rows::source(refused.from),
        refused.at.as_millis(),
        rows::int(refused.count),
    ])?;
    write.chain.saw(refused.at);
    Ok(())
}

pub(super) fn refusals(db: &Connection, account: AccountId, since: Timestamp) -> Outcome<Vec<Refused>> {
    const SQL: &str = "SELECT p.id AS app_password, d.name AS door, r.reason, r.source, r.at, r.count
        FROM account AS a JOIN refusal AS r ON r.account = a.no JOIN door AS d ON d.no = r.door
        LEFT JOIN app_password AS p ON p.no = r.app_password
        WHERE a.id = ?1 AND r.at >= ?2 ORDER BY r.at DESC";
    let mut statement = db.prepare_cached(SQL)?;
    let mut found = statement.query(params![account.as_bytes(), since.as_millis()])?;
    let mut refusals = vec![];
    while let Some(row) = found.next()? {
        let row = Fields::of("refusal", row);
        refusals.push(Refused {
            account: Some(account),
            app_password: row.get::<Option<_>>(0)?.map(AppPasswordId::from_bytes),
            door: row.get(1)?,
            reason: rows::reason(&row, 2)?,
            from: row.address(3)?,
            at: row.time(4)?,
            count: row.count(5)?,
        });
    }
    Ok(refusals)
}

/// Doors have names of a few letters in every row otherwise.
fn door(db: &Connection, name: &str) -> Outcome<i64> {
    let find = || -> Outcome<Option<i64>> {
        let mut statement = db.prepare_cached("SELECT no FROM door WHERE name = ?1")?;
        Ok(statement.query_row([name], |row| row.get(0)).optional()?)
    };
    if let Some(no) = find()? {
        return Ok(no);
    }
    db.prepare_cached("INSERT INTO door (name) VALUES (?1)")?.execute([name])?;
    Ok(db.last_insert_rowid())
}

fn number(db: &Connection, id: AppPasswordId) -> Outcome<Option<i64>> {
    let mut statement = db.prepare_cached("SELECT no FROM app_password WHERE id = ?1")?;
    Ok(statement.query_row([id.as_bytes()], |row| row.get(0)).optional()?)
}
