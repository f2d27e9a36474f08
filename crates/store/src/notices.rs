//! Notices to owners: made beside their lines of audit, sent, looked at, dismissed.

use authority::{
    AccountId, Entry, Timestamp,
    notice::{DAY, GIVEN_UP_AFTER, KEPT, Kind, Mailing},
};
use keeper::Notice;

use crate::{
    database::{Columns, Db, values},
    failure::Outcome,
    line,
    rows::{self, Fields},
    writer::Write,
};

/// What [`notice`] reads.
const NOTICE: &str = "n.seq, a.id AS account, n.kind, n.more, n.failures, l.line
    FROM notice AS n JOIN account AS a ON a.no = n.account JOIN audit AS l ON l.seq = n.seq";

/// What there is of an account's notices when the next of a kind comes.
struct Standing {
    account: i64,
    kept: u64,
    mailed: u64,
    gathering: Option<i64>,
}

/// Makes the notice of a line that has just been written, if owners are told of it.
pub(crate) fn tell<D: Db>(db: &D, seq: u64, entry: &Entry) -> Outcome<()> {
    const NEW: &str = "INSERT INTO notice (account, seq, kind, at, mail, more, failures, next_try, dismissed)
        VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, ?6, 0)";
    let (Some(id), Some(kind)) = (entry.account, Kind::about(entry)) else { return Ok(()) };
    let Some(standing) = standing(db, id, kind, entry.at)? else { return Ok(()) };
    let (mail, next_try) =
        match (Mailing::of_the_next(standing.mailed, standing.gathering.is_some()), standing.gathering) {
            (Mailing::Own, _) => (1, Some(entry.at)),
            (Mailing::Gathered, Some(gathering)) => {
                let sql = "UPDATE notice SET more = more + 1 WHERE account = ?1 AND seq = ?2";
                db.execute(sql, values![standing.account, gathering])?;
                (0, None)
            }
            (Mailing::Gathering | Mailing::Gathered, _) => (2, Some(entry.at.plus(DAY))),
        };
    let next_try = next_try.map(Timestamp::as_millis);
    let kind = i64::from(kind.number());
    db.execute(NEW, values![standing.account, rows::int(seq), kind, entry.at.as_millis(), mail, next_try])?;
    if standing.kept >= KEPT {
        prune(db, standing.account, entry.at)?;
    }
    Ok(())
}

fn standing<D: Db>(db: &D, id: AccountId, kind: Kind, now: Timestamp) -> Outcome<Option<Standing>> {
    // One that is due is as it will be sent: none is added to it any more.
    const SQL: &str = "SELECT a.no,
        (SELECT count(*) FROM notice AS n WHERE n.account = a.no) AS kept,
        (SELECT count(*) FROM notice AS n WHERE n.account = a.no AND n.kind = ?2 AND n.mail = 1 AND n.at > ?3) AS mailed,
        (SELECT max(n.seq) FROM notice AS n
            WHERE n.account = a.no AND n.kind = ?2 AND n.mail = 2 AND n.failures = 0 AND n.next_try > ?4) AS gathering
        FROM account AS a WHERE a.id = ?1";
    let values = values![id.as_bytes(), i64::from(kind.number()), before(now, DAY), now.as_millis()];
    db.first(SQL, values, |row| {
        let row = Fields::of("notice", row);
        Ok(Standing {
            account: row.int(0)?,
            kept: row.count(1)?,
            mailed: row.count(2)?,
            gathering: row.optional_int(3)?,
        })
    })
}

/// Leaves the newest, what waits to be sent, and what counts against today's mails.
fn prune<D: Db>(db: &D, account: i64, now: Timestamp) -> Outcome<()> {
    const SQL: &str = "DELETE FROM notice WHERE account = ?1
        AND seq NOT IN (SELECT seq FROM notice WHERE account = ?1 ORDER BY seq DESC LIMIT ?2)
        AND (next_try IS NULL OR at <= ?3) AND (mail = 0 OR at <= ?4)";
    let values = values![account, rows::int(KEPT), before(now, GIVEN_UP_AFTER), before(now, DAY)];
    db.execute(SQL, values).map(drop)
}

fn before(now: Timestamp, by: std::time::Duration) -> i64 {
    now.as_millis().saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX))
}

pub(crate) fn due<D: Db>(db: &D, now: Timestamp, limit: usize) -> Outcome<Vec<Notice>> {
    let sql = format!("SELECT {NOTICE} WHERE n.next_try <= ?1 ORDER BY n.next_try, n.seq LIMIT ?2");
    db.query(&sql, values![now.as_millis(), i64::try_from(limit).unwrap_or(i64::MAX)], notice)
}

pub(crate) fn waiting<D: Db>(db: &D) -> Outcome<u64> {
    let count = db.number("SELECT count(*) FROM notice WHERE next_try IS NOT NULL", &[])?;
    Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
}

pub(crate) fn of_account<D: Db>(db: &D, id: AccountId) -> Outcome<Vec<Notice>> {
    let sql = format!("SELECT {NOTICE} WHERE a.id = ?1 AND n.dismissed = 0 ORDER BY n.seq DESC LIMIT ?2");
    db.query(&sql, values![id.as_bytes(), rows::int(KEPT)], notice)
}

/// Its mail needs no more tries.
pub(crate) fn settle<D: Db>(write: &mut Write<'_, D>, id: AccountId, seq: u64) -> Outcome<()> {
    const SQL: &str = "UPDATE notice SET next_try = NULL
        WHERE account = (SELECT no FROM account WHERE id = ?1) AND seq = ?2";
    write.db.execute(SQL, values![id.as_bytes(), rows::int(seq)]).map(drop)
}

pub(crate) fn failed<D: Db>(write: &mut Write<'_, D>, id: AccountId, seq: u64, next_try: Timestamp) -> Outcome<()> {
    const SQL: &str = "UPDATE notice SET failures = failures + 1, next_try = ?3
        WHERE account = (SELECT no FROM account WHERE id = ?1) AND seq = ?2 AND next_try IS NOT NULL";
    write.db.execute(SQL, values![id.as_bytes(), rows::int(seq), next_try.as_millis()]).map(drop)
}

pub(crate) fn dismiss<D: Db>(write: &mut Write<'_, D>, id: AccountId, seq: u64) -> Outcome<bool> {
    const SQL: &str = "UPDATE notice SET dismissed = 1
        WHERE account = (SELECT no FROM account WHERE id = ?1) AND seq = ?2 AND dismissed = 0";
    Ok(write.db.execute(SQL, values![id.as_bytes(), rows::int(seq)])? == 1)
}

fn notice(row: &dyn Columns) -> Outcome<Notice> {
    let row = Fields::of("notice", row);
    let kind = row.int(2)?;
    let text = line::unpack(row.blob(5)?).ok_or_else(|| row.corrupt(5, "it was not packed by us"))?;
    Ok(Notice {
        seq: row.count(0)?,
        account: AccountId::from_bytes(row.bytes(1)?),
        kind: Kind::from_number(kind).ok_or_else(|| row.corrupt(2, format_args!("{kind} is no kind of notice")))?,
        more: row.count(3)?,
        failures: row.count(4)?,
        entry: Entry::from_text(&text).ok_or_else(|| row.corrupt(5, "it is no line of audit"))?,
    })
}
