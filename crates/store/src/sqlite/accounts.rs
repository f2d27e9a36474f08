//! Accounts, their factors, their codes.

use authority::{Account, AccountId, AppPasswordId, Entry, Login, Primary, SecondFactor, Standing, Timestamp};
use keeper::{Added, Digest, Factors, NewAccount, SetUpOffer, Spent};
use rusqlite::{Connection, OptionalExtension, params};

use super::{app_passwords, failure::Outcome, rows, writer::Write};

pub(super) fn by_login(db: &Connection, login: &Login) -> Outcome<Option<Account>> {
    const SQL: &str = "FROM login AS n JOIN account AS a ON a.no = n.account WHERE n.name = ?1";
    let mut statement = db.prepare_cached(&format!("SELECT {} {SQL}", rows::ACCOUNT))?;
    let mut found = statement.query([login.as_str()])?;
    found.next()?.map(rows::account).transpose()
}

pub(super) fn by_id(db: &Connection, id: AccountId) -> Outcome<Option<Account>> {
    let mut statement = db.prepare_cached(&format!("SELECT {} FROM account AS a WHERE a.id = ?1", rows::ACCOUNT))?;
    let mut found = statement.query([id.as_bytes()])?;
    found.next()?.map(rows::account).transpose()
}

pub(super) fn all(db: &Connection) -> Outcome<Vec<Account>> {
    const SQL: &str = "FROM login AS n JOIN account AS a ON a.no = n.account WHERE n.place = 0 ORDER BY n.name";
    let mut statement = db.prepare(&format!("SELECT {} {SQL}", rows::ACCOUNT))?;
    let mut found = statement.query([])?;
    let mut accounts = vec![];
    while let Some(row) = found.next()? {
        accounts.push(rows::account(row)?);
    }
    Ok(accounts)
}

pub(super) fn recovery_codes_left(db: &Connection, id: AccountId) -> Outcome<usize> {
    const SQL: &str = "SELECT count(*) FROM account AS a JOIN recovery_code AS r ON r.account = a.no WHERE a.id = ?1";
    let count: i64 = db.prepare_cached(SQL)?.query_row([id.as_bytes()], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or(0))
}

pub(super) fn set_up_is_open(db: &Connection, id: AccountId, digest: &Digest, now: Timestamp) -> Outcome<bool> {
    const SQL: &str = "SELECT 1 FROM account AS a JOIN set_up AS s ON s.account = a.no
        WHERE a.id = ?1 AND s.digest = ?2 AND s.expires > ?3";
    Ok(db.prepare_cached(SQL)?.exists(params![id.as_bytes(), digest.0, now.as_millis()])?)
}

pub(super) fn add(write: &mut Write<'_>, new: &NewAccount, entry: &Entry) -> Outcome<Added> {
    let account = &new.account;
    let names: Vec<&Login> = std::iter::once(&account.login).chain(&account.aliases).collect();
    for (place, &name) in names.iter().enumerate() {
        let mut taken = write.db.prepare_cached("SELECT 1 FROM login WHERE name = ?1")?;
        if names[..place].contains(&name) || taken.exists([name.as_str()])? {
            return Ok(Added::LoginTaken(name.clone()));
        }
    }
    let (primary, primary_by) = primary(account.primary.as_ref());
    let (seed, seed_by, last_step) = second_factor(account.second_factor.as_ref());
    write
        .db
        .prepare_cached(
            "INSERT INTO account (id, standing, primary_hash, primary_by, seed, seed_by, last_step, created, epoch)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            account.id.as_bytes(),
            rows::standing(account.standing),
            primary,
            primary_by,
            seed,
            seed_by,
            last_step,
            account.created.as_millis(),
            rows::int(account.epoch),
        ])?;
    let no = write.db.last_insert_rowid();
    for (place, name) in (0_i64..).zip(names) {
        let mut insert = write.db.prepare_cached("INSERT INTO login (name, account, place) VALUES (?1, ?2, ?3)")?;
        insert.execute(params![name.as_str(), no, place])?;
    }
    put_recovery_codes(write, no, &new.recovery)?;
    if let Some(offer) = &new.set_up {
        put_offer(write, no, offer)?;
    }
    write.log(entry)?;
    Ok(Added::Done)
}

