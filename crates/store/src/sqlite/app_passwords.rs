//! App passwords: looked up, made, ended.

use authority::{AccountId, AppPassword, AppPasswordId, Entry, Event, Timestamp, Use};
use keeper::{Digest, Issued, Listed};
use rusqlite::{Connection, Params, params};

use super::{accounts, failure::Outcome, journal, rows, writer::Write};

const FROM: &str = "FROM app_password AS p JOIN account AS a ON a.no = p.account";

pub(super) fn by_digest(db: &Connection, digest: &Digest) -> Outcome<Option<AppPassword>> {
    let sql = format!("SELECT {} {FROM} WHERE substr(p.digest, 1, 8) = ?1 AND p.digest = ?2", rows::APP_PASSWORD);
    let mut statement = db.prepare_cached(&sql)?;
    let mut found = statement.query(params![&digest.0[..8], digest.0])?;
    found.next()?.map(rows::app_password).transpose()
}

pub(super) fn of_account(db: &Connection, account: AccountId) -> Outcome<Vec<Listed>> {
    listed(db, "a.id = ?1", [account.as_bytes()])
}

pub(super) fn by_id(db: &Connection, id: AppPasswordId) -> Outcome<Option<Listed>> {
    Ok(listed(db, "p.id = ?1", [id.as_bytes()])?.pop())
}

fn listed(db: &Connection, which: &str, params: impl Params) -> Outcome<Vec<Listed>> {
    let sql = format!(
        "SELECT {}, {} {FROM}
         LEFT JOIN app_password_use AS u ON u.app_password = p.no LEFT JOIN door AS d ON d.no = u.door
         WHERE {which} ORDER BY p.created DESC, p.no DESC, u.at DESC",
        rows::APP_PASSWORD,
        rows::USE
    );
    let mut statement = db.prepare_cached(&sql)?;
    let width = statement.column_count() - 3;
    let mut found = statement.query(params)?;
    let mut all: Vec<Listed> = vec![];
    let mut last = None;
    while let Some(row) = found.next()? {
        let no: i64 = row.get(0)?;
        if last != Some(no) {
            all.push(Listed { password: rows::app_password(row)?, uses: vec![] });
            last = Some(no);
        }
        if let (Some(one), Some(used)) = (all.last_mut(), rows::used(row, width)?) {
            one.uses.push(used);
        }
    }
    Ok(all)
}

pub(super) fn issue(
    write: &mut Write<'_>,
    password: &AppPassword,
    digest: &Digest,
    limit: usize,
    entry: &Entry,
) -> Outcome<Issued> {
    let Some(no) = accounts::number_if_it_may(write.db, password.account)? else { return Ok(Issued::NotAllowed) };
    if living(write.db, no, password.created)?.len() >= limit {
        return Ok(Issued::LimitReached);
    }
    let millis = |at: Option<Timestamp>| at.map(Timestamp::as_millis);
    write
        .db
        .prepare_cached(
            "INSERT INTO app_password (id, account, digest, label, app, scopes, networks, lock,
                created, use_by, expires, first_used, revoked)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?
        .execute(params![
            password.id.as_bytes(),
            no,
            digest.0,
            password.label.as_str(),
            password.app.as_str(),
            password.scopes.to_string(),
            password.networks.to_string(),
            rows::lock(password.lock),
            password.created.as_millis(),
            password.use_by.as_millis(),
            millis(password.expires),
            millis(password.first_used),
            millis(password.revoked),
        ])?;
    write.log(entry)?;
    Ok(Issued::Done)
}

pub(super) fn revoke(write: &mut Write<'_>, account: AccountId, id: AppPasswordId, entry: &Entry) -> Outcome<bool> {
    const SQL: &str = "UPDATE app_password SET revoked = ?3
        WHERE id = ?2 AND account = (SELECT no FROM account WHERE id = ?1) AND revoked IS NULL";
    let mut update = write.db.prepare_cached(SQL)?;
    let revoked = update.execute(params![account.as_bytes(), id.as_bytes(), entry.at.as_millis()])? == 1;
    if revoked {
        write.log(entry)?;
    }
    Ok(revoked)
}

pub(super) fn revoke_all(write: &mut Write<'_>, account: AccountId, entry: &Entry) -> Outcome<Vec<AppPasswordId>> {
    let Some(no) = accounts::number(write.db, account)? else { return Ok(vec![]) };
    if living(write.db, no, entry.at)?.is_empty() {
        return Ok(vec![]);
    }
    write.log(entry)?;
    revoke_living(write, no, entry)
}

/// Revokes all that are alive, each with a line of audit that follows `entry`.
pub(super) fn revoke_living(write: &mut Write<'_>, account: i64, entry: &Entry) -> Outcome<Vec<AppPasswordId>> {
    let living = living(write.db, account, entry.at)?;
    for (no, id) in &living {
        write
            .db
            .prepare_cached("UPDATE app_password SET revoked = ?2 WHERE no = ?1")?
            .execute([*no, entry.at.as_millis()])?;
        write.log(&entry.also(Event::AppPasswordRevoked { id: *id }))?;
    }
    Ok(living.into_iter().map(|(_, id)| id).collect())
}

pub(super) fn record_first_use(write: &mut Write<'_>, id: AppPasswordId, first: &Use, entry: &Entry) -> Outcome<bool> {
    let sql = format!("SELECT {} {FROM} WHERE p.id = ?1", rows::APP_PASSWORD);
    let mut statement = write.db.prepare_cached(&sql)?;
    let mut found = statement.query([id.as_bytes()])?;
    let Some(row) = found.next()? else { return Ok(false) };
    let (no, password): (i64, _) = (row.get(0)?, rows::app_password(row)?);
    if password.revoked.is_some() || password.is_over(first.at) {
        return Ok(false);
    }
    if password.first_used.is_none() {
        write
            .db
            .prepare_cached("UPDATE app_password SET first_used = ?2 WHERE no = ?1")?
            .execute([no, first.at.as_millis()])?;
        journal::record_use(write, id, first)?;
        write.log(entry)?;
    }
    Ok(true)
}

/// Number and id of those that are neither over nor revoked. What "over" means
/// is the law's to say, so the rows are read and asked.
fn living(db: &Connection, account: i64, at: Timestamp) -> Outcome<Vec<(i64, AppPasswordId)>> {
    let sql = format!("SELECT {} {FROM} WHERE p.account = ?1 AND p.revoked IS NULL", rows::APP_PASSWORD);
    let mut statement = db.prepare_cached(&sql)?;
    let mut found = statement.query([account])?;
    let mut living = vec![];
    while let Some(row) = found.next()? {
        let password = rows::app_password(row)?;
        if !password.is_over(at) {
            living.push((row.get(0)?, password.id));
        }
    }
    Ok(living)
}
