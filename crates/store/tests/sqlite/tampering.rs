//! Somebody was at the database with a shell.

use std::sync::Arc;

use authority::{
    Account, Event, Reason,
    audit::{Broken, Verifier},
};
use keeper::{Added, Issued, Refused, Store, StoreError};
use rusqlite::Connection;
use store::sqlite::{self, OpenError};
use tempfile::TempDir;
use testkit::{account, app_password, by_admin, contract, digest, new_account, used};

use super::{folder, open, raw};

/// An account with a password and four lines of audit.
async fn filled() -> (TempDir, Account) {
    let folder = folder();
    let store = open(&folder);
    let alice = account("alice@example.org");
    let laptop = app_password(&alice, "Laptop");
    let event = Event::AppPasswordIssued {
        id: laptop.id,
        label: "Laptop".into(),
        app: "thunderbird".into(),
        scopes: "mail".into(),
    };
    let ended = by_admin(&alice, 2, Event::SessionsEnded { count: 1 });
    assert_eq!(store.add_account(&new_account(alice.clone()), &ended).await.unwrap(), Added::Done);
    assert_eq!(store.issue(&laptop, &digest("Laptop"), 25, &by_admin(&alice, 1, event)).await.unwrap(), Issued::Done);
    store.record_uses(&[(laptop.id, used("imap", 3))]).await.unwrap();
    store.record(&ended).await.unwrap();
    store.record(&ended).await.unwrap();
    (folder, alice)
}

async fn verify(folder: &TempDir) -> Result<(), Broken> {
    let key = contract::key();
    let mut verifier = Verifier::new(&key);
    let lines = open(folder).audit(0, usize::MAX).await.unwrap();
    lines.iter().try_for_each(|line| verifier.check(line))
}

fn rewrite(db: &Connection, seq: i64, from: &str, to: &str) {
    let line: Vec<u8> = db.query_row("SELECT line FROM audit WHERE seq = ?1", [seq], |row| row.get(0)).unwrap();
    let at = line.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
    let line = [&line[..at], to.as_bytes(), &line[at + from.len()..]].concat();
    db.execute("UPDATE audit SET line = ?2 WHERE seq = ?1", rusqlite::params![seq, line]).unwrap();
}

#[tokio::test]
async fn a_line_that_was_changed_moved_or_taken_out_is_found() {
    let (folder, _) = filled().await;
    assert_eq!(verify(&folder).await, Ok(()));
    rewrite(&raw(&folder), 2, "Laptop", "Nothing");
    assert_eq!(verify(&folder).await, Err(Broken::Seal { seq: 2 }));
    rewrite(&raw(&folder), 2, "Nothing", "Laptop");
    assert_eq!(verify(&folder).await, Ok(()));

    raw(&folder).execute("DELETE FROM audit WHERE seq = 2", []).unwrap();
    assert_eq!(verify(&folder).await, Err(Broken::Gap { expected: 2, found: 3 }));
    raw(&folder).execute("UPDATE audit SET seq = seq - 1 WHERE seq > 2", []).unwrap();
    // Now the newest line follows one that it was not sealed behind.
    let error = sqlite::open(folder.path(), contract::key()).unwrap_err();
    assert!(matches!(error, OpenError::AuditSeal { seq: 3, .. }), "{error}");
}

#[tokio::test]
async fn the_server_does_not_go_on_behind_a_changed_line() {
    let (folder, _) = filled().await;
    raw(&folder).execute("UPDATE audit SET seal = zeroblob(16) WHERE seq = 4", []).unwrap();
    let error = sqlite::open(folder.path(), contract::key()).unwrap_err();
    assert!(matches!(error, OpenError::AuditSeal { seq: 4, .. }), "{error}");
    assert!(error.to_string().contains("put back the keys"), "{error}");
}

#[tokio::test]
async fn bad_data_names_its_place() {
    for (sql, place) in [
        ("UPDATE app_password SET scopes = CAST('mail,everything!' AS BLOB)", "app_password.scopes, row 1"),
        ("UPDATE app_password SET app = x'1fff'", "app_password.app, row 1"),
        ("UPDATE app_password SET networks = x'7f'", "app_password.networks, row 1"),
        ("UPDATE app_password SET label = 'two' || char(10) || 'lines'", "app_password.label, row 1"),
        ("UPDATE app_password SET lock = 7", "app_password.lock, row 1"),
        ("UPDATE app_password SET id = x'00'", "app_password.id, row 1"),
        ("UPDATE app_password_use SET source = x'00'", "app_password_use.source, row 1"),
        ("UPDATE account SET standing = 9", "account.standing, row 1"),
        ("UPDATE account SET epoch = -1", "account.epoch, row 1"),
        ("UPDATE login SET name = 'Alice'", "account.login, row 1"),
        ("DELETE FROM login", "account.login, row 1"),
        ("UPDATE audit SET line = x'1f' WHERE seq = 2", "audit.line, row 2"),
    ] {
        let (folder, alice) = filled().await;
        raw(&folder).execute(sql, []).unwrap();
        let store = open(&folder);
        let errors = [
            store.account(alice.id).await.err(),
            store.app_passwords(alice.id).await.err(),
            store.audit(0, 10).await.err(),
        ];
        let found: Vec<_> = errors.into_iter().flatten().collect();
        let [StoreError::Corrupt { place: named, .. }] = &found[..] else { panic!("{sql}: {found:?}") };
        assert_eq!(&**named, place, "{sql}");
        assert!(found[0].to_string().contains("postern doctor"), "{}", found[0]);
    }
}

#[tokio::test]
async fn a_flood_of_strangers_is_a_handful_of_rows() {
    let (folder, alice) = filled().await;
    let store = open(&folder);
    let size = || raw(&folder).query_row("PRAGMA page_count", [], |row| row.get::<_, i64>(0)).unwrap();
    let before = size();
    let flood = |account: Option<&Account>| -> Vec<_> {
        let one = |i: u64| Refused {
            account: account.map(|account| account.id),
            app_password: None,
            door: Arc::from(if i.is_multiple_of(2) { "imap" } else { "dav" }),
            reason: Reason::ALL[usize::try_from(i % 3).unwrap()],
            from: [192, 0, 2, 1].into(),
            at: used("", i).at,
            count: 2,
        };
        (0..10_000).map(one).collect()
    };
    store.record_refusals(&flood(None)).await.unwrap();
    store.record_refusals(&flood(Some(&alice))).await.unwrap();
    let rows = |table: &str| -> (i64, i64) {
        let sql = format!("SELECT count(*), sum(count) FROM {table}");
        raw(&folder).query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
    };
    assert_eq!(rows("stranger_refusal"), (6, 20_000), "one row per door and reason");
    assert_eq!(rows("refusal"), (6, 20_000));
    assert!(size() <= before + 1, "{before} pages became {}", size());
}
