//! A database that is older than the file of revocations beside it. Shared by
//! the tests of both kinds of store, each with a `Site` of its own.

use std::fs::OpenOptions;

use authority::{Account, AppPassword, Event, Standing, audit::Verifier};
use keeper::{Added, Issued, NewAccount, SetUpOffer, Spent, Store};
use store::IfLost;
use testkit::{account, app_password, by_admin, contract, digest, primary, second_factor, used};

use super::Site;

const RECORD: u64 = 32;

async fn verified(store: &dyn Store) -> String {
    let key = contract::key();
    let mut verifier = Verifier::new(&key);
    let lines = store.audit(0, usize::MAX).await.unwrap();
    lines.iter().for_each(|line| verifier.check(line).unwrap());
    lines.iter().map(|line| format!("{}\n", line.text)).collect()
}

async fn added(store: &dyn Store, login: &str) -> Account {
    let account = account(login);
    let new = NewAccount { account: account.clone(), recovery: ["one", "two"].map(digest).to_vec(), set_up: None };
    let event = Event::AccountAdded { login: login.into(), factors: authority::audit::FactorsBy::Owner };
    assert_eq!(store.add_account(&new, &by_admin(&account, 0, event)).await.unwrap(), Added::Done);
    account
}

async fn issued(store: &dyn Store, account: &Account, label: &str) -> AppPassword {
    let password = app_password(account, label);
    let event = Event::SessionsEnded { count: 0 };
    let digest = digest(&format!("{} {label}", account.login));
    let outcome = store.issue(&password, &digest, 25, &by_admin(account, 1, event)).await.unwrap();
    assert_eq!(outcome, Issued::Done);
    password
}

#[tokio::test]
async fn a_restored_database_re_opens_nothing() {
    let site = Site::new();
    let store = site.open(1).await;
    let mut accounts = vec![];
    for name in ["kept", "revoked", "suspended", "changed", "replaced", "reset", "removed", "spent", "renewed"] {
        let account = added(&*store, &format!("{name}@example.org")).await;
        issued(&*store, &account, "Phone").await;
        accounts.push(account);
    }
    let [kept, revoked, suspended, changed, replaced, reset, removed, spent, renewed] = &accounts[..] else { panic!() };
    let before = store.app_passwords(revoked.id).await.unwrap().remove(0).password;
    drop(store);
    let backup = site.copy();

    let store = site.open(2).await;
    let by = |account: &Account, event| by_admin(account, 5, event);
    let revocation = by(revoked, Event::AppPasswordRevoked { id: before.id });
    assert!(store.revoke(revoked.id, before.id, &revocation).await.unwrap());
    let entry = by(suspended, Event::AccountSuspended);
    assert!(store.set_standing(suspended.id, Standing::Suspended, &entry).await.unwrap());
    let entry = by(changed, Event::PrimaryPasswordChanged);
    assert!(store.change_primary(changed.id, 0, &primary("new"), &entry).await.unwrap().is_some());
    let entry = by(replaced, Event::SecondFactorReplaced);
    assert!(store.replace_second_factor(replaced.id, 0, &second_factor(7), &[], &entry).await.unwrap());
    let offer = SetUpOffer { digest: digest("code"), expires: used("", 100).at };
    assert!(store.reset(reset.id, &offer, &by(reset, Event::AccountReset)).await.unwrap().is_some());
    let gone = by(removed, Event::AccountRemoved { login: removed.login.to_string() });
    assert!(store.remove_account(removed.id, &gone).await.unwrap());
    let used_code = by(spent, Event::RecoveryCodeUsed);
    assert!(store.spend(spent.id, Spent::RecoveryCode(digest("one")), &used_code).await.unwrap());
    let entry = by(renewed, Event::RecoveryCodesRenewed);
    assert!(store.renew_recovery_codes(renewed.id, &[digest("three")], &entry).await.unwrap());
    drop(store);

    let site = site.restore(backup);
    for round in 3..5 {
        let store = site.open(round).await;
        for account in &accounts {
            let restored = store.account(account.id).await.unwrap().unwrap();
            let stands = [kept, revoked, spent, renewed].contains(&account);
            let expected = if stands { Standing::Active } else { Standing::Suspended };
            assert_eq!(restored.standing, expected, "{}", account.login);
        }
        let living = async |account: &Account| {
            let all = store.app_passwords(account.id).await.unwrap();
            all.into_iter().filter(|one| one.password.revoked.is_none()).count()
        };
        assert_eq!((living(kept).await, living(revoked).await), (1, 0));
        assert!(!store.spend(spent.id, Spent::RecoveryCode(digest("one")), &used_code).await.unwrap(), "spent twice");
        assert_eq!(store.recovery_codes_left(spent.id).await.unwrap(), 1);
        assert_eq!(store.recovery_codes_left(renewed.id).await.unwrap(), 0);
        // Told once, however often it is started after that.
        assert_eq!(verified(&*store).await.matches("backup-restored").count(), 1);
    }
}

