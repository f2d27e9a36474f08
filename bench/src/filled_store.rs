//! A store with millions of credentials, made in a minute: rows go straight into
//! the tables that Postern has made. The keeper would do the same in an hour.
//!
//! Only what a decision reads is there: no audit, no recovery codes. Every
//! credential can be used; its letters follow from its number.

use std::path::Path;

use authority::{AccountId, AppPasswordId, Letters, Secret};
use hmac::{Hmac, KeyInit, Mac};
use rusqlite::{Connection, params};
use sha2::Sha256;
use store::sqlite;
use testkit::Seeded;

use crate::{Outcome, report::tell, site};

/// So many belong to each account.
pub(crate) const PER_ACCOUNT: u64 = 10;

const MILLION: u64 = 1_000_000;
/// When all of them were made: November 2026, in milliseconds.
const CREATED: i64 = 1_793_500_000_000;

/// What Argon2id leaves behind; nobody signs in with it here.
const PRIMARY_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AQEBAQEBAQEBAQEBAQEBAQ$3KNyD2wR9c8tMfPeGhGXlqhhbA3pTWPjpW5yJyMlvIM";

/// The secret of a credential.
pub(crate) fn secret(credential: u64) -> Secret {
    letters(credential).grouped()
}

/// Fills the folder with so many credentials.
pub(crate) fn fill(folder: &Path, credentials: u64) -> Outcome<()> {
    // Makes the tables.
    drop(sqlite::open(folder, site::audit_key())?);
    let db = Connection::open(folder.join("postern.db"))?;
    // If this program dies the folder is worth nothing anyway.
    db.execute_batch(
        "PRAGMA journal_mode = DELETE; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
         PRAGMA locking_mode = EXCLUSIVE; PRAGMA cache_size = -2097152; BEGIN",
    )?;
    db.execute("INSERT INTO door (no, name) VALUES (1, 'imap')", [])?;
    for account in 0..credentials / PER_ACCOUNT {
        add_account(&db, account)?;
        for credential in account * PER_ACCOUNT..(account + 1) * PER_ACCOUNT {
            add_credential(&db, account, credential)?;
            if credential > 0 && credential % MILLION == 0 {
                tell(&format!("cold: {} million credentials stored", credential / MILLION));
            }
        }
    }
    db.execute_batch("COMMIT")?;
    Ok(())
}

/// Numbers that are alike tell nothing of each other, and differ per use.
fn seeded(use_: u64, number: u64) -> Seeded {
    Seeded::new((number * 4 + use_).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn account_id(account: u64) -> AccountId {
    AccountId::random(&mut seeded(0, account))
}

fn letters(credential: u64) -> Letters {
    Letters::random(&mut seeded(1, credential))
}

/// The row number that belongs to an account's number, which begins at 0.
fn row(number: u64) -> Outcome<i64> {
    Ok(i64::try_from(number)? + 1)
}

fn add_account(db: &Connection, account: u64) -> Outcome<()> {
    db.prepare_cached(
        "INSERT INTO account (no, id, standing, primary_hash, primary_by, seed, seed_by, last_step, created, epoch)
         VALUES (?1, ?2, 0, ?3, 0, zeroblob(60), 0, 0, ?4, 0)",
    )?
    .execute(params![row(account)?, account_id(account).as_bytes(), PRIMARY_HASH, CREATED])?;
    db.prepare_cached("INSERT INTO login (name, account, place) VALUES (?1, ?2, 0)")?
        .execute(params![site::login(account), row(account)?])?;
    Ok(())
}

fn add_credential(db: &Connection, account: u64, credential: u64) -> Outcome<()> {
    let id = AppPasswordId::random(&mut seeded(2, credential));
    let digest = digest(account_id(account), &letters(credential));
    // "thunderbird", "calendars,contacts,mail", "192.0.2.0/24" as the store packs them.
    db.prepare_cached(
        "INSERT INTO app_password (id, account, digest, label, app, scopes, networks, lock, created, use_by)
         VALUES (?1, ?2, ?3, 'Laptop at home', x'1f00', x'142c152c12', x'1ec00002002f3234', 0, ?4, ?4)",
    )?
    .execute(params![id.as_bytes(), row(account)?, &digest[..16], CREATED])?;
    db.prepare_cached(
        "INSERT INTO app_password_use (app_password, door, first, at, source) VALUES (?1, 1, ?2, ?2, x'c0000207')",
    )?
    .execute(params![db.last_insert_rowid(), CREATED])?;
    Ok(())
}

/// As `keeper` computes it, which keeps it to itself. If the two should part, no
/// sign-in is admitted here and the benchmark says so.
fn digest(account: AccountId, letters: &Letters) -> [u8; 32] {
    const PURPOSE: &[u8] = b"app password";
    let mut mac = Hmac::<Sha256>::new_from_slice(&site::SERVER_KEY).expect("HMAC takes keys of any length");
    mac.update(&[PURPOSE.len() as u8]);
    mac.update(PURPOSE);
    mac.update(account.as_bytes());
    mac.update(letters.as_bytes());
    mac.finalize().into_bytes().into()
}
