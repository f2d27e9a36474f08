//! Factors are replaced, reset, set up and spent.

use std::{sync::Arc, time::Duration};

use authority::{Account, ChosenBy, Event, Primary, SealedSeed, SecondFactor};
use keeper::{Added, Digest, Factors, NewAccount, Resealed, SetUpOffer, Spent, Store};

use super::{add, added, first_use, first_used, issue, log, logged_since, revoked};
use crate::{account, app_password, by_admin, digest, primary, second_factor, used};

/// One of each: active, waiting, over in three ways, revoked. The ids of the
/// first two, which are alive ten seconds on.
async fn of_each_state(store: &dyn Store, alice: &Account) -> [authority::AppPasswordId; 2] {
    let active = app_password(alice, "active");
    let waiting = app_password(alice, "waiting");
    let mut not_used_in_time = app_password(alice, "not used in time");
    not_used_in_time.use_by = used("", 10).at;
    let mut expired = app_password(alice, "expired");
    expired.expires = Some(used("", 10).at);
    let gone = app_password(alice, "revoked");
    for password in [&active, &waiting, &not_used_in_time, &expired, &gone] {
        issue(store, alice, password).await;
    }
    assert!(first_use(store, active.id, &used("imap", 1), &first_used(alice, &active, 1)).await);
    assert!(first_use(store, expired.id, &used("imap", 1), &first_used(alice, &expired, 1)).await);
    assert!(store.revoke(alice.id, gone.id, &revoked(alice, &gone, 2)).await.unwrap());
    [active.id, waiting.id]
}

/// All that were alive at ten seconds were revoked then, with a line each behind `entry`.
async fn ended_at_ten(
    store: &dyn Store,
    alice: &Account,
    mut ids: Vec<authority::AppPasswordId>,
    alive: [authority::AppPasswordId; 2],
    (entry, known): (&authority::Entry, usize),
) {
    let mut lines = logged_since(store, known).await;
    assert_eq!(lines.remove(0), *entry);
    assert_eq!(lines, ids.iter().map(|&id| entry.also(Event::AppPasswordRevoked { id })).collect::<Vec<_>>());
    let mut alive = alive.to_vec();
    alive.sort();
    ids.sort();
    assert_eq!(ids, alive);
    for one in store.app_passwords(alice.id).await.unwrap() {
        let expected = match one.password.label.as_str() {
            "active" | "waiting" => Some(used("", 10).at),
            "revoked" => Some(used("", 2).at),
            _ => None,
        };
        assert_eq!(one.password.revoked, expected, "{}", one.password.label);
    }
}

pub async fn a_new_primary_password_revokes_what_is_alive(store: Arc<dyn Store>) {
    let (alice, bob) = (account("alice@example.org"), account("bob@example.org"));
    add(&*store, &alice).await;
    add(&*store, &bob).await;
    let bobs = app_password(&bob, "Phone");
    issue(&*store, &bob, &bobs).await;
    let alive = of_each_state(&*store, &alice).await;
    let known = log(&*store).await.len();

    let entry = by_admin(&alice, 10, Event::PrimaryPasswordChanged);
    let primary = primary("$argon2id$another");
    let ids = store.change_primary(alice.id, 0, &primary, &entry).await.unwrap().unwrap();
    ended_at_ten(&*store, &alice, ids, alive, (&entry, known)).await;
    let expected = Account { primary: Some(primary.clone()), epoch: 1, ..alice };
    assert_eq!(store.account(expected.id).await.unwrap().as_ref(), Some(&expected));
    assert_eq!(store.app_password_by_digest(&digest("Phone")).await.unwrap(), Some(bobs));

    // Nothing to revoke: still a change.
    let known = log(&*store).await.len();
    assert_eq!(store.change_primary(expected.id, 1, &primary, &entry).await.unwrap(), Some(vec![]));
    assert_eq!(logged_since(&*store, known).await, std::slice::from_ref(&entry));
    let nobody = account("nobody@example.org");
    assert_eq!(store.change_primary(nobody.id, 0, &primary, &entry).await.unwrap(), None);
    assert_eq!(log(&*store).await.len(), known + 1);
}

