//! Bringing a restored database up to what happened after its backup was made.

use authority::{Account, Actor, Entry, Event, Standing, Timestamp};

use crate::{
    accounts, app_passwords,
    database::{Db, values},
    failure::Outcome,
    revocations::Record,
    rows,
    writer::Write,
};

/// Revokes what was revoked; an account of which the factors or the standing
/// have changed since is suspended, because what is restored of it is the past:
/// whoever runs the site resets or resumes it.
pub(crate) fn catch_up<D: Db>(write: &mut Write<'_, D>, records: &[Record]) -> Outcome<()> {
    log(write, None, Event::BackupRestored { missed: records.len() })?;
    records.iter().try_for_each(|record| match record {
        Record::AppPassword(id) => {
            let Some(listed) = app_passwords::by_id(write.db, *id)? else { return Ok(()) };
            if listed.password.revoked.is_some() {
                return Ok(());
            }
            let sql = "UPDATE app_password SET revoked = ?2 WHERE id = ?1";
            write.db.execute(sql, values![id.as_bytes(), now(write).as_millis()])?;
            let account = accounts::by_id(write.db, listed.password.account)?;
            log(write, account.as_ref(), Event::AppPasswordRevoked { id: *id })
        }
        Record::Account(id, epoch) => match accounts::by_id(write.db, *id)? {
            Some(account) if account.epoch < *epoch => suspend(write, &account, *epoch),
            _ => Ok(()),
        },
        Record::Removed(id) => match accounts::by_id(write.db, *id)? {
            Some(account) => suspend(write, &account, account.epoch + 1),
            None => Ok(()),
        },
        Record::RecoveryCode(id, digest) => {
            let sql = "DELETE FROM recovery_code
                WHERE account = (SELECT no FROM account WHERE id = ?1) AND substr(digest, 1, 8) = ?2";
            write.db.execute(sql, values![id.as_bytes(), &digest.to_be_bytes()]).map(drop)
        }
        Record::RecoveryCodes(id) => {
            let sql = "DELETE FROM recovery_code WHERE account = (SELECT no FROM account WHERE id = ?1)";
            write.db.execute(sql, values![id.as_bytes()]).map(drop)
        }
    })
}

/// Nobody knows what was revoked: everybody waits until the site's people have looked.
pub(crate) fn suspend_all<D: Db>(write: &mut Write<'_, D>) -> Outcome<()> {
    let sql = "UPDATE account SET standing = ?2, epoch = epoch + 1 WHERE standing = ?1";
    let [active, suspended] = [Standing::Active, Standing::Suspended].map(rows::standing);
    let accounts = write.db.execute(sql, values![active, suspended])?;
    log(write, None, Event::AllAccountsSuspended { accounts })
}

fn suspend<D: Db>(write: &mut Write<'_, D>, account: &Account, epoch: u64) -> Outcome<()> {
    let sql = "UPDATE account SET standing = ?2, epoch = ?3 WHERE id = ?1";
    let suspended = rows::standing(Standing::Suspended);
    write.db.execute(sql, values![account.id.as_bytes(), suspended, rows::int(epoch)])?;
    if account.standing == Standing::Suspended {
        return Ok(());
    }
    log(write, Some(account), Event::AccountSuspended)
}

/// Nobody told us what time it is: no earlier than all that is on record.
fn now<D: Db>(write: &Write<'_, D>) -> Timestamp {
    write.chain.newest().unwrap_or(Timestamp::from_millis(0))
}

fn log<D: Db>(write: &mut Write<'_, D>, account: Option<&Account>, event: Event) -> Outcome<()> {
    let entry = Entry { at: now(write), actor: Actor::Postern, account: account.map(|account| account.id), event };
    // Owners were told when it happened.
    write.log_consequence(&entry)
}
