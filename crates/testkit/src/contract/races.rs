//! What holds when many come at once.

use std::{future::Future, sync::Arc};

use authority::{Account, Event};
use keeper::{Added, Factors, Issued, NewAccount, SetUpOffer, Spent, Store};

use super::{add, added, first_use, first_used, issue, issued, log, logged_since, revoked};
use crate::{account, app_password, by_admin, digest, login, new_account, primary, second_factor, used};

/// Starts them all, then waits for all; what they returned, in their order.
async fn at_once<T, F>(count: usize, act: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let start = Arc::new(tokio::sync::Barrier::new(count));
    let tasks: Vec<_> = (0..count)
        .map(|i| {
            let (start, act) = (start.clone(), act(i));
            tokio::spawn(async move {
                start.wait().await;
                act.await
            })
        })
        .collect();
    let mut returned = vec![];
    for task in tasks {
        returned.push(task.await.unwrap());
    }
    returned
}

fn count<T: PartialEq>(of: &[T], what: &T) -> usize {
    of.iter().filter(|one| *one == what).count()
}

pub async fn sixty_four_at_once_stay_within_the_limit(store: Arc<dyn Store>) {
    let alice = account("alice@example.org");
    add(&*store, &alice).await;
    let outcomes = at_once(64, |i| {
        let (store, alice) = (store.clone(), alice.clone());
        async move {
            let password = app_password(&alice, &format!("number {i}"));
            store.issue(&password, &digest(password.label.as_str()), 25, &issued(&alice, &password)).await.unwrap()
        }
    })
    .await;
    assert_eq!(count(&outcomes, &Issued::Done), 25);
    assert_eq!(count(&outcomes, &Issued::LimitReached), 39);
    assert_eq!(store.app_passwords(alice.id).await.unwrap().len(), 25);
    assert_eq!(logged_since(&*store, 1).await.len(), 25);
}

pub async fn of_many_revocations_one_is_the_first(store: Arc<dyn Store>) {
    let alice = account("alice@example.org");
    add(&*store, &alice).await;
    let laptop = app_password(&alice, "Laptop");
    issue(&*store, &alice, &laptop).await;
    let outcomes = at_once(16, |i| {
        let (store, id) = (store.clone(), laptop.id);
        let entry = revoked(&alice, &laptop, i as u64);
        async move { store.revoke(entry.account.unwrap(), id, &entry).await.unwrap() }
    })
    .await;
    assert_eq!(count(&outcomes, &true), 1);
    let first = outcomes.iter().position(|first| *first).unwrap() as u64;
    assert_eq!(logged_since(&*store, 2).await, [revoked(&alice, &laptop, first)]);
    let kept = store.app_password(laptop.id).await.unwrap().unwrap().password;
    assert_eq!(kept.revoked, Some(used("", first).at));
}

pub async fn a_first_use_and_a_revocation_agree_on_who_came_first(store: Arc<dyn Store>) {
    let alice = account("alice@example.org");
    add(&*store, &alice).await;
    for round in 0..24 {
        let password = app_password(&alice, &format!("round {round}"));
        issue(&*store, &alice, &password).await;
        let known = log(&*store).await.len();
        let outcomes = at_once(2, |which| {
            let (store, alice, password) = (store.clone(), alice.clone(), password.clone());
            async move {
                if which == 0 {
                    let entry = first_used(&alice, &password, 1);
                    first_use(&*store, password.id, &used("imap", 1), &entry).await
                } else {
                    store.revoke(alice.id, password.id, &revoked(&alice, &password, 1)).await.unwrap()
                }
            }
        })
        .await;
        let [was_used, was_revoked] = outcomes[..] else { unreachable!("two were started") };
        assert!(was_revoked);
        let kept = store.app_password(password.id).await.unwrap().unwrap().password;
        assert_eq!((kept.revoked.is_some(), kept.first_used.is_some()), (true, was_used));
        let mut expected = vec![revoked(&alice, &password, 1)];
        if was_used {
            expected.insert(0, first_used(&alice, &password, 1));
        }
        assert_eq!(logged_since(&*store, known).await, expected);
    }
}