pub async fn who_signed_in_before_a_reset_changes_no_factor_after_it(store: Arc<dyn Store>) {
    let alice = account("alice@example.org");
    add(&*store, &alice).await;
    let offer = SetUpOffer { digest: digest("code"), expires: used("", 100).at };
    assert!(store.reset(alice.id, &offer, &by_admin(&alice, 1, Event::AccountReset)).await.unwrap().is_some());
    let set_up = by_admin(&alice, 2, Event::AccountSetUp);
    assert!(store.set_up(alice.id, &offer.digest, &factors(), &set_up).await.unwrap());
    let expected = store.account(alice.id).await.unwrap();
    let known = log(&*store).await.len();

    let late = by_admin(&alice, 3, Event::PrimaryPasswordChanged);
    for epoch in [0, 1, 3] {
        assert_eq!(store.change_primary(alice.id, epoch, &primary("late"), &late).await.unwrap(), None);
        let codes = [digest("late")];
        assert!(!store.replace_second_factor(alice.id, epoch, &second_factor(9), &codes, &late).await.unwrap());
    }
    assert_eq!(store.account(alice.id).await.unwrap(), expected);
    assert_eq!(store.recovery_codes_left(alice.id).await.unwrap(), factors().recovery.len());
    assert_eq!(log(&*store).await.len(), known);
}

pub async fn who_chose_a_factor_is_kept_with_it(store: Arc<dyn Store>) {
    let primary_given = Primary { chosen_by: ChosenBy::Administrator, ..primary("given") };
    let factor_given = SecondFactor { chosen_by: ChosenBy::Administrator, ..second_factor(0) };
    let with = |primary: &Primary, factor: &SecondFactor, epoch| Account {
        primary: Some(primary.clone()),
        second_factor: Some(factor.clone()),
        epoch,
        ..account("alice@example.org")
    };
    let given = with(&primary_given, &factor_given, 0);
    add(&*store, &given).await;
    assert_eq!(store.account(given.id).await.unwrap().as_ref(), Some(&given));

    let entry = by_admin(&given, 1, Event::PrimaryPasswordChanged);
    assert!(store.change_primary(given.id, 0, &primary("own"), &entry).await.unwrap().is_some());
    assert_eq!(store.account(given.id).await.unwrap(), Some(with(&primary("own"), &factor_given, 1)));

    let entry = by_admin(&given, 2, Event::SecondFactorReplaced);
    assert!(store.replace_second_factor(given.id, 1, &second_factor(4), &[], &entry).await.unwrap());
    assert_eq!(store.account(given.id).await.unwrap(), Some(with(&primary("own"), &second_factor(4), 2)));
}

pub async fn a_second_factor_takes_the_place_of_another(store: Arc<dyn Store>) {
    let (alice, bob) = (account("alice@example.org"), account("bob@example.org"));
    let none = Account { second_factor: None, ..account("carol@example.org") };
    with_codes(&*store, &alice, &["one", "two"]).await;
    with_codes(&*store, &bob, &["three"]).await;
    add(&*store, &none).await;
    let password = app_password(&alice, "Phone");
    issue(&*store, &alice, &password).await;
    let known = log(&*store).await.len();

    let entry = by_admin(&alice, 5, Event::SecondFactorReplaced);
    let another = SecondFactor { seed: SealedSeed(Box::new([1; 60])), ..second_factor(7) };
    let codes = [digest("four")];
    for nobody in [&none, &account("nobody@example.org")] {
        assert!(!store.replace_second_factor(nobody.id, 0, &another, &codes, &entry).await.unwrap());
    }
    assert!(store.replace_second_factor(alice.id, 0, &another, &codes, &entry).await.unwrap());
    let expected = Account { second_factor: Some(another), epoch: 1, ..alice };
    assert_eq!(store.account(expected.id).await.unwrap().as_ref(), Some(&expected));
    assert_eq!(store.account(none.id).await.unwrap(), Some(none));
    assert_eq!(store.app_password_by_digest(&digest("Phone")).await.unwrap(), Some(password), "app passwords go on");
    assert_eq!(logged_since(&*store, known).await, [entry]);

    let used = by_admin(&expected, 6, Event::RecoveryCodeUsed);
    for (code, good) in [("one", false), ("two", false), ("four", true)] {
        let spent = Spent::RecoveryCode(digest(code));
        assert_eq!(store.spend(expected.id, spent, &used).await.unwrap(), good, "{code}");
    }
    assert_eq!(store.recovery_codes_left(bob.id).await.unwrap(), 1);
}

