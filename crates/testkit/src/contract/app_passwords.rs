//! App passwords are issued, used, ended.

use std::{sync::Arc, time::Duration};

use authority::{Account, AppName, AppPasswordId, Event, LockMode, Standing};
use keeper::{Issued, Store};

use super::{add, first_use, first_used, issue, issued, log, logged_since, revoked};
use crate::{account, app_password, by_admin, digest, used};

pub async fn an_app_password_reads_back_as_it_was_issued(store: Arc<dyn Store>) {
    let alice = account("alice@example.org");
    add(&*store, &alice).await;
    let plain = app_password(&alice, "Laptop");
    let mut full = app_password(&alice, "Büro 🖥");
    full.app = AppName::parse("my own, \"app\"").unwrap();
    full.scopes = "mail:read,mail:send,calendars,contacts:read,files,wiki".parse().unwrap();
    full.networks = "192.0.2.0/24,2001:db8::/32,198.51.100.7".parse().unwrap();
    full.lock = LockMode::Watch;
    full.expires = Some(alice.created.plus(Duration::from_secs(90 * 86400)));
    let mut off = app_password(&alice, "Off");
    off.lock = LockMode::Off;
    for password in [&plain, &full, &off] {
        issue(&*store, &alice, password).await;
        let by_digest = store.app_password_by_digest(&digest(password.label.as_str())).await.unwrap();
        assert_eq!(by_digest.as_ref(), Some(password));
        let by_id = store.app_password(password.id).await.unwrap().unwrap();
        assert_eq!((&by_id.password, &by_id.uses[..]), (password, &[][..]));
    }
    assert_eq!(logged_since(&*store, 1).await, [&plain, &full, &off].map(|password| issued(&alice, password)));
    assert_eq!(store.app_password_by_digest(&digest("another")).await.unwrap(), None);
    let mut near = digest("Laptop");
    // 128 bits count, more than the letters have; a store may keep no more.
    near.0[15] ^= 1;
    assert_eq!(store.app_password_by_digest(&near).await.unwrap(), None, "half of that is no digest");
    assert!(store.app_password(AppPasswordId::from_bytes([0; 10])).await.unwrap().is_none());
}

pub async fn a_rehashed_password_is_found_under_its_new_digest_alone(store: Arc<dyn Store>) {
    let alice = account("alice@example.org");
    add(&*store, &alice).await;
    let (laptop, phone) = (app_password(&alice, "Laptop"), app_password(&alice, "Phone"));
    issue(&*store, &alice, &laptop).await;
    issue(&*store, &alice, &phone).await;
    let known = log(&*store).await.len();
    // Twice: two apps may come at once.
    for _ in 0..2 {
        assert!(store.rehash(laptop.id, &digest("under another key")).await.unwrap());
    }
    let by_digest = async |of: &str| store.app_password_by_digest(&digest(of)).await.unwrap();
    assert_eq!(by_digest("Laptop").await, None);
    assert_eq!(by_digest("under another key").await, Some(laptop));
    assert_eq!(by_digest("Phone").await, Some(phone));
    assert!(!store.rehash(AppPasswordId::from_bytes([0; 10]), &digest("nobody's")).await.unwrap());
    assert_eq!(log(&*store).await.len(), known, "routine");
}

pub async fn app_passwords_come_newest_first_with_their_uses(store: Arc<dyn Store>) {
    let (alice, bob) = (account("alice@example.org"), account("bob@example.org"));
    add(&*store, &alice).await;
    add(&*store, &bob).await;
    assert!(store.app_passwords(alice.id).await.unwrap().is_empty());
    let mut made = vec![];
    for (label, secs) in [("first", 0), ("third", 20), ("second", 10), ("with the third", 20)] {
        let mut password = app_password(&alice, label);
        password.created = used("", secs).at;
        issue(&*store, &alice, &password).await;
        made.push(password);
    }
    issue(&*store, &bob, &app_password(&bob, "Phone")).await;
    assert!(store.revoke(alice.id, made[0].id, &revoked(&alice, &made[0], 30)).await.unwrap());
    let (imap, dav, drive) = (used("imap", 50), used("dav", 70), used("drive", 60));
    let third = made[1].id;
    store.record_uses(&[imap.clone(), dav.clone(), drive.clone()].map(|used| (third, used))).await.unwrap();

    let listed = store.app_passwords(alice.id).await.unwrap();
    let labels: Vec<_> = listed.iter().map(|one| one.password.label.as_str()).collect();
    assert_eq!(labels, ["with the third", "third", "second", "first"]);
    let uses: Vec<_> = listed.iter().map(|one| &one.uses[..]).collect();
    assert_eq!(uses, [&[][..], &[dav, drive, imap], &[], &[]]);
    assert_eq!(listed[3].password.revoked, Some(used("", 30).at));
}

