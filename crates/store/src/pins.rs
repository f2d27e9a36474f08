//! What app passwords know of the clients that use them.

use std::sync::Arc;

use authority::{
    AccountId, AppPassword, AppPasswordId, Entry, Lesson, Pin, PinnedBy, Stranger, Timestamp, Use, app_lock::MOST_PINS,
    app_lock::Was,
};
use keeper::{Learned, MOST_STRANGERS, STRANGERS_STAY};

use crate::{
    app_passwords,
    database::{Columns, Db, values},
    failure::{Failure, Outcome},
    forms, journal,
    rows::{self, Fields},
    writer::Write,
};

/// The pins of a password, oldest first.
pub(crate) fn of<D: Db>(db: &D, no: i64) -> Outcome<Arc<[Pin]>> {
    const SQL: &str = "SELECT p.app_password, s.text, p.since, p.source, p.pinned_by
        FROM pin AS p JOIN signature AS s ON s.no = p.signature
        WHERE p.app_password = ?1 ORDER BY p.since, p.signature";
    Ok(db.query(SQL, values![no], pin)?.into())
}

fn pin(row: &dyn Columns) -> Outcome<Pin> {
    let row = Fields::of("pin", row);
    Ok(Pin {
        signature: row.parse(1)?,
        since: row.time(2)?,
        from: row.address(3)?,
        by: match row.int(4)? {
            0 => PinnedBy::FirstUse,
            1 => PinnedBy::Drift,
            2 => PinnedBy::Owner,
            other => return Err(row.corrupt(4, format_args!("{other} stands for nobody"))),
        },
    })
}

fn pinned_by(by: PinnedBy) -> i64 {
    match by {
        PinnedBy::FirstUse => 0,
        PinnedBy::Drift => 1,
        PinnedBy::Owner => 2,
    }
}

pub(crate) fn learn<D: Db>(
    write: &mut Write<'_, D>,
    lesson: &Lesson,
    used: &Use,
    entries: &[Entry],
) -> Outcome<Learned> {
    let Some((no, password)) = app_passwords::numbered_by_id(write.db, lesson.password)? else {
        return Ok(Learned::Gone);
    };
    if !is_alive(&password, used.at) {
        return Ok(Learned::Gone);
    }
    if Was::of(&password) != lesson.was {
        return Ok(Learned::Outdated);
    }
    match password.first_used {
        None => journal::record_first_use(write, lesson.password, used)?,
        Some(_) => journal::record_use(write, lesson.password, used)?,
    }
    entries.iter().try_for_each(|entry| write.log(entry))?;
    if let Some(pin) = &lesson.pin {
        let signature = put(write, no, &password.pins, pin)?;
        if let Some(app) = &lesson.form_of {
            forms::take(write, app, (signature, &pin.signature), password.account, used.at)?;
        }
    }
    Ok(Learned::Done)
}

pub(crate) fn allow<D: Db>(
    write: &mut Write<'_, D>,
    account: AccountId,
    id: AppPasswordId,
    pin: &Pin,
    entry: &Entry,
) -> Outcome<bool> {
    let Some((no, password)) = living(write.db, account, id, entry.at)? else { return Ok(false) };
    let sql = "DELETE FROM stranger WHERE app_password = ?1 AND signature = ?2";
    if write.db.execute(sql, values![no, &*pin.signature.to_string()])? == 0 {
        return Ok(false);
    }
    put(write, no, &password.pins, pin)?;
    write.log(entry)?;
    Ok(true)
}

pub(crate) fn relearn<D: Db>(
    write: &mut Write<'_, D>,
    account: AccountId,
    id: AppPasswordId,
    use_by: Timestamp,
    entry: &Entry,
) -> Outcome<bool> {
    let Some((no, _)) = living(write.db, account, id, entry.at)? else { return Ok(false) };
    for sql in [
        "DELETE FROM pin WHERE app_password = ?1",
        "DELETE FROM stranger WHERE app_password = ?1",
        "UPDATE app_password_use SET first = NULL WHERE app_password = ?1",
    ] {
        write.db.execute(sql, values![no])?;
    }
    write.db.execute("UPDATE app_password SET use_by = ?2 WHERE no = ?1", values![no, use_by.as_millis()])?;
    write.log(entry)?;
    Ok(true)
}

