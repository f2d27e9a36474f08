//! One server at a time works on a database.
//!
//! The holder counts `commits` up in every transaction that writes, and in an
//! empty one when it has been quiet for [`BEAT`]. Whoever wants the lease of
//! another watches that count for [`WATCHED`]: no clock but its own is asked, so
//! that none that is wrong can end a lease. The holder trusts its own for
//! [`HELD`] since it last counted, which ends before anybody has watched long
//! enough. What it tries to write after that finds another name in the row.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use keeper::Tenure;
use rustix::time::{ClockId, clock_gettime};
use sha2::{Digest as _, Sha256};

use super::session::Session;
use crate::{
    database::{Db, values},
    failure::{Failure, Outcome},
    rows::Fields,
    sqlite::Locked,
};

/// A holder that has nothing to write counts this often.
pub(super) const BEAT: Duration = Duration::from_secs(5);
/// A lease is trusted so long after it was counted on.
const HELD: Duration = Duration::from_secs(20);
/// A lease that nobody counts on for so long is free.
const WATCHED: Duration = Duration::from_secs(30);
/// So often a watcher looks.
const LOOK: Duration = Duration::from_millis(500);

/// The table, made with the list of migrations, before any of them.
pub(super) const TABLE: &str = "CREATE TABLE IF NOT EXISTS lease (
    one          SMALLINT PRIMARY KEY CHECK (one = 1),
    holder       BYTEA,           -- none: it was given back
    place        BYTEA  NOT NULL, -- machine, boot and data folder of the holder
    who          TEXT   NOT NULL, -- for people
    commits      BIGINT NOT NULL,
    past_holder  BYTEA,           -- the holder before, and how far it came
    past_commits BIGINT
)";

/// Who asks for a lease.
#[derive(Clone, Debug)]
pub(super) struct Applicant {
    /// Drawn for this process.
    pub(super) run: [u8; 16],
    /// The machine, since its last boot, and the data folder. Its lock is held:
    /// whoever had a lease from the same place is dead.
    place: [u8; 32],
    /// "mail.example.org, process 4711".
    who: String,
}

impl Applicant {
    pub(super) fn of(folder: &Locked, run: [u8; 16]) -> std::io::Result<Self> {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
        let (path, metadata) = (folder.folder.canonicalize()?, folder.folder.metadata()?);
        let place = format!("{boot} {} {} {}", metadata.dev(), metadata.ino(), path.display());
        let host = rustix::system::uname();
        let who = format!("{}, process {}", host.nodename().to_string_lossy(), std::process::id());
        Ok(Self { run, place: Sha256::digest(place).into(), who })
    }
}

/// A row of the table.
struct Lease {
    holder: Option<Vec<u8>>,
    place: Vec<u8>,
    who: String,
    commits: i64,
    past_holder: Option<Vec<u8>>,
    past_commits: Option<i64>,
}

/// How a transaction ended whose end was not heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Committed,
    Undone,
    /// Others have held the lease since: nobody remembers.
    Forgotten,
}

/// Why the lease is not ours.
pub(super) enum NotTaken {
    /// Somebody counts on it.
    InUse(String),
    Failed(Failure),
}

