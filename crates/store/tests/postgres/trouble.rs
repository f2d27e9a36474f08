//! The server stops, the connection breaks, an answer is lost.

use std::sync::Arc;

use authority::{Event, audit::Verifier};
use keeper::{Store, StoreError};
use testkit::{Disk, Postgres, account, by_admin, contract};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{UnixListener, UnixStream},
    sync::watch,
};

use super::{database, folder, name, open};

fn entry(secs: u64) -> authority::Entry {
    by_admin(&account("alice@example.org"), secs, Event::SessionsEnded { count: 1 })
}

async fn verified(store: &dyn Store) -> u64 {
    let key = contract::key();
    let mut verifier = Verifier::new(&key);
    for line in store.audit(0, usize::MAX).await.unwrap() {
        verifier.check(&line).unwrap();
    }
    verifier.head().0
}

#[tokio::test]
async fn a_server_that_stops_is_an_outage_that_ends_with_it() {
    let postgres = Postgres::start(&[]);
    let here = folder();
    let store = open(&postgres.database(), &here, 1).await;
    store.record(&entry(0)).await.unwrap();
    assert_eq!(verified(&store).await, 1);
    postgres.stop();
    let error = store.record(&entry(1)).await.unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable(why) if why.contains("check that it runs")), "{error}");
    let error = store.accounts().await.unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable(_)), "{error}");
    postgres.start_again();
    store.record(&entry(2)).await.unwrap();
    assert_eq!(verified(&store).await, 2);
}

#[tokio::test]
async fn connections_that_were_cut_are_made_again_unnoticed() {
    let (url, here) = (database(), folder());
    let store = open(&url, &here, 1).await;
    for round in 0..3 {
        store.record(&entry(round)).await.unwrap();
        assert_eq!(verified(&store).await, round + 1);
        let name = name(&url);
        let cut =
            format!("SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE datname = '{name}'");
        assert_ne!(Postgres::shared().sql("postgres", &cut), "0");
    }
}

/// Loses the answer to a COMMIT, as a network does: before it reaches the
/// server, or after it was carried out.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Loses {
    Nothing,
    Commit,
    Answer,
}

/// Stands before the server's socket.
struct Between {
    folder: tempfile::TempDir,
    loses: watch::Sender<Loses>,
}

impl Between {
    fn start() -> Self {
        let folder = folder();
        let listener = UnixListener::bind(folder.path().join(".s.PGSQL.5432")).unwrap();
        let (loses, watched) = watch::channel(Loses::Nothing);
        let behind = Postgres::shared().folder().join(".s.PGSQL.5432");
        let losing = loses.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (behind, watched, losing) = (behind.clone(), watched.clone(), losing.clone());
                tokio::spawn(async move {
                    let server = UnixStream::connect(behind).await.unwrap();
                    let (mut from_client, mut to_client) = client.into_split();
                    let (mut from_server, mut to_server) = server.into_split();
                    let answers = tokio::spawn(async move { copy(&mut from_server, &mut to_client).await });
                    let mut octets = [0; 16 * 1024];
                    while let Ok(n @ 1..) = from_client.read(&mut octets).await {
                        let loses = *watched.borrow();
                        if loses != Loses::Nothing && octets[..n].windows(6).any(|window| window == b"COMMIT") {
                            answers.abort();
                            let _ = answers.await;
                            losing.send_replace(Loses::Nothing);
                            if loses == Loses::Answer {
                                to_server.write_all(&octets[..n]).await.unwrap();
                                // Until it has been carried out: then the server waits for more.
                                to_server.shutdown().await.unwrap();
                            }
                            return;
                        }
                        to_server.write_all(&octets[..n]).await.unwrap();
                    }
                    answers.abort();
                });
            }
        });
        Self { folder, loses }
    }

    fn url(&self, url: &str) -> String {
        format!("{}?host={}", url.split('?').next().unwrap(), self.folder.path().display())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_a_commit_is_asked_for_and_not_guessed() {
    let (between, here) = (Between::start(), folder());
    let store = Arc::new(open(&between.url(&database()), &here, 1).await);
    store.record(&entry(0)).await.unwrap();
    let mut lines = 1;
    for loses in [Loses::Answer, Loses::Commit, Loses::Answer] {
        between.loses.send_replace(loses);
        // Eight at once share a transaction or two; each is there once.
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move { store.record(&entry(1)).await })
            })
            .collect();
        for task in tasks {
            task.await.unwrap().unwrap();
            lines += 1;
        }
        assert_eq!(*between.loses.borrow(), Loses::Nothing, "nothing was lost");
        assert_eq!(verified(&*store).await, lines, "{loses:?}");
    }
}

#[tokio::test]
async fn a_server_that_only_reads_is_an_outage_for_what_has_to_be_written() {
    let (url, here) = (database(), folder());
    let store = open(&url, &here, 1).await;
    store.record(&entry(0)).await.unwrap();
    let name = name(&url);
    let cut = format!("SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE datname = '{name}'");
    // As after a failover to a standby that was not promoted.
    for (reads_only, is_written) in [("on", false), ("off", true)] {
        let setting = format!("ALTER DATABASE {name} SET default_transaction_read_only = {reads_only}");
        Postgres::shared().sql("postgres", &setting);
        Postgres::shared().sql("postgres", &cut);
        let written = store.record(&entry(1)).await;
        match written {
            Ok(()) => assert!(is_written),
            Err(StoreError::Unavailable(why)) => {
                assert!(!is_written && why.contains("let [store] url name the one that writes"), "{why}");
            }
            Err(other) => panic!("{other}"),
        }
        assert_eq!(verified(&store).await, if is_written { 2 } else { 1 });
    }
}

#[tokio::test]
async fn a_full_disk_is_an_outage_that_ends_with_room() {
    let Some(disk) = Disk::mount(24) else { return };
    let place = disk.folder("tables");
    // The server has a user of its own.
    let owned = std::process::Command::new("chown").arg("postgres:postgres").arg(&place).status();
    assert!(owned.unwrap().success());
    let postgres = Postgres::shared();
    postgres.sql("postgres", &format!("CREATE TABLESPACE small LOCATION '{}'", place.display()));
    postgres.sql("postgres", "CREATE DATABASE full_disk TABLESPACE small");
    let here = folder();
    let store = open(&postgres.url("full_disk"), &here, 1).await;
    store.record(&entry(0)).await.unwrap();

    disk.fill();
    // Until the blocks that it has are full.
    let mut lines = 1;
    let error = loop {
        match store.record(&entry(1)).await {
            Ok(()) => lines += 1,
            Err(error) => break error,
        }
        assert!(lines < 10_000, "it is not full");
    };
    assert!(matches!(&error, StoreError::Unavailable(why) if why.contains("its disk is full: make room")), "{error}");
    // Reading goes on, and nothing was done by halves.
    assert_eq!(verified(&store).await, lines);

    disk.make_room();
    store.record(&entry(2)).await.unwrap();
    assert_eq!(verified(&store).await, lines + 1);
    drop(store);
    postgres.sql("postgres", "DROP DATABASE full_disk WITH (FORCE)");
    postgres.sql("postgres", "DROP TABLESPACE small");
}