pub async fn a_code_shown_twice_at_once_is_taken_once(store: Arc<dyn Store>) {
    let alice = account("alice@example.org");
    let new = NewAccount { account: alice.clone(), recovery: vec![digest("code")], set_up: None };
    assert_eq!(store.add_account(&new, &added(&alice)).await.unwrap(), Added::Done);
    for (spent, event) in
        [(Spent::Step(17), Event::PortalSignIn), (Spent::RecoveryCode(digest("code")), Event::RecoveryCodeUsed)]
    {
        let known = log(&*store).await.len();
        let entry = by_admin(&alice, 1, event);
        let outcomes = at_once(16, |_| {
            let (store, id, entry) = (store.clone(), alice.id, entry.clone());
            async move { store.spend(id, spent, &entry).await.unwrap() }
        })
        .await;
        assert_eq!(count(&outcomes, &true), 1, "{spent:?}");
        assert_eq!(logged_since(&*store, known).await, [entry]);
    }
}

pub async fn a_login_wanted_by_many_goes_to_one(store: Arc<dyn Store>) {
    let wanted = login("wanted@example.org");
    let outcomes = at_once(16, |i| {
        let store = store.clone();
        // Half want it as their login, half as an alias.
        let mut one = account(&format!("a{i}@example.org"));
        if i % 2 == 0 {
            one.login = wanted.clone();
        } else {
            one.aliases = vec![wanted.clone()];
        }
        async move { store.add_account(&new_account(one.clone()), &added(&one)).await.unwrap() }
    })
    .await;
    assert_eq!(count(&outcomes, &Added::Done), 1);
    assert_eq!(count(&outcomes, &Added::LoginTaken(wanted)), 15);
    assert_eq!(store.accounts().await.unwrap().len(), 1);
    assert_eq!(log(&*store).await.len(), 1);
}

pub async fn factors_are_set_by_one_of_many(store: Arc<dyn Store>) {
    let alice = Account { primary: None, second_factor: None, ..account("alice@example.org") };
    let bob = Account { second_factor: None, ..account("bob@example.org") };
    let offer = SetUpOffer { digest: digest("code"), expires: used("", 100).at };
    let new = NewAccount { account: alice.clone(), recovery: vec![], set_up: Some(offer) };
    assert_eq!(store.add_account(&new, &added(&alice)).await.unwrap(), Added::Done);
    add(&*store, &bob).await;
    let outcomes = at_once(16, |i| {
        let (store, alice, bob) = (store.clone(), alice.clone(), bob.clone());
        async move {
            let (factor, code) = (second_factor(i as u64), digest(&i.to_string()));
            if i % 2 == 0 {
                let primary = primary(&i.to_string());
                let factors = Factors { primary, second_factor: factor, recovery: vec![code] };
                let entry = by_admin(&alice, 1, Event::AccountSetUp);
                store.set_up(alice.id, &offer.digest, &factors, &entry).await.unwrap()
            } else {
                let entry = by_admin(&bob, 1, Event::SecondFactorEnrolled);
                store.enrol(bob.id, &factor, &[code], &entry).await.unwrap()
            }
        }
    })
    .await;
    for (id, parity) in [(alice.id, 0), (bob.id, 1)] {
        let winners: Vec<_> = (0..16).filter(|i| i % 2 == parity && outcomes[*i]).collect();
        assert_eq!(winners.len(), 1);
        let kept = store.account(id).await.unwrap().unwrap();
        assert_eq!((kept.second_factor, kept.epoch), (Some(second_factor(winners[0] as u64)), 1));
        assert_eq!(store.recovery_codes_left(id).await.unwrap(), 1);
    }
    assert_eq!(log(&*store).await.len(), 4);
}

pub async fn nothing_survives_a_reset_that_raced_it(store: Arc<dyn Store>) {
    let alice = account("alice@example.org");
    add(&*store, &alice).await;
    let offer = SetUpOffer { digest: digest("code"), expires: used("", 100).at };
    let issued = at_once(32, |i| {
        let (store, alice) = (store.clone(), alice.clone());
        async move {
            if i == 16 {
                store.reset(alice.id, &offer, &by_admin(&alice, 1, Event::AccountReset)).await.unwrap().unwrap().len()
            } else {
                let password = app_password(&alice, &i.to_string());
                let entry = issued(&alice, &password);
                let outcome = store.issue(&password, &digest(&i.to_string()), 99, &entry).await.unwrap();
                assert_ne!(outcome, Issued::LimitReached);
                usize::from(outcome == Issued::Done)
            }
        }
    })
    .await;
    let listed = store.app_passwords(alice.id).await.unwrap();
    assert!(listed.iter().all(|one| one.password.revoked.is_some()), "one came in behind the reset");
    assert_eq!(listed.len(), issued[16], "all that were issued were revoked");
    assert_eq!(issued.iter().sum::<usize>(), 2 * issued[16]);
}
