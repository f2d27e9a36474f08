//! One server at a time works on a database.

use authority::Event;
use keeper::{Store, StoreError, Tenure};
use testkit::{Postgres, account, by_admin};

use super::{OpenError, database, folder, lease, name, open};

fn entry(secs: u64) -> authority::Entry {
    by_admin(&account("alice@example.org"), secs, Event::SessionsEnded { count: 1 })
}

#[tokio::test]
async fn a_second_server_is_told_who_the_first_is() {
    let (url, here, there) = (database(), folder(), folder());
    let store = open(&url, &here, 1).await;
    store.record(&entry(0)).await.unwrap();
    let error = lease(&url, &there, 2).await.unwrap_err();
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    let pid = format!("process {}", std::process::id());
    assert!(error.to_string().contains(&pid), "{error}");
    store.record(&entry(1)).await.unwrap();
    assert_eq!(store.tenure(), Tenure::Ours);
}

#[tokio::test]
async fn a_lease_that_was_given_back_is_free_at_once() {
    let (url, here, there) = (database(), folder(), folder());
    drop(open(&url, &here, 1).await);
    open(&url, &there, 2).await.record(&entry(0)).await.unwrap();
    assert_eq!(Postgres::shared().sql(name(&url), "SELECT count(*) FROM audit"), "1");
}

#[tokio::test]
async fn a_server_that_was_replaced_writes_nothing_any_more() {
    let (url, here) = (database(), folder());
    let store = open(&url, &here, 1).await;
    store.record(&entry(0)).await.unwrap();
    // As if it had slept for a minute: another has watched, and taken over.
    let taken = "UPDATE lease SET past_holder = holder, past_commits = commits, holder = '\\x02', commits = 0";
    Postgres::shared().sql(name(&url), taken);
    for _ in 0..2 {
        let error = store.record(&entry(1)).await.unwrap_err();
        assert!(matches!(&error, StoreError::Unavailable(why) if why.contains("taken this database over")), "{error}");
        assert_eq!(store.tenure(), Tenure::Lost);
    }
    assert_eq!(Postgres::shared().sql(name(&url), "SELECT count(*) FROM audit"), "1");
    // Nor does it give back what is another's.
    drop(store);
    assert_eq!(Postgres::shared().sql(name(&url), "SELECT holder FROM lease"), "\\x02");
}

#[tokio::test]
async fn who_died_in_the_same_place_is_replaced_at_once() {
    let (url, here) = (database(), folder());
    let first = open(&url, &here, 1).await;
    first.record(&entry(0)).await.unwrap();
    // What a kill leaves behind: the lease of a process that is no more.
    let left = Postgres::shared().sql(name(&url), "SELECT holder, place, who, commits FROM lease");
    let [holder, place, who, commits] = left.split('|').collect::<Vec<_>>()[..] else { panic!("{left}") };
    drop(first);
    let sql = format!("UPDATE lease SET holder = '{holder}', place = '{place}', who = '{who}', commits = {commits}");
    Postgres::shared().sql(name(&url), &sql);
    open(&url, &here, 2).await.record(&entry(1)).await.unwrap();
}

#[tokio::test]
async fn another_programs_database_is_left_alone() {
    let (url, here) = (database(), folder());
    Postgres::shared().sql(name(&url), "CREATE TABLE migration (number INTEGER)");
    let error = lease(&url, &here, 1).await.unwrap_err();
    assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
}

#[tokio::test]
async fn a_later_versions_database_is_left_alone() {
    let (url, here) = (database(), folder());
    drop(open(&url, &here, 1).await);
    Postgres::shared().sql(name(&url), "INSERT INTO migration (name, checksum) VALUES ('9999_later', '\\x00')");
    let error = lease(&url, &here, 2).await.unwrap_err();
    assert!(matches!(&error, OpenError::Newer { newest, .. } if newest == "9999_later"), "{error}");
    let changed = "DELETE FROM migration WHERE number > 1; UPDATE migration SET checksum = '\\x00' WHERE number = 1";
    Postgres::shared().sql(name(&url), changed);
    let error = lease(&url, &here, 3).await.unwrap_err();
    assert!(matches!(&error, OpenError::Altered { migration: "0001_begin", .. }), "{error}");
}

#[tokio::test]
async fn a_lease_that_nobody_counts_on_is_free_after_half_a_minute() {
    if std::env::var_os("POSTERN_FULL").is_none() {
        eprintln!("skipped: this takes half a minute; `cargo xtask test --full` runs it");
        return;
    }
    let (url, here, there) = (database(), folder(), folder());
    drop(open(&url, &here, 1).await);
    // Another machine's, which has died.
    let left = "UPDATE lease SET holder = '\\x07', place = '\\x07', who = 'elsewhere, process 7', commits = 7";
    Postgres::shared().sql(name(&url), left);
    let begun = tokio::time::Instant::now();
    let store = open(&url, &there, 2).await;
    assert!(begun.elapsed().as_secs() >= 29, "{:?}", begun.elapsed());
    store.record(&entry(0)).await.unwrap();
}

#[tokio::test]
async fn a_lease_that_is_given_back_while_it_is_watched_is_taken() {
    let (url, here, there) = (database(), folder(), folder());
    drop(open(&url, &here, 1).await);
    let database = name(&url).to_owned();
    let left = "UPDATE lease SET holder = '\\x07', place = '\\x07', who = 'elsewhere, process 7', commits = 7";
    Postgres::shared().sql(&database, left);
    let watching = tokio::spawn(async move { lease(&url, &there, 2).await.map(|_| there) });
    // It has looked once: its first transaction is over, and nothing is asked.
    let looked = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}' AND query = 'COMMIT'");
    while Postgres::shared().sql("postgres", &looked) == "0" {
        tokio::task::yield_now().await;
    }
    Postgres::shared().sql(&database, "UPDATE lease SET holder = NULL");
    watching.await.unwrap().unwrap();
}