impl From<Failure> for NotTaken {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Takes the lease, if need be after watching it.
pub(super) fn take(session: &Session, applicant: &Applicant) -> Result<(), NotTaken> {
    let mut seen: Option<(Option<Vec<u8>>, i64)> = None;
    let mut watched = Duration::ZERO;
    loop {
        let current = in_transaction(session, || {
            let Some(lease) = read(session)? else {
                let sql = "INSERT INTO lease (one, holder, place, who, commits) VALUES (1, ?1, ?2, ?3, 0)";
                session.execute(sql, values![&applicant.run, &applicant.place, &*applicant.who])?;
                return Ok(None);
            };
            let is_quiet = seen.as_ref().is_some_and(|seen| *seen == (lease.holder.clone(), lease.commits));
            let is_dead = lease.place == applicant.place || (watched >= WATCHED && is_quiet);
            // Given back, perhaps just now.
            if lease.holder.is_none() || is_dead {
                let sql = "UPDATE lease SET past_holder = holder, past_commits = commits,
                    holder = ?1, place = ?2, who = ?3, commits = 0";
                session.execute(sql, values![&applicant.run, &applicant.place, &*applicant.who])?;
                return Ok(None);
            }
            Ok(Some(lease))
        })?;
        let Some(lease) = current else { return Ok(()) };
        let now = (lease.holder, lease.commits);
        if seen.as_ref().is_some_and(|seen| *seen != now) {
            return Err(NotTaken::InUse(lease.who));
        }
        if seen.is_none() {
            tracing::warn!(holder = lease.who, "the lease is another server's: watching whether it is still there");
            seen = Some(now);
        }
        session.pause(LOOK);
        watched += LOOK;
    }
}

/// Counts on the lease, as part of a transaction. False if it is not ours.
pub(super) fn count_on(session: &Session, run: &[u8; 16], commits: i64) -> Outcome<bool> {
    let sql = "UPDATE lease SET commits = commits + 1 WHERE one = 1 AND holder = ?1 AND commits = ?2";
    Ok(session.execute(sql, values![run, commits])? == 1)
}

/// Asks what became of the transaction that counted up from `commits`. Waits
/// for one that is still under way: it has a lock on the row.
pub(super) fn ended(session: &Session, run: &[u8; 16], commits: i64) -> Outcome<Ended> {
    let lease = in_transaction(session, || read(session))?;
    let Some(lease) = lease else { return Ok(Ended::Forgotten) };
    let reached = match (lease.holder, lease.past_holder) {
        (Some(holder), _) if holder == run => lease.commits,
        (_, Some(past)) if past == run => lease.past_commits.unwrap_or(commits),
        _ => return Ok(Ended::Forgotten),
    };
    Ok(if reached > commits { Ended::Committed } else { Ended::Undone })
}

/// Gives the lease back, so that nobody has to watch it. It stays readable what
/// became of our transactions.
pub(super) fn give_back(session: &Session, run: &[u8; 16]) -> Outcome<()> {
    let sql = "UPDATE lease SET past_holder = holder, past_commits = commits, holder = NULL WHERE holder = ?1";
    session.execute(sql, values![run]).map(drop)
}

fn read(session: &Session) -> Outcome<Option<Lease>> {
    let sql = "SELECT one, holder, place, who, commits, past_holder, past_commits FROM lease FOR UPDATE";
    session.first(sql, &[], |row| {
        let row = Fields::of("lease", row);
        Ok(Lease {
            holder: row.optional_blob(1)?.map(<[u8]>::to_vec),
            place: row.blob(2)?.to_vec(),
            who: row.text(3)?.to_owned(),
            commits: row.int(4)?,
            past_holder: row.optional_blob(5)?.map(<[u8]>::to_vec),
            past_commits: row.optional_int(6)?,
        })
    })
}

fn in_transaction<T>(session: &Session, act: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    session.batch("BEGIN")?;
    let acted = act();
    session.batch(if acted.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
    acted
}

/// What this process may believe of its lease.
#[derive(Debug, Default)]
pub(super) struct Trust {
    /// Milliseconds since boot, time asleep included.
    until: AtomicU64,
    lost: AtomicBool,
}

impl Trust {
    /// The lease was counted on, at `asked` or later.
    pub(super) fn counted(&self, asked: u64) {
        let held = u64::try_from(HELD.as_millis()).unwrap_or(0);
        self.until.store(asked + held, Ordering::Release);
    }

    /// Somebody else has it.
    pub(super) fn lose(&self) {
        self.lost.store(true, Ordering::Release);
    }

    pub(super) fn tenure(&self) -> Tenure {
        if self.lost.load(Ordering::Acquire) {
            Tenure::Lost
        } else if since_boot() < self.until.load(Ordering::Acquire) {
            Tenure::Ours
        } else {
            Tenure::Unsure
        }
    }
}

/// Goes on while the machine sleeps: other servers do not sleep with it.
pub(super) fn since_boot() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1000 + u64::try_from(now.tv_nsec).unwrap_or(0) / 1_000_000
}
