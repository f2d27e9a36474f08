//! Routine, aggregated: last uses and counted refusals.

use authority::{AccountId, AppPasswordId, Timestamp, Use};
use keeper::Refused;

use crate::{
    accounts,
    database::{Db, values},
    failure::{Failure, Outcome},
    rows::{self, Fields},
    writer::Write,
};

/// Writes, and changes nothing. A transaction in which nothing is written would
/// not find out that the disk is full or only to be read.
pub(crate) fn record_nothing<D: Db>(write: &mut Write<'_, D>) -> Outcome<()> {
    // There and back: what is set to what it was is not written.
    ["UPDATE newest SET at = at + 1", "UPDATE newest SET at = at - 1"]
        .iter()
        .try_for_each(|sql| write.db.execute(sql, &[]).map(drop))
}

/// The use that makes it a used one, which is told once. Kept here, and not in
/// the password's own row: that would have to be written anew, and be longer.
pub(crate) fn record_first_use<D: Db>(write: &mut Write<'_, D>, id: AppPasswordId, used: &Use) -> Outcome<()> {
    const SQL: &str = "INSERT INTO app_password_use (app_password, door, first, at, source)
        SELECT no, ?2, ?3, ?3, ?4 FROM app_password WHERE id = ?1
        ON CONFLICT (app_password, door) DO UPDATE SET first = excluded.first,
            source = CASE WHEN excluded.at >= app_password_use.at THEN excluded.source ELSE app_password_use.source END,
            at = CASE WHEN excluded.at >= app_password_use.at THEN excluded.at ELSE app_password_use.at END";
    let (door, source) = (door(write.db, &used.door)?, rows::source(used.from));
    write.db.execute(SQL, values![id.as_bytes(), door, used.at.as_millis(), &*source])?;
    write.chain.saw(used.at);
    Ok(())
}

pub(crate) fn record_use<D: Db>(write: &mut Write<'_, D>, id: AppPasswordId, used: &Use) -> Outcome<()> {
    const SQL: &str = "INSERT INTO app_password_use (app_password, door, at, source)
        SELECT no, ?2, ?3, ?4 FROM app_password WHERE id = ?1
        ON CONFLICT (app_password, door) DO UPDATE SET at = excluded.at, source = excluded.source
            WHERE excluded.at >= app_password_use.at";
    let door = door(write.db, &used.door)?;
    let source = rows::source(used.from);
    if write.db.execute(SQL, values![id.as_bytes(), door, used.at.as_millis(), &*source])? == 1 {
        write.chain.saw(used.at);
    }
    Ok(())
}

pub(crate) fn record_refusal<D: Db>(write: &mut Write<'_, D>, refused: &Refused) -> Outcome<()> {
    match refused.account {
        Some(account) => record_refusal_of(write, account, refused),
        None => record_refusal_of_stranger(write, refused),
    }
}

fn record_refusal_of<D: Db>(write: &mut Write<'_, D>, account: AccountId, refused: &Refused) -> Outcome<()> {
    const SQL: &str = "INSERT INTO refusal (account, app_password, door, reason, source, at, count)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
        ON CONFLICT (account, app_password, door, reason) DO UPDATE SET count = refusal.count + excluded.count,
            source = CASE WHEN excluded.at >= refusal.at THEN excluded.source ELSE refusal.source END,
            at = CASE WHEN excluded.at >= refusal.at THEN excluded.at ELSE refusal.at END";
    // It may have been removed meanwhile.
    let Some(account) = accounts::number(write.db, account)? else { return Ok(()) };
    let app_password = match refused.app_password {
        Some(id) => number(write.db, id)?.unwrap_or(0),
        None => 0,
    };
    let (door, source) = (door(write.db, &refused.door)?, rows::source(refused.from));
    write.db.execute(
        SQL,
        values![
            account,
            app_password,
            door,
            refused.reason.name(),
            &*source,
            refused.at.as_millis(),
            rows::int(refused.count),
        ],
    )?;
    write.chain.saw(refused.at);
    Ok(())
}

fn record_refusal_of_stranger<D: Db>(write: &mut Write<'_, D>, refused: &Refused) -> Outcome<()> {
    const SQL: &str = "INSERT INTO stranger_refusal (door, reason, source, at, count) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT (door, reason) DO UPDATE SET count = stranger_refusal.count + excluded.count,
            source = CASE WHEN excluded.at >= stranger_refusal.at THEN excluded.source ELSE stranger_refusal.source END,
            at = CASE WHEN excluded.at >= stranger_refusal.at THEN excluded.at ELSE stranger_refusal.at END";
    let (door, source) = (door(write.db, &refused.door)?, rows::source(refused.from));
    let (at, count) = (refused.at.as_millis(), rows::int(refused.count));
    write.db.execute(SQL, values![door, refused.reason.name(), &*source, at, count])?;
    write.chain.saw(refused.at);
    Ok(())
}

pub(crate) fn refusals<D: Db>(db: &D, account: AccountId, since: Timestamp) -> Outcome<Vec<Refused>> {
    const SQL: &str = "SELECT p.id AS app_password, d.name AS door, r.reason, r.source, r.at, r.count
        FROM account AS a JOIN refusal AS r ON r.account = a.no JOIN door AS d ON d.no = r.door
        LEFT JOIN app_password AS p ON p.no = r.app_password
        WHERE a.id = ?1 AND r.at >= ?2 ORDER BY r.at DESC";
    db.query(SQL, values![account.as_bytes(), since.as_millis()], |row| {
        let row = Fields::of("refusal", row);
        let app_password = match row.optional_blob(0)? {
            Some(_) => Some(AppPasswordId::from_bytes(row.bytes(0)?)),
            None => None,
        };
        Ok(Refused {
            account: Some(account),
            app_password,
            door: row.text(1)?.into(),
            reason: row.reason(2)?,
            from: row.address(3)?,
            at: row.time(4)?,
            count: row.count(5)?,
        })
    })
}

/// Doors have names of a few letters in every row otherwise.
pub(crate) fn door<D: Db>(db: &D, name: &str) -> Outcome<i64> {
    if let Some(no) = db.number("SELECT no FROM door WHERE name = ?1", values![name])? {
        return Ok(no);
    }
    let no = db.number("INSERT INTO door (name) VALUES (?1) RETURNING no", values![name])?;
    no.ok_or_else(|| Failure::corrupt("door", "a new row got no number"))
}

pub(crate) fn number<D: Db>(db: &D, id: AppPasswordId) -> Outcome<Option<i64>> {
    db.number("SELECT no FROM app_password WHERE id = ?1", values![id.as_bytes()])
}
