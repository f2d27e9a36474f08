//! Accounts come, are found, change and go.

use std::sync::Arc;

use authority::{Account, Event, Reason, SealedSeed, Standing};
use keeper::{Added, NewAccount, Refused, SetUpOffer, Store};

use super::{add, added, issue, log, logged_since};
use crate::{account, app_password, by_admin, digest, login, new_account, second_factor, used};

pub async fn an_account_is_found_by_each_of_its_names(store: Arc<dyn Store>) {
    let mut alice = Account {
        aliases: vec![login("zoe@example.org"), login("al@example.net")],
        epoch: 0,
        ..account("alice@example.org")
    };
    alice.second_factor = Some(second_factor(7));
    let bob = Account { primary: None, second_factor: None, ..account("bob@example.org") };
    let carol = Account { standing: Standing::Suspended, ..account("carol@example.org") };
    for account in [&alice, &bob, &carol] {
        add(&*store, account).await;
        assert_eq!(store.account(account.id).await.unwrap().as_ref(), Some(account));
        for name in std::iter::once(&account.login).chain(&account.aliases) {
            assert_eq!(store.account_by_login(name).await.unwrap().as_ref(), Some(account), "{name}");
        }
    }
    assert_eq!(store.account_by_login(&login("nobody@example.org")).await.unwrap(), None);
    assert_eq!(store.account(account("nobody@example.org").id).await.unwrap(), None);
    assert_eq!(log(&*store).await, [&alice, &bob, &carol].map(added));
}

pub async fn a_name_belongs_to_one_account(store: Arc<dyn Store>) {
    let alice = Account { aliases: vec![login("al@example.org")], ..account("alice@example.org") };
    add(&*store, &alice).await;
    let free = login("free@example.org");
    for (name, aliases, taken) in [
        ("al@example.org", vec![], "al@example.org"),
        ("bob@example.org", vec!["free@example.org", "alice@example.org"], "alice@example.org"),
        ("bob@example.org", vec!["free@example.org", "al@example.org"], "al@example.org"),
        ("bob@example.org", vec!["free@example.org", "bob@example.org"], "bob@example.org"),
        ("bob@example.org", vec!["free@example.org", "free@example.org"], "free@example.org"),
    ] {
        let bob = Account { aliases: aliases.into_iter().map(login).collect(), ..account(name) };
        // An id of its own, even where the login is somebody's.
        let bob = Account { id: account("bob@example.org").id, ..bob };
        let outcome = store.add_account(&new_account(bob.clone()), &added(&bob)).await.unwrap();
        assert_eq!(outcome, Added::LoginTaken(login(taken)));
        assert_eq!(store.account(bob.id).await.unwrap(), None);
        assert_eq!(store.account_by_login(&free).await.unwrap(), None, "half an account was added");
    }
    assert_eq!(log(&*store).await, [added(&alice)]);
    add(&*store, &Account { aliases: vec![free], ..account("bob@example.org") }).await;
}

pub async fn accounts_come_in_the_order_of_their_logins(store: Arc<dyn Store>) {
    assert_eq!(store.accounts().await.unwrap(), []);
    let carol = account("carol@example.org");
    let alice = Account { aliases: vec![login("zoe@example.org")], ..account("alice@example.org") };
    let bob = Account { aliases: vec![login("aaa@example.org")], ..account("bob@example.org") };
    for account in [&carol, &alice, &bob] {
        add(&*store, account).await;
    }
    assert_eq!(store.accounts().await.unwrap(), [alice, bob, carol]);
}

pub async fn a_change_of_standing_is_made_once(store: Arc<dyn Store>) {
    let alice = account("alice@example.org");
    add(&*store, &alice).await;
    let (suspended, resumed) =
        (by_admin(&alice, 1, Event::AccountSuspended), by_admin(&alice, 2, Event::AccountResumed));
    for (standing, entry, changes, epoch) in [
        (Standing::Active, &resumed, false, 0),
        (Standing::Suspended, &suspended, true, 1),
        (Standing::Suspended, &suspended, false, 1),
        (Standing::Active, &resumed, true, 2),
    ] {
        assert_eq!(store.set_standing(alice.id, standing, entry).await.unwrap(), changes);
        let now = store.account(alice.id).await.unwrap().unwrap();
        assert_eq!((now.standing, now.epoch), (standing, epoch));
    }
    let nobody = account("nobody@example.org");
    assert!(!store.set_standing(nobody.id, Standing::Suspended, &suspended).await.unwrap());
    assert_eq!(logged_since(&*store, 1).await, [suspended, resumed]);
}