pub(super) fn remove(write: &mut Write<'_>, id: AccountId, entry: &Entry) -> Outcome<bool> {
    // All that refers to it goes with it.
    let removed = write.db.prepare_cached("DELETE FROM account WHERE id = ?1")?.execute([id.as_bytes()])?;
    log_if(write, removed == 1, entry)
}

pub(super) fn set_standing(write: &mut Write<'_>, id: AccountId, to: Standing, entry: &Entry) -> Outcome<bool> {
    const SQL: &str = "UPDATE account SET standing = ?2, epoch = epoch + 1 WHERE id = ?1 AND standing <> ?2";
    let changed = write.db.prepare_cached(SQL)?.execute(params![id.as_bytes(), rows::standing(to)])?;
    log_if(write, changed == 1, entry)
}

pub(super) fn change_primary(
    write: &mut Write<'_>,
    id: AccountId,
    epoch: u64,
    new: &Primary,
    entry: &Entry,
) -> Outcome<Option<Vec<AppPasswordId>>> {
    const SQL: &str =
        "UPDATE account SET primary_hash = ?3, primary_by = ?4, epoch = epoch + 1 WHERE no = ?1 AND epoch = ?2";
    let Some(no) = number(write.db, id)? else { return Ok(None) };
    let (hash, by) = primary(Some(new));
    if write.db.prepare_cached(SQL)?.execute(params![no, rows::int(epoch), hash, by])? == 0 {
        return Ok(None);
    }
    write.log(entry)?;
    app_passwords::revoke_living(write, no, entry).map(Some)
}

pub(super) fn reset(
    write: &mut Write<'_>,
    id: AccountId,
    offer: &SetUpOffer,
    entry: &Entry,
) -> Outcome<Option<Vec<AppPasswordId>>> {
    const SQL: &str =
        "UPDATE account SET primary_hash = NULL, primary_by = 0, seed = NULL, seed_by = 0, last_step = 0, epoch = epoch + 1
        WHERE no = ?1";
    let Some(no) = number(write.db, id)? else { return Ok(None) };
    write.db.prepare_cached(SQL)?.execute([no])?;
    put_recovery_codes(write, no, &[])?;
    put_offer(write, no, offer)?;
    write.log(entry)?;
    app_passwords::revoke_living(write, no, entry).map(Some)
}

pub(super) fn set_up(
    write: &mut Write<'_>,
    id: AccountId,
    digest: &Digest,
    factors: &Factors,
    entry: &Entry,
) -> Outcome<bool> {
    const SQL: &str =
        "UPDATE account SET primary_hash = ?2, primary_by = ?3, seed = ?4, seed_by = ?5, last_step = ?6, epoch = epoch + 1
        WHERE no = ?1";
    let Some(no) = number(write.db, id)? else { return Ok(false) };
    if !set_up_is_open(write.db, id, digest, entry.at)? {
        return Ok(false);
    }
    let (hash, primary_by) = primary(Some(&factors.primary));
    let (seed, seed_by, last_step) = second_factor(Some(&factors.second_factor));
    write.db.prepare_cached(SQL)?.execute(params![no, hash, primary_by, seed, seed_by, last_step])?;
    write.db.prepare_cached("DELETE FROM set_up WHERE account = ?1")?.execute([no])?;
    put_recovery_codes(write, no, &factors.recovery)?;
    log_if(write, true, entry)
}

pub(super) fn enrol(
    write: &mut Write<'_>,
    id: AccountId,
    factor: &SecondFactor,
    recovery: &[Digest],
    entry: &Entry,
) -> Outcome<bool> {
    const SQL: &str =
        "UPDATE account SET seed = ?2, seed_by = ?3, last_step = ?4, epoch = epoch + 1 WHERE no = ?1 AND seed IS NULL";
    let Some(no) = number(write.db, id)? else { return Ok(false) };
    let (seed, by, last_step) = second_factor(Some(factor));
    let enrolled = write.db.prepare_cached(SQL)?.execute(params![no, seed, by, last_step])? == 1;
    if enrolled {
        put_recovery_codes(write, no, recovery)?;
    }
    log_if(write, enrolled, entry)
}