pub async fn a_reset_takes_all_factors_away(store: Arc<dyn Store>) {
    let alice = account("alice@example.org");
    let expires = alice.created.plus(Duration::from_secs(86400));
    let [old, new] = ["old", "new"].map(|code| SetUpOffer { digest: digest(code), expires });
    let adding = NewAccount { account: alice.clone(), recovery: vec![digest("code")], set_up: Some(old) };
    assert_eq!(store.add_account(&adding, &added(&alice)).await.unwrap(), Added::Done);
    let alive = of_each_state(&*store, &alice).await;
    let known = log(&*store).await.len();

    let entry = by_admin(&alice, 10, Event::AccountReset);
    let ids = store.reset(alice.id, &new, &entry).await.unwrap().unwrap();
    ended_at_ten(&*store, &alice, ids, alive, (&entry, known)).await;
    let expected = Account { primary: None, second_factor: None, epoch: 1, ..alice };
    assert_eq!(store.account(expected.id).await.unwrap().as_ref(), Some(&expected));
    assert_eq!(store.recovery_codes_left(expected.id).await.unwrap(), 0);
    let now = entry.at;
    assert!(!store.set_up_is_open(expected.id, &old.digest, now).await.unwrap(), "an old code still opens");
    assert!(store.set_up_is_open(expected.id, &new.digest, now).await.unwrap());
    let spent = Spent::RecoveryCode(digest("code"));
    assert!(!store.spend(expected.id, spent, &by_admin(&expected, 11, Event::RecoveryCodeUsed)).await.unwrap());

    let known = log(&*store).await.len();
    assert_eq!(store.reset(account("nobody@example.org").id, &new, &entry).await.unwrap(), None);
    assert_eq!(log(&*store).await.len(), known);
}

pub async fn a_set_up_code_works_once_and_in_time(store: Arc<dyn Store>) {
    let alice = Account { primary: None, second_factor: None, ..account("alice@example.org") };
    let bob = account("bob@example.org");
    add(&*store, &bob).await;
    let offer = SetUpOffer { digest: digest("code"), expires: used("", 100).at };
    let new = NewAccount { account: alice.clone(), recovery: vec![], set_up: Some(offer) };
    assert_eq!(store.add_account(&new, &added(&alice)).await.unwrap(), Added::Done);
    let known = log(&*store).await.len();

    let good = offer.digest;
    for (account, digest, at, open) in [
        (&alice, good, 99, true),
        (&alice, good, 100, false),
        (&alice, digest("guess"), 99, false),
        (&bob, good, 99, false),
    ] {
        assert_eq!(store.set_up_is_open(account.id, &digest, used("", at).at).await.unwrap(), open);
        if !open {
            let entry = by_admin(account, at, Event::AccountSetUp);
            assert!(!store.set_up(account.id, &digest, &factors(), &entry).await.unwrap());
        }
    }
    assert_eq!(store.account(alice.id).await.unwrap().as_ref(), Some(&alice));
    assert_eq!(store.account(bob.id).await.unwrap().as_ref(), Some(&bob));
    assert_eq!(log(&*store).await.len(), known);

    let entry = by_admin(&alice, 99, Event::AccountSetUp);
    assert!(store.set_up(alice.id, &good, &factors(), &entry).await.unwrap());
    assert!(!store.set_up(alice.id, &good, &factors(), &entry).await.unwrap());
    assert!(!store.set_up_is_open(alice.id, &good, used("", 50).at).await.unwrap());
    let Factors { primary, second_factor, recovery } = factors();
    let expected = Account { primary: Some(primary), second_factor: Some(second_factor), epoch: 1, ..alice };
    assert_eq!(store.account(expected.id).await.unwrap().as_ref(), Some(&expected));
    assert_eq!(store.recovery_codes_left(expected.id).await.unwrap(), recovery.len());
    assert_eq!(logged_since(&*store, known).await, [entry]);
}

fn factors() -> Factors {
    Factors {
        primary: primary("$argon2id$chosen"),
        second_factor: second_factor(5),
        recovery: ["one", "two", "three"].map(digest).to_vec(),
    }
}