pub async fn the_limit_counts_what_is_alive(store: Arc<dyn Store>) {
    let (alice, bob) = (account("alice@example.org"), account("bob@example.org"));
    add(&*store, &alice).await;
    add(&*store, &bob).await;
    issue(&*store, &bob, &app_password(&bob, "Phone")).await;
    let try_issue = async |label: &str, secs: u64| {
        let mut password = app_password(&alice, label);
        password.created = used("", secs).at;
        password.use_by = used("", secs + 1000).at;
        password.expires = (label == "short").then(|| used("", secs + 100).at);
        let outcome = store.issue(&password, &digest(label), 2, &issued(&alice, &password)).await.unwrap();
        (password, outcome)
    };
    let (short, outcome) = try_issue("short", 0).await;
    assert_eq!(outcome, Issued::Done);
    assert!(first_use(&*store, short.id, &used("imap", 1), &first_used(&alice, &short, 1)).await);
    assert_eq!(try_issue("waiting", 0).await.1, Issued::Done);
    let known = log(&*store).await.len();
    let (third, outcome) = try_issue("third", 99).await;
    assert_eq!(outcome, Issued::LimitReached);
    assert!(store.app_password(third.id).await.unwrap().is_none());
    assert_eq!(log(&*store).await.len(), known, "no line without the change");

    // The short one ends at 100, the one that was never used at 1000.
    let (third, outcome) = try_issue("third", 100).await;
    assert_eq!(outcome, Issued::Done);
    assert_eq!(try_issue("fourth", 999).await.1, Issued::LimitReached);
    assert!(first_use(&*store, third.id, &used("imap", 999), &first_used(&alice, &third, 999)).await);
    let (fourth, outcome) = try_issue("fourth", 1000).await;
    assert_eq!(outcome, Issued::Done);
    assert_eq!(try_issue("fifth", 1001).await.1, Issued::LimitReached);
    assert!(store.revoke(alice.id, fourth.id, &revoked(&alice, &fourth, 1002)).await.unwrap());
    assert_eq!(try_issue("fifth", 1003).await.1, Issued::Done);
}

pub async fn nothing_is_issued_to_an_account_that_may_not(store: Arc<dyn Store>) {
    let suspended = Account { standing: Standing::Suspended, ..account("suspended@example.org") };
    let without = Account { second_factor: None, ..account("without@example.org") };
    add(&*store, &suspended).await;
    add(&*store, &without).await;
    let known = log(&*store).await.len();
    for account in [suspended, without, account("gone@example.org")] {
        let password = app_password(&account, "Laptop");
        let outcome = store.issue(&password, &digest("Laptop"), 25, &issued(&account, &password)).await.unwrap();
        assert_eq!(outcome, Issued::NotAllowed, "{}", account.login);
        assert!(store.app_password(password.id).await.unwrap().is_none());
    }
    assert_eq!(log(&*store).await.len(), known);
}

pub async fn revocation_is_final(store: Arc<dyn Store>) {
    let alice = account("alice@example.org");
    add(&*store, &alice).await;
    let laptop = app_password(&alice, "Laptop");
    issue(&*store, &alice, &laptop).await;
    let entry = revoked(&alice, &laptop, 10);
    assert!(store.revoke(alice.id, laptop.id, &entry).await.unwrap());
    let known = log(&*store).await.len();
    assert_eq!(log(&*store).await.last(), Some(&entry));

    assert!(!store.revoke(alice.id, laptop.id, &revoked(&alice, &laptop, 20)).await.unwrap());
    let first = first_used(&alice, &laptop, 5);
    assert!(!first_use(&*store, laptop.id, &used("imap", 5), &first).await);
    let all = by_admin(&alice, 30, Event::AllAppPasswordsRevoked);
    assert_eq!(store.revoke_all(alice.id, &all).await.unwrap(), []);
    assert_eq!(log(&*store).await.len(), known);
    store.record_uses(&[(laptop.id, used("imap", 40))]).await.unwrap();
    for (standing, event) in [(Standing::Suspended, Event::AccountSuspended), (Standing::Active, Event::AccountResumed)]
    {
        assert!(store.set_standing(alice.id, standing, &by_admin(&alice, 50, event)).await.unwrap());
    }
    let found = store.app_password_by_digest(&digest("Laptop")).await.unwrap().unwrap();
    assert_eq!((found.revoked, found.first_used), (Some(entry.at), None));
}

