//! App passwords: looked up, made, ended.

use authority::{AccountId, AppPassword, AppPasswordId, Entry, Event, Timestamp};
use keeper::{Digest, Issued, Listed};

use crate::{
    accounts,
    database::{Columns, Db, Value, values},
    failure::Outcome,
    line::pack,
    pins,
    revocations::Record,
    rows::{self, Fields},
    writer::Write,
};

/// So much of a digest is stored: 128 bits, more than the letters have.
const DIGEST: usize = 16;

const FROM: &str = "FROM app_password AS p JOIN account AS a ON a.no = p.account";

pub(crate) fn by_digest<D: Db>(db: &D, digest: &Digest) -> Outcome<Option<AppPassword>> {
    let sql = format!("SELECT {} {FROM} WHERE substr(p.digest, 1, 8) = ?1 AND p.digest = ?2", rows::APP_PASSWORD);
    let found = db.first(&sql, values![&digest.0[..8], kept(digest)], numbered)?;
    found.map(|found| with_pins(db, found)).transpose().map(|found| found.map(|(_, password)| password))
}

/// With its number.
pub(crate) fn numbered_by_id<D: Db>(db: &D, id: AppPasswordId) -> Outcome<Option<(i64, AppPassword)>> {
    let sql = format!("SELECT {} {FROM} WHERE p.id = ?1", rows::APP_PASSWORD);
    let found = db.first(&sql, values![id.as_bytes()], numbered)?;
    found.map(|found| with_pins(db, found)).transpose()
}

fn with_pins<D: Db>(db: &D, (no, password): (i64, AppPassword)) -> Outcome<(i64, AppPassword)> {
    let pins = pins::of(db, no)?;
    Ok((no, AppPassword { pins, ..password }))
}

pub(crate) fn of_account<D: Db>(db: &D, account: AccountId) -> Outcome<Vec<Listed>> {
    listed(db, "a.id = ?1", values![account.as_bytes()])
}

pub(crate) fn by_id<D: Db>(db: &D, id: AppPasswordId) -> Outcome<Option<Listed>> {
    Ok(listed(db, "p.id = ?1", values![id.as_bytes()])?.pop())
}

fn listed<D: Db>(db: &D, which: &str, values: &[Value<'_>]) -> Outcome<Vec<Listed>> {
    let sql = format!(
        "SELECT {}, {} {FROM}
         LEFT JOIN app_password_use AS u ON u.app_password = p.no LEFT JOIN door AS d ON d.no = u.door
         WHERE {which} ORDER BY p.created DESC, p.no DESC, u.at DESC",
        rows::APP_PASSWORD,
        rows::USE
    );
    let mut all: Vec<Listed> = vec![];
    let mut numbers = vec![];
    db.query(&sql, values, |row| {
        let (no, password) = numbered(row)?;
        if all.last().is_none_or(|last| last.password.id != password.id) {
            all.push(Listed { password, uses: vec![] });
            numbers.push(no);
        }
        if let (Some(one), Some(used)) = (all.last_mut(), rows::used(row, rows::APP_PASSWORD_WIDTH)?) {
            one.uses.push(used);
        }
        Ok(())
    })?;
    for (one, no) in all.iter_mut().zip(numbers) {
        one.password.pins = pins::of(db, no)?;
    }
    Ok(all)
}

pub(crate) fn issue<D: Db>(
    write: &mut Write<'_, D>,
    password: &AppPassword,
    digest: &Digest,
    limit: usize,
    entry: &Entry,
) -> Outcome<Issued> {
    const SQL: &str = "INSERT INTO app_password (id, account, digest, label, app, scopes, networks, lock,
            created, use_by, expires, revoked)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    let Some(no) = accounts::number_if_it_may(write.db, password.account)? else { return Ok(Issued::NotAllowed) };
    if living(write.db, no, password.created)?.len() >= limit {
        return Ok(Issued::LimitReached);
    }
    let millis = |at: Option<Timestamp>| at.map(Timestamp::as_millis);
    write.db.execute(
        SQL,
        values![
            password.id.as_bytes(),
            no,
            kept(digest),
            password.label.as_str(),
            &*pack(password.app.as_str()),
            &*pack(&password.scopes.to_string()),
            &*pack(&password.networks.to_string()),
            rows::lock(password.lock),
            password.created.as_millis(),
            password.use_by.as_millis(),
            millis(password.expires),
            millis(password.revoked),
        ],
    )?;
    write.log(entry)?;
    Ok(Issued::Done)
}

pub(crate) fn revoke<D: Db>(
    write: &mut Write<'_, D>,
    account: AccountId,
    id: AppPasswordId,
    entry: &Entry,
) -> Outcome<bool> {
    const SQL: &str = "UPDATE app_password SET revoked = ?3
        WHERE id = ?2 AND account = (SELECT no FROM account WHERE id = ?1) AND revoked IS NULL";
    let revoked = write.db.execute(SQL, values![account.as_bytes(), id.as_bytes(), entry.at.as_millis()])? == 1;
    if revoked {
        write.record(Record::AppPassword(id));
        write.log(entry)?;
    }
    Ok(revoked)
}

pub(crate) fn revoke_all<D: Db>(
    write: &mut Write<'_, D>,
    account: AccountId,
    entry: &Entry,
) -> Outcome<Vec<AppPasswordId>> {
    let Some(no) = accounts::number(write.db, account)? else { return Ok(vec![]) };
    if living(write.db, no, entry.at)?.is_empty() {
        return Ok(vec![]);
    }
    write.log(entry)?;
    revoke_living(write, no, entry)
}

/// Revokes all that are alive, each with a line of audit that follows `entry`.
pub(crate) fn revoke_living<D: Db>(
    write: &mut Write<'_, D>,
    account: i64,
    entry: &Entry,
) -> Outcome<Vec<AppPasswordId>> {
    let living = living(write.db, account, entry.at)?;
    for (no, id) in &living {
        let sql = "UPDATE app_password SET revoked = ?2 WHERE no = ?1";
        write.db.execute(sql, values![*no, entry.at.as_millis()])?;
        write.record(Record::AppPassword(*id));
        write.log_consequence(&entry.also(Event::AppPasswordRevoked { id: *id }))?;
    }
    Ok(living.into_iter().map(|(_, id)| id).collect())
}

pub(crate) fn rehash<D: Db>(write: &mut Write<'_, D>, id: AppPasswordId, digest: &Digest) -> Outcome<bool> {
    let sql = "UPDATE app_password SET digest = ?2 WHERE id = ?1";
    Ok(write.db.execute(sql, values![id.as_bytes(), kept(digest)])? == 1)
}

/// Number and id of those that are neither over nor revoked. What "over" means
/// is the law's to say, so the rows are read and asked.
fn living<D: Db>(db: &D, account: i64, at: Timestamp) -> Outcome<Vec<(i64, AppPasswordId)>> {
    let sql = format!("SELECT {} {FROM} WHERE p.account = ?1 AND p.revoked IS NULL", rows::APP_PASSWORD);
    let unrevoked = db.query(&sql, values![account], numbered)?;
    let living = unrevoked.into_iter().filter(|(_, password)| !password.is_over(at));
    Ok(living.map(|(no, password)| (no, password.id)).collect())
}

fn kept(digest: &Digest) -> &[u8] {
    &digest.0[..DIGEST]
}

fn numbered(row: &dyn Columns) -> Outcome<(i64, AppPassword)> {
    Ok((Fields::of("app_password", row).int(0)?, rows::app_password(row)?))
}
