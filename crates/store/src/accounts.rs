//! Accounts, their factors, their codes.

use authority::{
    Account, AccountId, AppPasswordId, ChosenBy, Entry, Login, Primary, SecondFactor, Standing, Timestamp,
};
use keeper::{Added, Digest, Factors, NewAccount, Resealed, SetUpOffer, Spent};

use crate::{
    app_passwords,
    database::{Db, values},
    failure::{Failure, Outcome},
    revocations::Record,
    rows::{self, Fields},
    writer::Write,
};

pub(crate) fn by_login<D: Db>(db: &D, login: &Login) -> Outcome<Option<Account>> {
    const FROM: &str = "FROM login AS n JOIN account AS a ON a.no = n.account WHERE n.name = ?1";
    db.first(&format!("SELECT {} {FROM}", rows::ACCOUNT), values![login.as_str()], rows::account)
}

pub(crate) fn by_id<D: Db>(db: &D, id: AccountId) -> Outcome<Option<Account>> {
    db.first(
        &format!("SELECT {} FROM account AS a WHERE a.id = ?1", rows::ACCOUNT),
        values![id.as_bytes()],
        rows::account,
    )
}

pub(crate) fn all<D: Db>(db: &D) -> Outcome<Vec<Account>> {
    const FROM: &str = "FROM login AS n JOIN account AS a ON a.no = n.account WHERE n.place = 0 ORDER BY n.name";
    db.query(&format!("SELECT {} {FROM}", rows::ACCOUNT), &[], rows::account)
}

pub(crate) fn recovery_codes_left<D: Db>(db: &D, id: AccountId) -> Outcome<usize> {
    const SQL: &str = "SELECT count(*) FROM account AS a JOIN recovery_code AS r ON r.account = a.no WHERE a.id = ?1";
    let count = db.number(SQL, values![id.as_bytes()])?.unwrap_or(0);
    Ok(usize::try_from(count).unwrap_or(0))
}

pub(crate) fn recovery_codes<D: Db>(db: &D, id: AccountId) -> Outcome<Vec<Digest>> {
    const SQL: &str = "SELECT r.digest FROM account AS a JOIN recovery_code AS r ON r.account = a.no WHERE a.id = ?1 ORDER BY r.digest";
    db.query(SQL, values![id.as_bytes()], |row| Ok(Digest(Fields::of("recovery_code", row).bytes(0)?)))
}

pub(crate) fn set_up_is_open<D: Db>(db: &D, id: AccountId, digest: &Digest, now: Timestamp) -> Outcome<bool> {
    const SQL: &str = "SELECT 1 FROM account AS a JOIN set_up AS s ON s.account = a.no
        WHERE a.id = ?1 AND s.digest = ?2 AND s.expires > ?3";
    Ok(db.number(SQL, values![id.as_bytes(), &digest.0, now.as_millis()])?.is_some())
}

pub(crate) fn add<D: Db>(write: &mut Write<'_, D>, new: &NewAccount, entry: &Entry) -> Outcome<Added> {
    let account = &new.account;
    let names: Vec<&Login> = std::iter::once(&account.login).chain(&account.aliases).collect();
    for (place, &name) in names.iter().enumerate() {
        let taken = write.db.number("SELECT 1 FROM login WHERE name = ?1", values![name.as_str()])?.is_some();
        if taken || names[..place].contains(&name) {
            return Ok(Added::LoginTaken(name.clone()));
        }
    }
    let (primary, primary_by) = primary(account.primary.as_ref());
    let (seed, seed_by, last_step) = second_factor(account.second_factor.as_ref());
    let no = write.db.number(
        "INSERT INTO account (id, standing, primary_hash, primary_by, seed, seed_by, last_step, created, epoch)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) RETURNING no",
        values![
            account.id.as_bytes(),
            rows::standing(account.standing),
            primary,
            primary_by,
            seed,
            seed_by,
            last_step,
            account.created.as_millis(),
            rows::int(account.epoch),
        ],
    )?;
    let no = no.ok_or_else(|| Failure::corrupt("account", "a new row got no number"))?;
    for (place, name) in (0_i64..).zip(names) {
        let sql = "INSERT INTO login (name, account, place) VALUES (?1, ?2, ?3)";
        write.db.execute(sql, values![name.as_str(), no, place])?;
    }
    put_recovery_codes(write, no, &new.recovery)?;
    if let Some(offer) = &new.set_up {
        put_offer(write, no, offer)?;
    }
    write.log(entry)?;
    Ok(Added::Done)
}

