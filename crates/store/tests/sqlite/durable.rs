//! What was acknowledged stays.

use std::sync::Arc;

use authority::{AppPasswordId, Event, Reason, audit::Verifier};
use keeper::{Added, Issued, Refused, Store, StoreError};
use testkit::{account, app_password, by_admin, contract, digest, new_account, used};

use super::{folder, open, raw};

async fn verified(store: &dyn Store) -> u64 {
    let key = contract::key();
    let mut verifier = Verifier::new(&key);
    for line in store.audit(0, usize::MAX).await.unwrap() {
        verifier.check(&line).unwrap();
    }
    verifier.head().0
}

fn entry(secs: u64) -> authority::Entry {
    by_admin(&account("alice@example.org"), secs, Event::SessionsEnded { count: 1 })
}

#[tokio::test]
async fn opened_again_it_holds_all_that_it_held() {
    let folder = folder();
    let alice = account("alice@example.org");
    let laptop = app_password(&alice, "Laptop");
    let refused = Refused {
        account: Some(alice.id),
        app_password: Some(laptop.id),
        door: Arc::from("dav"),
        reason: Reason::Scope,
        from: [192, 0, 2, 1].into(),
        at: used("", 60).at,
        count: 3,
    };
    {
        let store = open(&folder);
        assert_eq!(store.add_account(&new_account(alice.clone()), &entry(0)).await.unwrap(), Added::Done);
        assert_eq!(store.issue(&laptop, &digest("Laptop"), 25, &entry(1)).await.unwrap(), Issued::Done);
        store.record_uses(&[(laptop.id, used("imap", 50))]).await.unwrap();
        store.record_refusals(std::slice::from_ref(&refused)).await.unwrap();
    }
    for round in 0..2 {
        let store = open(&folder);
        assert_eq!(store.accounts().await.unwrap(), std::slice::from_ref(&alice));
        let listed = store.app_passwords(alice.id).await.unwrap().remove(0);
        assert_eq!((&listed.password, &listed.uses[..]), (&laptop, &[used("imap", 50)][..]));
        assert_eq!(store.refusals(alice.id, alice.created).await.unwrap(), std::slice::from_ref(&refused));
        assert_eq!(store.newest().await.unwrap(), Some(refused.at));
        assert_eq!(verified(&store).await, 2 + round);
        // The chain goes on where it ended.
        store.record(&entry(2)).await.unwrap();
    }
}

#[tokio::test]
async fn an_act_that_fails_takes_no_other_with_it() {
    let folder = folder();
    let store = Arc::new(open(&folder));
    let alice = account("alice@example.org");
    assert_eq!(store.add_account(&new_account(alice.clone()), &entry(0)).await.unwrap(), Added::Done);
    let tasks: Vec<_> = (0..64)
        .map(|i| {
            let (store, mut password) = (store.clone(), app_password(&alice, &i.to_string()));
            if i % 2 == 0 {
                // Its id is not new: no law speaks of that, only the table does.
                password.id = AppPasswordId::from_bytes([9; 10]);
            }
            tokio::spawn(async move { store.issue(&password, &digest(&i.to_string()), 99, &entry(1)).await })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(outcome) => {
                assert_eq!(outcome, Issued::Done);
                done += 1;
            }
            Err(error) => assert!(matches!(error, StoreError::Unavailable(_)), "{error}"),
        }
    }
    assert_eq!(done, 33);
    assert_eq!(store.app_passwords(alice.id).await.unwrap().len(), 33);
    assert_eq!(verified(&*store).await, 34);
}

#[tokio::test]
async fn a_database_held_by_a_shell_is_an_outage_that_ends_with_it() {
    let folder = folder();
    let store = Arc::new(open(&folder));
    store.record(&entry(0)).await.unwrap();
    let shell = raw(&folder);
    shell.execute_batch("BEGIN IMMEDIATE").unwrap();
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.record(&entry(1)).await })
        })
        .collect();
    // Reading goes on.
    assert_eq!(verified(&*store).await, 1);
    for task in tasks {
        let error = task.await.unwrap().unwrap_err();
        assert!(matches!(&error, StoreError::Unavailable(why) if why.contains("another program")), "{error}");
    }
    shell.execute_batch("ROLLBACK").unwrap();
    store.record(&entry(2)).await.unwrap();
    assert_eq!(verified(&*store).await, 2);
}
