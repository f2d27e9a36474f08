//! Notices to owners: made beside their lines of audit, sent, looked at, dismissed.

use authority::{
    AccountId, Entry, Timestamp,
    notice::{Held, Kind, Tray},
};
use keeper::Notice;

use crate::{
    database::{Columns, Db, values},
    failure::{Failure, Outcome},
    line,
    rows::{self, Fields},
    tray,
    writer::Write,
};

/// Makes the notice of a line that has just been written, if owners are told of it.
pub(crate) fn tell<D: Db>(db: &D, seq: u64, entry: &Entry) -> Outcome<()> {
    let (Some(id), Some(kind)) = (entry.account, Kind::about(entry)) else { return Ok(()) };
    change(db, id, |tray| tray.tell(seq, kind, entry.at)).map(drop)
}

/// Its mail needs no more tries.
pub(crate) fn settle<D: Db>(write: &mut Write<'_, D>, id: AccountId, seq: u64) -> Outcome<()> {
    change(write.db, id, |tray| tray.settle(seq)).map(drop)
}

pub(crate) fn failed<D: Db>(write: &mut Write<'_, D>, id: AccountId, seq: u64, next_try: Timestamp) -> Outcome<()> {
    change(write.db, id, |tray| tray.failed(seq, next_try)).map(drop)
}

pub(crate) fn dismiss<D: Db>(write: &mut Write<'_, D>, id: AccountId, seq: u64) -> Outcome<bool> {
    Ok(change(write.db, id, |tray| tray.dismiss(seq))?.unwrap_or(false))
}

/// What `change` says of the account's notices; `None` if there is no such account.
fn change<D: Db, T>(db: &D, id: AccountId, change: impl FnOnce(&mut Tray) -> T) -> Outcome<Option<T>> {
    const SQL: &str = "SELECT a.no, n.tray FROM account AS a LEFT JOIN notice AS n ON n.account = a.no WHERE a.id = ?1";
    const KEEP: &str = "INSERT INTO notice (account, next_try, tray) VALUES (?1, ?2, ?3)
        ON CONFLICT (account) DO UPDATE SET next_try = excluded.next_try, tray = excluded.tray";
    let found = db.first(SQL, values![id.as_bytes()], |row| {
        let tray = if Fields::of("notice", row).optional_blob(1)?.is_some() { read(row, 1)? } else { Tray::default() };
        Ok((Fields::of("account", row).int(0)?, tray))
    })?;
    let Some((no, mut tray)) = found else { return Ok(None) };
    let before = tray.clone();
    let said = change(&mut tray);
    if tray != before {
        db.execute(KEEP, values![no, tray.next_try().map(Timestamp::as_millis), &*tray::pack(&tray)])?;
    }
    Ok(Some(said))
}

pub(crate) fn due<D: Db>(db: &D, now: Timestamp, limit: usize) -> Outcome<Vec<Notice>> {
    const SQL: &str = "SELECT n.account, a.id, n.tray FROM notice AS n JOIN account AS a ON a.no = n.account
        WHERE n.next_try <= ?1 ORDER BY n.next_try, n.account LIMIT ?2";
    let limit_of_accounts = i64::try_from(limit).unwrap_or(i64::MAX);
    let trays = db.query(SQL, values![now.as_millis(), limit_of_accounts], |row| Ok((account(row)?, read(row, 2)?)))?;
    let mut due: Vec<(Timestamp, AccountId, &Held)> =
        trays.iter().flat_map(|(account, tray)| tray.due(now).map(|(since, held)| (since, *account, held))).collect();
    due.sort_by_key(|(since, _, held)| (*since, held.seq));
    due.truncate(limit);
    with_lines(db, due.into_iter().map(|(_, account, held)| (account, held)))
}

pub(crate) fn waiting<D: Db>(db: &D) -> Outcome<u64> {
    let sql = "SELECT account, next_try, tray FROM notice WHERE next_try IS NOT NULL";
    let waiting = db.query(sql, &[], |row| Ok(read(row, 2)?.waiting() as u64))?;
    Ok(waiting.into_iter().sum())
}

pub(crate) fn of_account<D: Db>(db: &D, id: AccountId) -> Outcome<Vec<Notice>> {
    const SQL: &str =
        "SELECT n.account, a.id, n.tray FROM account AS a JOIN notice AS n ON n.account = a.no WHERE a.id = ?1";
    let tray = db.first(SQL, values![id.as_bytes()], |row| read(row, 2))?.unwrap_or_default();
    with_lines(db, tray.shown().map(|held| (id, held)))
}

fn with_lines<'t, D: Db>(db: &D, all: impl Iterator<Item = (AccountId, &'t Held)>) -> Outcome<Vec<Notice>> {
    let with_line = |(account, held): (AccountId, &Held)| {
        let Held { seq, kind, more, failures, .. } = *held;
        Ok(Notice { account, seq, kind, more, failures, entry: entry(db, seq)? })
    };
    all.map(with_line).collect()
}

fn entry<D: Db>(db: &D, seq: u64) -> Outcome<Entry> {
    let sql = "SELECT seq, line FROM audit WHERE seq = ?1";
    let found = db.first(sql, values![rows::int(seq)], |row| {
        let row = Fields::of("audit", row);
        let text = line::unpack(row.blob(1)?).ok_or_else(|| row.corrupt(1, "it was not packed by us"))?;
        Entry::from_text(&text).ok_or_else(|| row.corrupt(1, "it is no line of audit"))
    })?;
    found.ok_or_else(|| Failure::corrupt("notice.tray", format_args!("there is no line {seq} of audit")))
}

fn account(row: &dyn Columns) -> Outcome<AccountId> {
    Ok(AccountId::from_bytes(Fields::of("account", row).bytes(1)?))
}

fn read(row: &dyn Columns, column: usize) -> Outcome<Tray> {
    let row = Fields::of("notice", row);
    tray::unpack(row.blob(column)?).ok_or_else(|| row.corrupt(column, "it was not packed by us"))
}
