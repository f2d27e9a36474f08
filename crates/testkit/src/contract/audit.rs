//! The log: whole, in order, and read in pages.

use std::sync::Arc;

use authority::{Event, audit::Verifier};
use keeper::Store;

use super::{add, issue, issued, key, log, logged_since, revoked};
use crate::{account, app_password, by_admin, digest};

pub async fn the_log_is_read_in_pages(store: Arc<dyn Store>) {
    assert_eq!(store.audit(0, 10).await.unwrap(), []);
    let alice = account("alice@example.org");
    for count in 0..7 {
        store.record(&by_admin(&alice, 0, Event::SessionsEnded { count })).await.unwrap();
    }
    let key = key();
    let mut verifier = Verifier::new(&key);
    let mut pages = vec![];
    loop {
        let page = store.audit(verifier.head().0, 3).await.unwrap();
        if page.is_empty() {
            break;
        }
        page.iter().for_each(|line| verifier.check(line).unwrap());
        pages.push(page.len());
    }
    assert_eq!(pages, [3, 3, 1]);
    assert_eq!(store.audit(0, 0).await.unwrap(), []);
    assert_eq!(store.audit(u64::MAX, 3).await.unwrap(), []);
}

pub async fn a_line_of_its_own_is_recorded(store: Arc<dyn Store>) {
    // What people may write into names comes back to the letter.
    let alice = account("alice@example.org");
    let event = Event::AppPasswordIssued {
        id: app_password(&alice, "x").id,
        label: "Büro \"\\ 🖥 1800000000000 aaaaaaaaaaaaaaaa".into(),
        app: r#"","event":""#.into(),
        scopes: "mail".into(),
    };
    let entries = [by_admin(&alice, 3, event), by_admin(&alice, 4, Event::SessionsEnded { count: 2 })];
    for entry in &entries {
        store.record(entry).await.unwrap();
    }
    assert_eq!(log(&*store).await, entries);
    let texts = store.audit(0, 2).await.unwrap().into_iter().map(|line| line.text).collect::<Vec<_>>();
    assert_eq!(texts, entries.map(|entry| entry.to_text()));
}

pub async fn the_chain_holds_whoever_writes_at_once(store: Arc<dyn Store>) {
    const WRITERS: usize = 16;
    const EACH: usize = 12;
    let alice = account("alice@example.org");
    add(&*store, &alice).await;
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (store, alice) = (store.clone(), alice.clone());
            tokio::spawn(async move {
                for i in 0..EACH {
                    let password = app_password(&alice, &format!("{writer} {i}"));
                    issue(&*store, &alice, &password).await;
                    // One that changes nothing leaves no line between those of others.
                    let (digest, entry) = (digest("over the limit"), issued(&alice, &password));
                    let over = store.issue(&password, &digest, 0, &entry).await.unwrap();
                    assert_eq!(over, keeper::Issued::LimitReached);
                    assert!(store.revoke(alice.id, password.id, &revoked(&alice, &password, 1)).await.unwrap());
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let lines = logged_since(&*store, 1).await;
    assert_eq!(lines.len(), WRITERS * EACH * 2);
    for one in store.app_passwords(alice.id).await.unwrap() {
        let of = |entry| lines.iter().position(|line| *line == entry);
        let (made, ended) = (of(issued(&alice, &one.password)), of(revoked(&alice, &one.password, 1)));
        assert!(made.is_some() && made < ended, "{}", one.password.label);
    }
}