#[tokio::test]
async fn a_torn_record_and_one_that_was_not_written_are_mended() {
    let site = Site::new();
    let store = site.open(1).await;
    let alice = added(&*store, "alice@example.org").await;
    let [first, last] = [issued(&*store, &alice, "first").await, issued(&*store, &alice, "last").await];
    for (secs, password) in (5..).zip([&first, &last]) {
        let entry = by_admin(&alice, secs, Event::AppPasswordRevoked { id: password.id });
        assert!(store.revoke(alice.id, password.id, &entry).await.unwrap());
    }
    drop(store);
    let path = site.folder().join("revocations");
    let length = path.metadata().unwrap().len();
    assert_eq!(length, 3 * RECORD);
    let whole = std::fs::read(&path).unwrap();
    // A crash before the last record was written, while it was, and one that left rubbish behind it.
    for (round, left) in (2..).zip([2 * RECORD, 2 * RECORD + 9, length + 9]) {
        if left < length {
            OpenOptions::new().write(true).open(&path).unwrap().set_len(left).unwrap();
        } else {
            std::fs::write(&path, [&whole[..], &[0; 9]].concat()).unwrap();
        }
        let store = site.open(round).await;
        assert!(!verified(&*store).await.contains("backup-restored"), "{left}");
        drop(store);
        assert_eq!(std::fs::read(&path).unwrap(), whole, "{left}");
    }
}

#[tokio::test]
async fn without_the_file_nothing_is_opened_until_somebody_says_so() {
    let site = Site::new();
    let store = site.open(1).await;
    let alice = added(&*store, "alice@example.org").await;
    for label in ["one", "two", "three"] {
        let password = issued(&*store, &alice, label).await;
        let entry = by_admin(&alice, 5, Event::AppPasswordRevoked { id: password.id });
        assert!(store.revoke(alice.id, password.id, &entry).await.unwrap());
    }
    drop(store);
    let path = site.folder().join("revocations");
    let whole = std::fs::read(&path).unwrap();
    for cut in [None, Some(0), Some(RECORD), Some(2 * RECORD)] {
        match cut {
            None => std::fs::remove_file(&path).unwrap(),
            Some(length) => std::fs::write(&path, &whole[..usize::try_from(length).unwrap()]).unwrap(),
        }
        let error = site.refused(2).await;
        let told = error.contains("revocations is missing or cut short") || error.contains("belongs to another site");
        assert!(told, "{cut:?}: {error}");
        assert!(!path.exists() || path.metadata().unwrap().len() == cut.unwrap_or(0), "{cut:?}: it was changed");
        let _ = std::fs::remove_file(&path);
    }
    let store = site.open_if_lost(3, IfLost::BeginAnew).await;
    assert_eq!(store.account(alice.id).await.unwrap().unwrap().standing, Standing::Suspended);
    assert!(verified(&*store).await.contains("all-accounts-suspended"));
    drop(store);
    // From then on it is whole.
    let store = site.open(4).await;
    assert_eq!(store.account(alice.id).await.unwrap().unwrap().standing, Standing::Suspended);
}