pub async fn only_the_owner_s_passwords_are_revoked(store: Arc<dyn Store>) {
    let (alice, bob) = (account("alice@example.org"), account("bob@example.org"));
    add(&*store, &alice).await;
    add(&*store, &bob).await;
    let laptop = app_password(&alice, "Laptop");
    issue(&*store, &alice, &laptop).await;
    let known = log(&*store).await.len();
    assert!(!store.revoke(bob.id, laptop.id, &revoked(&bob, &laptop, 10)).await.unwrap());
    let gone = account("gone@example.org");
    assert!(!store.revoke(gone.id, laptop.id, &revoked(&gone, &laptop, 10)).await.unwrap());
    let none = AppPasswordId::from_bytes([0; 10]);
    let entry = by_admin(&alice, 10, Event::AppPasswordRevoked { id: none });
    assert!(!store.revoke(alice.id, none, &entry).await.unwrap());
    assert_eq!(store.app_password_by_digest(&digest("Laptop")).await.unwrap(), Some(laptop));
    assert_eq!(log(&*store).await.len(), known);

    // One that time has ended can still be revoked.
    let mut over = app_password(&alice, "over");
    over.use_by = used("", 1).at;
    issue(&*store, &alice, &over).await;
    assert!(store.revoke(alice.id, over.id, &revoked(&alice, &over, 10)).await.unwrap());
}

pub async fn revoke_all_ends_what_is_alive(store: Arc<dyn Store>) {
    let (alice, bob) = (account("alice@example.org"), account("bob@example.org"));
    add(&*store, &alice).await;
    add(&*store, &bob).await;
    let mine = ["Laptop", "Phone"].map(|label| app_password(&alice, label));
    let bobs = app_password(&bob, "Tablet");
    for password in &mine {
        issue(&*store, &alice, password).await;
    }
    issue(&*store, &bob, &bobs).await;
    let known = log(&*store).await.len();
    let entry = by_admin(&alice, 10, Event::AllAppPasswordsRevoked);
    let mut ids = store.revoke_all(alice.id, &entry).await.unwrap();
    let lines = logged_since(&*store, known).await;
    assert_eq!(lines[0], entry);
    assert_eq!(lines[1..], ids.iter().map(|&id| entry.also(Event::AppPasswordRevoked { id })).collect::<Vec<_>>());
    let mut expected = mine.map(|password| password.id);
    expected.sort();
    ids.sort();
    assert_eq!(ids, expected);
    let listed = store.app_passwords(alice.id).await.unwrap();
    assert!(listed.iter().all(|one| one.password.revoked == Some(entry.at)));
    assert_eq!(store.app_password(bobs.id).await.unwrap().unwrap().password, bobs);

    assert_eq!(store.revoke_all(alice.id, &entry).await.unwrap(), []);
    assert_eq!(store.revoke_all(account("gone@example.org").id, &entry).await.unwrap(), []);
    assert_eq!(log(&*store).await.len(), known + 3);
}

pub async fn the_first_use_makes_a_password_active(store: Arc<dyn Store>) {
    let alice = account("alice@example.org");
    add(&*store, &alice).await;
    let laptop = app_password(&alice, "Laptop");
    issue(&*store, &alice, &laptop).await;
    let (first, entry) = (used("imap", 10), first_used(&alice, &laptop, 10));
    assert!(first_use(&*store, laptop.id, &first, &entry).await);
    let again = first_used(&alice, &laptop, 20);
    assert!(!first_use(&*store, laptop.id, &used("imap", 20), &again).await, "it is not the first");
    let listed = store.app_password(laptop.id).await.unwrap().unwrap();
    assert_eq!(listed.password.first_used, Some(first.at));
    assert_eq!(listed.uses, [first], "a second first use writes nothing");
    assert_eq!(logged_since(&*store, 2).await, [entry]);
}

pub async fn a_first_use_that_comes_too_late_changes_nothing(store: Arc<dyn Store>) {
    let alice = account("alice@example.org");
    add(&*store, &alice).await;
    let mut laptop = app_password(&alice, "Laptop");
    laptop.use_by = used("", 100).at;
    let mut short = app_password(&alice, "short");
    short.expires = Some(used("", 50).at);
    issue(&*store, &alice, &laptop).await;
    issue(&*store, &alice, &short).await;
    let known = log(&*store).await.len();
    for (password, secs) in [(&laptop, 100), (&laptop, 101), (&short, 50)] {
        let entry = first_used(&alice, password, secs);
        assert!(!first_use(&*store, password.id, &used("imap", secs), &entry).await);
        let listed = store.app_password(password.id).await.unwrap().unwrap();
        assert_eq!((&listed.password, listed.uses.len()), (password, 0));
    }
    let entry = first_used(&alice, &laptop, 10);
    let none = AppPasswordId::from_bytes([0; 10]);
    assert!(!first_use(&*store, none, &used("imap", 10), &entry).await);
    assert_eq!(log(&*store).await.len(), known);
    assert!(first_use(&*store, laptop.id, &used("imap", 99), &entry).await);
}