pub(crate) fn remove<D: Db>(write: &mut Write<'_, D>, id: AccountId, entry: &Entry) -> Outcome<bool> {
    // All that refers to it goes with it.
    let removed = write.db.execute("DELETE FROM account WHERE id = ?1", values![id.as_bytes()])? == 1;
    if removed {
        write.record(Record::Removed(id));
    }
    log_if(write, removed, entry)
}

pub(crate) fn set_standing<D: Db>(
    write: &mut Write<'_, D>,
    id: AccountId,
    to: Standing,
    entry: &Entry,
) -> Outcome<bool> {
    const SQL: &str = "UPDATE account SET standing = ?2 WHERE id = ?1 AND standing <> ?2 RETURNING no";
    match write.db.number(SQL, values![id.as_bytes(), rows::standing(to)])? {
        Some(no) => move_on(write, no, entry).map(|()| true),
        None => Ok(false),
    }
}

pub(crate) fn change_primary<D: Db>(
    write: &mut Write<'_, D>,
    id: AccountId,
    epoch: u64,
    new: &Primary,
    entry: &Entry,
) -> Outcome<Option<Vec<AppPasswordId>>> {
    const SQL: &str = "UPDATE account SET primary_hash = ?3, primary_by = ?4 WHERE no = ?1 AND epoch = ?2";
    let Some(no) = number(write.db, id)? else { return Ok(None) };
    let (hash, by) = primary(Some(new));
    if write.db.execute(SQL, values![no, rows::int(epoch), hash, by])? == 0 {
        return Ok(None);
    }
    move_on(write, no, entry)?;
    app_passwords::revoke_living(write, no, entry).map(Some)
}

pub(crate) fn reset<D: Db>(
    write: &mut Write<'_, D>,
    id: AccountId,
    offer: &SetUpOffer,
    entry: &Entry,
) -> Outcome<Option<Vec<AppPasswordId>>> {
    const SQL: &str =
        "UPDATE account SET primary_hash = NULL, primary_by = 0, seed = NULL, seed_by = 0, last_step = 0 WHERE no = ?1";
    let Some(no) = number(write.db, id)? else { return Ok(None) };
    write.db.execute(SQL, values![no])?;
    put_recovery_codes(write, no, &[])?;
    put_offer(write, no, offer)?;
    move_on(write, no, entry)?;
    app_passwords::revoke_living(write, no, entry).map(Some)
}

pub(crate) fn set_up<D: Db>(
    write: &mut Write<'_, D>,
    id: AccountId,
    digest: &Digest,
    factors: &Factors,
    entry: &Entry,
) -> Outcome<bool> {
    const SQL: &str =
        "UPDATE account SET primary_hash = ?2, primary_by = ?3, seed = ?4, seed_by = ?5, last_step = ?6 WHERE no = ?1";
    let Some(no) = number(write.db, id)? else { return Ok(false) };
    if !set_up_is_open(write.db, id, digest, entry.at)? {
        return Ok(false);
    }
    let (hash, primary_by) = primary(Some(&factors.primary));
    let (seed, seed_by, last_step) = second_factor(Some(&factors.second_factor));
    write.db.execute(SQL, values![no, hash, primary_by, seed, seed_by, last_step])?;
    write.db.execute("DELETE FROM set_up WHERE account = ?1", values![no])?;
    put_recovery_codes(write, no, &factors.recovery)?;
    move_on(write, no, entry).map(|()| true)
}

