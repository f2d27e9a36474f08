//! Routine: last uses, counted refusals, and the newest time of all.

use std::sync::Arc;

use authority::{Account, AppPasswordId, Event, Reason, Use};
use keeper::{Refused, Store};

use super::{add, first_use, first_used, issue, log};
use crate::{account, app_password, by_admin, used};

pub async fn uses_never_go_back_in_time(store: Arc<dyn Store>) {
    let alice = account("alice@example.org");
    add(&*store, &alice).await;
    let (laptop, phone) = (app_password(&alice, "Laptop"), app_password(&alice, "Phone"));
    issue(&*store, &alice, &laptop).await;
    issue(&*store, &alice, &phone).await;
    let known = log(&*store).await.len();
    let away = Use { from: "2001:db8::7".parse().unwrap(), ..used("imap", 30) };
    let none = AppPasswordId::from_bytes([0; 10]);
    store.record_uses(&[]).await.unwrap();
    store.record_uses(&[(laptop.id, used("imap", 20)), (none, used("imap", 20))]).await.unwrap();
    store.record_uses(&[(laptop.id, away.clone()), (phone.id, used("dav", 5))]).await.unwrap();
    store.record_uses(&[(laptop.id, used("imap", 10)), (laptop.id, used("dav", 1))]).await.unwrap();
    let uses = async |id| store.app_password(id).await.unwrap().unwrap().uses;
    assert_eq!(uses(laptop.id).await, [away, used("dav", 1)]);
    assert_eq!(uses(phone.id).await, [used("dav", 5)]);
    // A use from before the first one, told late.
    assert!(first_use(&*store, phone.id, &used("dav", 3), &first_used(&alice, &phone, 3)).await);
    assert_eq!(uses(phone.id).await, [used("dav", 5)]);
    assert_eq!(log(&*store).await.len(), known + 1, "routine is not audited");
}

fn refused(account: Option<&Account>, secs: u64, count: u64) -> Refused {
    Refused {
        account: account.map(|account| account.id),
        app_password: None,
        door: Arc::from("imap"),
        reason: Reason::NoSuchPassword,
        from: [192, 0, 2, u8::try_from(secs % 256).unwrap()].into(),
        at: used("", secs).at,
        count,
    }
}

pub async fn refusals_of_one_kind_are_one_line(store: Arc<dyn Store>) {
    let (alice, bob) = (account("alice@example.org"), account("bob@example.org"));
    add(&*store, &alice).await;
    add(&*store, &bob).await;
    let laptop = app_password(&alice, "Laptop");
    issue(&*store, &alice, &laptop).await;
    let plain = |secs, count| refused(Some(&alice), secs, count);
    let v6 = Refused { from: "2001:db8::7".parse().unwrap(), door: Arc::from("dav"), ..plain(40, 1) };
    let scope = Refused { reason: Reason::Scope, app_password: Some(laptop.id), ..plain(30, 2) };
    store.record_refusals(&[]).await.unwrap();
    store.record_refusals(&[plain(10, 1), scope.clone(), v6.clone(), plain(20, 4)]).await.unwrap();
    store.record_refusals(&[plain(15, 100), scope.clone(), refused(Some(&bob), 50, 1)]).await.unwrap();
    store.record_refusals(&[refused(Some(&account("gone@example.org")), 60, 1)]).await.unwrap();

    let expected = [v6, Refused { count: 4, ..scope }, plain(20, 105)];
    let since = async |secs| store.refusals(alice.id, used("", secs).at).await.unwrap();
    assert_eq!(since(0).await, expected);
    assert_eq!(since(30).await, expected[..2]);
    assert_eq!(since(41).await, []);
    assert_eq!(store.refusals(account("gone@example.org").id, alice.created).await.unwrap(), []);
}

pub async fn strangers_refusals_belong_to_nobody(store: Arc<dyn Store>) {
    let alice = account("alice@example.org");
    add(&*store, &alice).await;
    let flood: Vec<_> = (0..10_000)
        .map(|secs| Refused {
            reason: if secs % 2 == 0 { Reason::UnknownLogin } else { Reason::ForeignIdentity },
            ..refused(None, secs, 1)
        })
        .collect();
    store.record_refusals(&flood).await.unwrap();
    assert_eq!(store.refusals(alice.id, alice.created).await.unwrap(), []);
    assert_eq!(store.newest().await.unwrap(), Some(used("", 9_999).at));
    assert_eq!(log(&*store).await.len(), 1, "a flood is not audited line by line");
}

pub async fn the_newest_time_covers_all_that_is_recorded(store: Arc<dyn Store>) {
    let newest = async || store.newest().await.unwrap();
    assert_eq!(newest().await, None);
    let alice = account("alice@example.org");
    add(&*store, &alice).await;
    assert_eq!(newest().await, Some(used("", 0).at));
    let laptop = app_password(&alice, "Laptop");
    issue(&*store, &alice, &laptop).await;
    assert!(first_use(&*store, laptop.id, &used("imap", 10), &first_used(&alice, &laptop, 10)).await);
    assert_eq!(newest().await, Some(used("", 10).at));
    store.record_uses(&[(laptop.id, used("imap", 20))]).await.unwrap();
    assert_eq!(newest().await, Some(used("", 20).at));
    store.record_refusals(&[refused(Some(&alice), 30, 1)]).await.unwrap();
    assert_eq!(newest().await, Some(used("", 30).at));
    store.record(&by_admin(&alice, 40, Event::SessionsEnded { count: 1 })).await.unwrap();
    assert_eq!(newest().await, Some(used("", 40).at));
    store.record(&by_admin(&alice, 5, Event::SessionsEnded { count: 1 })).await.unwrap();
    store.record_uses(&[(laptop.id, used("imap", 6))]).await.unwrap();
    store.record_refusals(&[refused(None, 7, 1)]).await.unwrap();
    assert_eq!(newest().await, Some(used("", 40).at), "it never goes back");
}