pub(super) fn replace_second_factor(
    write: &mut Write<'_>,
    id: AccountId,
    epoch: u64,
    factor: &SecondFactor,
    recovery: &[Digest],
    entry: &Entry,
) -> Outcome<bool> {
    const SQL: &str = "UPDATE account SET seed = ?3, seed_by = ?4, last_step = ?5, epoch = epoch + 1
        WHERE no = ?1 AND epoch = ?2 AND seed IS NOT NULL";
    let Some(no) = number(write.db, id)? else { return Ok(false) };
    let (seed, by, last_step) = second_factor(Some(factor));
    let replaced = write.db.prepare_cached(SQL)?.execute(params![no, rows::int(epoch), seed, by, last_step])? == 1;
    if replaced {
        put_recovery_codes(write, no, recovery)?;
    }
    log_if(write, replaced, entry)
}

pub(super) fn spend(write: &mut Write<'_>, id: AccountId, spent: Spent, entry: &Entry) -> Outcome<bool> {
    let changed = match spent {
        Spent::Step(step) => write
            .db
            .prepare_cached("UPDATE account SET last_step = ?2 WHERE id = ?1 AND seed IS NOT NULL AND last_step < ?2")?
            .execute(params![id.as_bytes(), rows::int(step)])?,
        Spent::RecoveryCode(digest) => write
            .db
            .prepare_cached(
                "DELETE FROM recovery_code WHERE account = (SELECT no FROM account WHERE id = ?1) AND digest = ?2",
            )?
            .execute(params![id.as_bytes(), digest.0])?,
    };
    log_if(write, changed == 1, entry)
}

pub(super) fn renew_recovery_codes(
    write: &mut Write<'_>,
    id: AccountId,
    recovery: &[Digest],
    entry: &Entry,
) -> Outcome<bool> {
    let Some(no) = number(write.db, id)? else { return Ok(false) };
    put_recovery_codes(write, no, recovery)?;
    log_if(write, true, entry)
}

/// By which the account is known inside the database.
pub(super) fn number(db: &Connection, id: AccountId) -> Outcome<Option<i64>> {
    let mut statement = db.prepare_cached("SELECT no FROM account WHERE id = ?1")?;
    Ok(statement.query_row([id.as_bytes()], |row| row.get(0)).optional()?)
}

/// [`number`], unless it is suspended or has no second factor.
pub(super) fn number_if_it_may(db: &Connection, id: AccountId) -> Outcome<Option<i64>> {
    const SQL: &str = "SELECT no FROM account WHERE id = ?1 AND standing = ?2 AND seed IS NOT NULL";
    let mut statement = db.prepare_cached(SQL)?;
    let active = rows::standing(Standing::Active);
    Ok(statement.query_row(params![id.as_bytes(), active], |row| row.get(0)).optional()?)
}

fn primary(primary: Option<&Primary>) -> (Option<&str>, i64) {
    primary.map_or((None, 0), |primary| (Some(primary.hash.as_str()), rows::chosen_by(primary.chosen_by)))
}

fn second_factor(factor: Option<&SecondFactor>) -> (Option<&[u8]>, i64, i64) {
    match factor {
        Some(it) => (Some(&it.seed.0), rows::chosen_by(it.chosen_by), rows::int(it.last_step)),
        None => (None, 0, 0),
    }
}

fn put_recovery_codes(write: &mut Write<'_>, account: i64, digests: &[Digest]) -> Outcome<()> {
    write.db.prepare_cached("DELETE FROM recovery_code WHERE account = ?1")?.execute([account])?;
    let mut insert = write.db.prepare_cached("INSERT INTO recovery_code (account, digest) VALUES (?1, ?2)")?;
    for digest in digests {
        insert.execute(params![account, digest.0])?;
    }
    Ok(())
}

fn put_offer(write: &mut Write<'_>, account: i64, offer: &SetUpOffer) -> Outcome<()> {
    write
        .db
        .prepare_cached("INSERT OR REPLACE INTO set_up (account, digest, expires) VALUES (?1, ?2, ?3)")?
        .execute(params![account, offer.digest.0, offer.expires.as_millis()])?;
    Ok(())
}

fn log_if(write: &mut Write<'_>, changed: bool, entry: &Entry) -> Outcome<bool> {
    if changed {
        write.log(entry)?;
    }
    Ok(changed)
}