pub(crate) fn enrol<D: Db>(
    write: &mut Write<'_, D>,
    id: AccountId,
    factor: &SecondFactor,
    recovery: &[Digest],
    entry: &Entry,
) -> Outcome<bool> {
    const SQL: &str = "UPDATE account SET seed = ?2, seed_by = ?3, last_step = ?4 WHERE no = ?1 AND seed IS NULL";
    let Some(no) = number(write.db, id)? else { return Ok(false) };
    let (seed, by, last_step) = second_factor(Some(factor));
    let enrolled = write.db.execute(SQL, values![no, seed, by, last_step])? == 1;
    if enrolled {
        put_recovery_codes(write, no, recovery)?;
        move_on(write, no, entry)?;
    }
    Ok(enrolled)
}

pub(crate) fn replace_second_factor<D: Db>(
    write: &mut Write<'_, D>,
    id: AccountId,
    epoch: u64,
    factor: &SecondFactor,
    recovery: &[Digest],
    entry: &Entry,
) -> Outcome<bool> {
    const SQL: &str = "UPDATE account SET seed = ?3, seed_by = ?4, last_step = ?5
        WHERE no = ?1 AND epoch = ?2 AND seed IS NOT NULL";
    let Some(no) = number(write.db, id)? else { return Ok(false) };
    let (seed, by, last_step) = second_factor(Some(factor));
    let replaced = write.db.execute(SQL, values![no, rows::int(epoch), seed, by, last_step])? == 1;
    if replaced {
        put_recovery_codes(write, no, recovery)?;
        move_on(write, no, entry)?;
    }
    Ok(replaced)
}

pub(crate) fn spend<D: Db>(write: &mut Write<'_, D>, id: AccountId, spent: Spent, entry: &Entry) -> Outcome<bool> {
    let changed = match spent {
        Spent::Step(step) => write.db.execute(
            "UPDATE account SET last_step = ?2 WHERE id = ?1 AND seed IS NOT NULL AND last_step < ?2",
            values![id.as_bytes(), rows::int(step)],
        )?,
        Spent::RecoveryCode(digest) => u64::from(drop_recovery_code(write, id, &digest)?),
    };
    log_if(write, changed == 1, entry)
}

pub(crate) fn void_recovery_codes<D: Db>(
    write: &mut Write<'_, D>,
    id: AccountId,
    codes: &[Digest],
    entry: &Entry,
) -> Outcome<bool> {
    let mut voided = false;
    for digest in codes {
        voided |= drop_recovery_code(write, id, digest)?;
    }
    log_if(write, voided, entry)
}

/// For good. False if it is gone.
fn drop_recovery_code<D: Db>(write: &mut Write<'_, D>, id: AccountId, digest: &Digest) -> Outcome<bool> {
    const SQL: &str =
        "DELETE FROM recovery_code WHERE account = (SELECT no FROM account WHERE id = ?1) AND digest = ?2";
    let dropped = write.db.execute(SQL, values![id.as_bytes(), &digest.0])? == 1;
    if dropped {
        write.record(Record::RecoveryCode(id, u64::from_be_bytes(std::array::from_fn(|at| digest.0[at]))));
    }
    Ok(dropped)
}

pub(crate) fn renew_recovery_codes<D: Db>(
    write: &mut Write<'_, D>,
    id: AccountId,
    recovery: &[Digest],
    entry: &Entry,
) -> Outcome<bool> {
    let Some(no) = number(write.db, id)? else { return Ok(false) };
    put_recovery_codes(write, no, recovery)?;
    write.record(Record::RecoveryCodes(id));
    log_if(write, true, entry)
}