pub async fn a_totp_step_is_spent_with_all_before_it(store: Arc<dyn Store>) {
    let alice = Account { second_factor: Some(second_factor(10)), ..account("alice@example.org") };
    let bob = Account { second_factor: None, ..account("bob@example.org") };
    add(&*store, &alice).await;
    add(&*store, &bob).await;
    let entry = by_admin(&alice, 1, Event::PortalSignIn);
    for (account, step, fresh) in
        [(&alice, 10, false), (&alice, 12, true), (&alice, 12, false), (&alice, 11, false), (&bob, 13, false)]
    {
        assert_eq!(store.spend(account.id, Spent::Step(step), &entry).await.unwrap(), fresh, "{step}");
    }
    let expected = Account { second_factor: Some(second_factor(12)), ..alice };
    assert_eq!(store.account(expected.id).await.unwrap().as_ref(), Some(&expected), "only the step moves");
    assert_eq!(store.account(bob.id).await.unwrap(), Some(bob));
    assert_eq!(logged_since(&*store, 2).await, [entry]);
}

pub async fn a_recovery_code_is_spent_once(store: Arc<dyn Store>) {
    let (alice, bob) = (account("alice@example.org"), account("bob@example.org"));
    with_codes(&*store, &alice, &["one", "two"]).await;
    with_codes(&*store, &bob, &["three"]).await;
    let entry = by_admin(&alice, 1, Event::RecoveryCodeUsed);
    for (code, good) in [("three", false), ("one", true), ("one", false), ("four", false)] {
        let spent = Spent::RecoveryCode(digest(code));
        assert_eq!(store.spend(alice.id, spent, &entry).await.unwrap(), good, "{code}");
    }
    assert_eq!(store.recovery_codes_left(alice.id).await.unwrap(), 1);
    assert_eq!(store.recovery_codes_left(bob.id).await.unwrap(), 1);
    assert_eq!(logged_since(&*store, 2).await, [entry]);
}

pub async fn new_recovery_codes_replace_the_old(store: Arc<dyn Store>) {
    let alice = account("alice@example.org");
    with_codes(&*store, &alice, &["one", "two"]).await;
    let entry = by_admin(&alice, 1, Event::RecoveryCodesRenewed);
    let new = ["two", "three", "four"].map(digest);
    assert!(store.renew_recovery_codes(alice.id, &new, &entry).await.unwrap());
    assert!(!store.renew_recovery_codes(account("nobody@example.org").id, &new, &entry).await.unwrap());
    assert_eq!(store.recovery_codes_left(alice.id).await.unwrap(), 3);
    assert_eq!(logged_since(&*store, 1).await, [entry]);
    let used = by_admin(&alice, 2, Event::RecoveryCodeUsed);
    assert!(!store.spend(alice.id, Spent::RecoveryCode(digest("one")), &used).await.unwrap());
    assert!(store.spend(alice.id, Spent::RecoveryCode(digest("three")), &used).await.unwrap());
}

pub async fn recovery_codes_are_voided_by_their_digests(store: Arc<dyn Store>) {
    let (alice, bob) = (account("alice@example.org"), account("bob@example.org"));
    with_codes(&*store, &alice, &["one", "two", "three"]).await;
    with_codes(&*store, &bob, &["four"]).await;
    let mut expected = ["one", "two", "three"].map(digest);
    expected.sort_by_key(|digest| digest.0);
    assert_eq!(store.recovery_codes(alice.id).await.unwrap(), expected);
    assert_eq!(store.recovery_codes(account("nobody@example.org").id).await.unwrap(), []);

    let entry = by_admin(&alice, 1, Event::RecoveryCodesVoided);
    // One of them is spent by then, one is somebody else's.
    let codes = ["one", "two", "spent", "four"].map(digest);
    assert!(store.void_recovery_codes(alice.id, &codes, &entry).await.unwrap());
    assert!(!store.void_recovery_codes(alice.id, &codes, &entry).await.unwrap(), "once");
    assert_eq!(store.recovery_codes(alice.id).await.unwrap(), [digest("three")]);
    assert_eq!(store.recovery_codes(bob.id).await.unwrap(), [digest("four")]);
    assert_eq!(logged_since(&*store, 2).await, [entry]);
}