pub async fn a_removed_account_leaves_only_its_audit(store: Arc<dyn Store>) {
    let alice = Account { aliases: vec![login("al@example.org")], ..account("alice@example.org") };
    let bob = account("bob@example.org");
    add(&*store, &bob).await;
    let offer = SetUpOffer { digest: digest("set-up"), expires: used("imap", 900).at };
    let new = NewAccount { account: alice.clone(), recovery: vec![digest("code")], set_up: Some(offer) };
    assert_eq!(store.add_account(&new, &added(&alice)).await.unwrap(), Added::Done);
    let (laptop, bobs) = (app_password(&alice, "Laptop"), app_password(&bob, "Phone"));
    issue(&*store, &alice, &laptop).await;
    issue(&*store, &bob, &bobs).await;
    store.record_uses(&[(laptop.id, used("imap", 500))]).await.unwrap();
    let refused = Refused {
        account: Some(alice.id),
        app_password: Some(laptop.id),
        door: Arc::from("imap"),
        reason: Reason::Scope,
        from: [192, 0, 2, 1].into(),
        at: used("imap", 600).at,
        count: 3,
    };
    store.record_refusals(std::slice::from_ref(&refused)).await.unwrap();
    let before = log(&*store).await;

    let entry = by_admin(&alice, 10, Event::AccountRemoved { login: alice.login.to_string() });
    assert!(store.remove_account(alice.id, &entry).await.unwrap());
    assert!(!store.remove_account(alice.id, &entry).await.unwrap());

    assert_eq!(store.account(alice.id).await.unwrap(), None);
    assert_eq!(store.account_by_login(&login("al@example.org")).await.unwrap(), None);
    assert_eq!(store.accounts().await.unwrap(), std::slice::from_ref(&bob));
    assert_eq!(store.app_password_by_digest(&digest("Laptop")).await.unwrap(), None);
    assert!(store.app_password(laptop.id).await.unwrap().is_none());
    assert!(store.app_passwords(alice.id).await.unwrap().is_empty());
    assert_eq!(store.refusals(alice.id, alice.created).await.unwrap(), []);
    assert_eq!(store.recovery_codes_left(alice.id).await.unwrap(), 0);
    assert!(!store.set_up_is_open(alice.id, &digest("set-up"), alice.created).await.unwrap());
    assert_eq!(store.app_password_by_digest(&digest("Phone")).await.unwrap(), Some(bobs));
    assert_eq!(log(&*store).await, [&before[..], &[entry]].concat());
    assert_eq!(store.newest().await.unwrap(), Some(refused.at), "the time it was seen at stays");

    // What comes late for it is dropped; the login is free, and begins anew.
    store.record_uses(&[(laptop.id, used("imap", 700))]).await.unwrap();
    store.record_refusals(&[refused]).await.unwrap();
    let again = Account { id: account("another@example.org").id, second_factor: None, ..alice };
    add(&*store, &again).await;
    assert!(store.app_passwords(again.id).await.unwrap().is_empty());
    assert_eq!(store.refusals(again.id, again.created).await.unwrap(), []);
    assert_eq!(store.recovery_codes_left(again.id).await.unwrap(), 0);
}

pub async fn a_second_factor_is_enrolled_where_there_is_none(store: Arc<dyn Store>) {
    let alice = Account { second_factor: None, ..account("alice@example.org") };
    add(&*store, &alice).await;
    let entry = by_admin(&alice, 5, Event::SecondFactorEnrolled);
    let first = second_factor(3);
    let codes = [digest("one"), digest("two")];
    assert!(store.enrol(alice.id, &first, &codes, &entry).await.unwrap());
    let mut other = second_factor(9);
    other.seed = SealedSeed(Box::new([1; 60]));
    assert!(!store.enrol(alice.id, &other, &[digest("three")], &entry).await.unwrap());
    assert!(!store.enrol(account("nobody@example.org").id, &other, &[], &entry).await.unwrap());
    let expected = Account { second_factor: Some(first), epoch: 1, ..alice };
    assert_eq!(store.account(expected.id).await.unwrap().as_ref(), Some(&expected));
    assert_eq!(store.recovery_codes_left(expected.id).await.unwrap(), 2);
    assert_eq!(logged_since(&*store, 1).await, [entry]);
}