pub(crate) fn void_secrets<D: Db>(
    write: &mut Write<'_, D>,
    id: AccountId,
    resealed: Option<&Resealed>,
    entry: &Entry,
) -> Outcome<Option<Vec<AppPasswordId>>> {
    const SQL: &str = "UPDATE account SET seed = ?3, seed_by = ?4 WHERE no = ?1 AND seed = ?2";
    let Some(no) = number(write.db, id)? else { return Ok(None) };
    if let Some(Resealed { was, now, .. }) = resealed {
        let by = rows::chosen_by(ChosenBy::Administrator);
        write.db.execute(SQL, values![no, &was.0[..], &now.0[..], by])?;
    }
    put_recovery_codes(write, no, &[])?;
    write.record(Record::RecoveryCodes(id));
    write.db.execute("DELETE FROM set_up WHERE account = ?1", values![no])?;
    move_on(write, no, entry)?;
    app_passwords::revoke_living(write, no, entry).map(Some)
}

pub(crate) fn reseal<D: Db>(write: &mut Write<'_, D>, resealed: &[Resealed]) -> Outcome<usize> {
    const SQL: &str = "UPDATE account SET seed = ?3 WHERE id = ?1 AND seed = ?2";
    let mut replaced = 0;
    for Resealed { account, was, now } in resealed {
        replaced += usize::from(write.db.execute(SQL, values![account.as_bytes(), &was.0[..], &now.0[..]])? == 1);
    }
    Ok(replaced)
}

/// The epoch moves on, for good.
fn move_on<D: Db>(write: &mut Write<'_, D>, no: i64, entry: &Entry) -> Outcome<()> {
    const SQL: &str = "UPDATE account SET epoch = epoch + 1 WHERE no = ?1 RETURNING no, id, epoch";
    let moved = write.db.first(SQL, values![no], |row| {
        let row = Fields::of("account", row);
        Ok(Record::Account(AccountId::from_bytes(row.bytes(1)?), row.count(2)?))
    })?;
    if let Some(record) = moved {
        write.record(record);
    }
    write.log(entry)
}

/// By which the account is known inside the database.
pub(crate) fn number<D: Db>(db: &D, id: AccountId) -> Outcome<Option<i64>> {
    db.number("SELECT no FROM account WHERE id = ?1", values![id.as_bytes()])
}

/// [`number`], unless it is suspended or has no second factor.
pub(crate) fn number_if_it_may<D: Db>(db: &D, id: AccountId) -> Outcome<Option<i64>> {
    const SQL: &str = "SELECT no FROM account WHERE id = ?1 AND standing = ?2 AND seed IS NOT NULL";
    db.number(SQL, values![id.as_bytes(), rows::standing(Standing::Active)])
}

fn primary(primary: Option<&Primary>) -> (Option<&str>, i64) {
    primary.map_or((None, 0), |primary| (Some(primary.hash.as_str()), rows::chosen_by(primary.chosen_by)))
}

fn second_factor(factor: Option<&SecondFactor>) -> (Option<&[u8]>, i64, i64) {
    match factor {
        Some(it) => (Some(&it.seed.0[..]), rows::chosen_by(it.chosen_by), rows::int(it.last_step)),
        None => (None, 0, 0),
    }
}

fn put_recovery_codes<D: Db>(write: &mut Write<'_, D>, account: i64, digests: &[Digest]) -> Outcome<()> {
    write.db.execute("DELETE FROM recovery_code WHERE account = ?1", values![account])?;
    for digest in digests {
        let sql = "INSERT INTO recovery_code (account, digest) VALUES (?1, ?2)";
        write.db.execute(sql, values![account, &digest.0])?;
    }
    Ok(())
}

fn put_offer<D: Db>(write: &mut Write<'_, D>, account: i64, offer: &SetUpOffer) -> Outcome<()> {
    const SQL: &str = "INSERT INTO set_up (account, digest, expires) VALUES (?1, ?2, ?3)
        ON CONFLICT (account) DO UPDATE SET digest = excluded.digest, expires = excluded.expires";
    write.db.execute(SQL, values![account, &offer.digest.0, offer.expires.as_millis()])?;
    Ok(())
}

fn log_if<D: Db>(write: &mut Write<'_, D>, changed: bool, entry: &Entry) -> Outcome<bool> {
    if changed {
        write.log(entry)?;
    }
    Ok(changed)
}