pub async fn secrets_are_voided_with_all_that_stands_on_them(store: Arc<dyn Store>) {
    let (alice, bob) = (account("alice@example.org"), account("bob@example.org"));
    let offer = SetUpOffer { digest: digest("offer"), expires: used("", 100).at };
    let adding = NewAccount { account: alice.clone(), recovery: vec![digest("code")], set_up: Some(offer) };
    assert_eq!(store.add_account(&adding, &added(&alice)).await.unwrap(), Added::Done);
    with_codes(&*store, &bob, &["three"]).await;
    issue(&*store, &bob, &app_password(&bob, "Phone")).await;
    let alive = of_each_state(&*store, &alice).await;
    let known = log(&*store).await.len();

    let entry = by_admin(&alice, 10, Event::SecretsVoided);
    let sealed_anew = resealed(&alice, 1);
    let ids = store.void_secrets(alice.id, Some(&sealed_anew), &entry).await.unwrap().unwrap();
    ended_at_ten(&*store, &alice, ids, alive, (&entry, known)).await;
    let factor = SecondFactor { seed: sealed_anew.now.clone(), chosen_by: ChosenBy::Administrator, ..second_factor(0) };
    let expected = Account { second_factor: Some(factor), epoch: 1, ..alice };
    assert_eq!(store.account(expected.id).await.unwrap().as_ref(), Some(&expected));
    assert_eq!(store.recovery_codes_left(expected.id).await.unwrap(), 0);
    assert!(!store.set_up_is_open(expected.id, &offer.digest, used("", 10).at).await.unwrap());

    // The seed is another by now: that one stays, and all else is void as well.
    assert_eq!(store.void_secrets(expected.id, Some(&sealed_anew), &entry).await.unwrap(), Some(vec![]));
    assert_eq!(store.void_secrets(expected.id, None, &entry).await.unwrap(), Some(vec![]));
    let expected = Account { epoch: 3, ..expected };
    assert_eq!(store.account(expected.id).await.unwrap().as_ref(), Some(&expected));

    let known = log(&*store).await.len();
    assert_eq!(store.void_secrets(account("nobody@example.org").id, None, &entry).await.unwrap(), None);
    assert_eq!(log(&*store).await.len(), known);
    assert_eq!(store.account(bob.id).await.unwrap(), Some(bob.clone()), "nobody else's");
    assert_eq!(store.recovery_codes_left(bob.id).await.unwrap(), 1);
    assert_eq!(store.app_password_by_digest(&digest("Phone")).await.unwrap().unwrap().revoked, None);
}

pub async fn a_seed_is_sealed_anew_unless_it_has_changed(store: Arc<dyn Store>) {
    let [alice, bob] = ["alice@example.org", "bob@example.org"].map(account);
    let none = Account { second_factor: None, ..account("carol@example.org") };
    for account in [&alice, &bob, &none] {
        add(&*store, account).await;
    }
    let known = log(&*store).await.len();
    assert_eq!(store.reseal(&[]).await.unwrap(), 0);
    let stale = Resealed { was: SealedSeed(Box::new([9; 60])), ..resealed(&bob, 1) };
    let nobody = resealed(&account("nobody@example.org"), 1);
    let all = [resealed(&alice, 1), stale, resealed(&none, 1), nobody];
    assert_eq!(store.reseal(&all).await.unwrap(), 1);
    assert_eq!(store.reseal(&all).await.unwrap(), 0, "once");
    let factor = SecondFactor { seed: all[0].now.clone(), ..second_factor(0) };
    let expected = Account { second_factor: Some(factor), ..alice };
    assert_eq!(store.account(expected.id).await.unwrap(), Some(expected));
    for untouched in [bob, none] {
        assert_eq!(store.account(untouched.id).await.unwrap(), Some(untouched));
    }
    assert_eq!(log(&*store).await.len(), known, "routine");
}

/// The seed of a fixture, sealed as these bytes.
fn resealed(account: &Account, byte: u8) -> Resealed {
    Resealed { account: account.id, was: second_factor(0).seed, now: SealedSeed(Box::new([byte; 60])) }
}

async fn with_codes(store: &dyn Store, account: &Account, codes: &[&str]) {
    let recovery: Vec<Digest> = codes.iter().map(|code| digest(code)).collect();
    let new = NewAccount { account: account.clone(), recovery, set_up: None };
    assert_eq!(store.add_account(&new, &added(account)).await.unwrap(), Added::Done);
}