pub(crate) fn record_stranger<D: Db>(
    write: &mut Write<'_, D>,
    id: AppPasswordId,
    stranger: &Stranger,
    entry: &Entry,
) -> Outcome<bool> {
    const SEEN: &str = "UPDATE stranger SET door = ?3, source = ?4, at = ?5 WHERE app_password = ?1 AND signature = ?2";
    const NEW: &str = "INSERT INTO stranger (app_password, signature, door, source, at) VALUES (?1, ?2, ?3, ?4, ?5)";
    const OLD: &str = "DELETE FROM stranger WHERE app_password = ?1 AND at <= ?2";
    const COUNT: &str = "SELECT count(*) FROM stranger WHERE app_password = ?1";
    let Some(no) = journal::number(write.db, id)? else { return Ok(false) };
    let (signature, door) = (stranger.signature.to_string(), journal::door(write.db, &stranger.door)?);
    let source = rows::source(stranger.from);
    let row = values![no, &*signature, door, &*source, stranger.at.as_millis()];
    write.chain.saw(stranger.at);
    if write.db.execute(SEEN, row)? > 0 {
        return Ok(false);
    }
    let is_full = |db: &D| -> Outcome<bool> {
        let kept = db.number(COUNT, values![no])?.unwrap_or(0);
        Ok(usize::try_from(kept).unwrap_or(usize::MAX) >= MOST_STRANGERS)
    };
    if is_full(write.db)? {
        write.db.execute(OLD, values![no, stranger.at.minus(STRANGERS_STAY).as_millis()])?;
        if is_full(write.db)? {
            return Ok(false);
        }
    }
    write.db.execute(NEW, row)?;
    write.log(entry)?;
    Ok(true)
}

pub(crate) fn strangers<D: Db>(db: &D, id: AppPasswordId) -> Outcome<Vec<Stranger>> {
    const SQL: &str = "SELECT s.app_password, s.signature, d.name AS door, s.source, s.at
        FROM app_password AS p JOIN stranger AS s ON s.app_password = p.no JOIN door AS d ON d.no = s.door
        WHERE p.id = ?1 ORDER BY s.at DESC, s.signature";
    db.query(SQL, values![id.as_bytes()], |row| {
        let row = Fields::of("stranger", row);
        Ok(Stranger { signature: row.parse(1)?, door: row.text(2)?.into(), from: row.address(3)?, at: row.time(4)? })
    })
}

pub(crate) fn has_come_from<D: Db>(db: &D, account: AccountId, from: std::net::IpAddr) -> Outcome<bool> {
    const SQL: &str = "SELECT count(*) FROM account AS a JOIN app_password AS p ON p.account = a.no
        JOIN app_password_use AS u ON u.app_password = p.no
        WHERE a.id = ?1 AND length(u.source) = ?2 AND substr(u.source, 1, ?3) = ?4";
    let source = rows::source(from.to_canonical());
    let prefix = if source.len() == 4 { 3 } else { 6 };
    let length = i64::try_from(source.len()).unwrap_or(i64::MAX);
    let values = values![account.as_bytes(), length, i64::try_from(prefix).unwrap_or(i64::MAX), &source[..prefix]];
    Ok(db.number(SQL, values)?.is_some_and(|count| count > 0))
}

/// Adds a pin to those that there are; returns the number of its signature.
fn put<D: Db>(write: &mut Write<'_, D>, no: i64, pins: &[Pin], new: &Pin) -> Outcome<i64> {
    const SQL: &str = "INSERT INTO pin (app_password, signature, since, source, pinned_by) VALUES (?1, ?2, ?3, ?4, ?5)";
    for old in &pins[..(pins.len() + 1).saturating_sub(MOST_PINS)] {
        let sql = "DELETE FROM pin WHERE app_password = ?1 AND signature = ?2";
        write.db.execute(sql, values![no, signature(write.db, &old.signature.to_string())?])?;
    }
    let signature = signature(write.db, &new.signature.to_string())?;
    write.db.execute("DELETE FROM pin WHERE app_password = ?1 AND signature = ?2", values![no, signature])?;
    let source = rows::source(new.from);
    write.db.execute(SQL, values![no, signature, new.since.as_millis(), &*source, pinned_by(new.by)])?;
    Ok(signature)
}

fn signature<D: Db>(db: &D, text: &str) -> Outcome<i64> {
    if let Some(no) = db.number("SELECT no FROM signature WHERE text = ?1", values![text])? {
        return Ok(no);
    }
    let no = db.number("INSERT INTO signature (text) VALUES (?1) RETURNING no", values![text])?;
    no.ok_or_else(|| Failure::corrupt("signature", "a new row got no number"))
}

fn living<D: Db>(db: &D, account: AccountId, id: AppPasswordId, now: Timestamp) -> Outcome<Option<(i64, AppPassword)>> {
    let found = app_passwords::numbered_by_id(db, id)?;
    Ok(found.filter(|(_, password)| password.account == account && is_alive(password, now)))
}

fn is_alive(password: &AppPassword, now: Timestamp) -> bool {
    password.revoked.is_none() && !password.is_over(now)
}
