//! Notices: made with their lines, sent once, bounded, dismissed by their owner.

use std::{sync::Arc, time::Duration};

use authority::{
    Account, AppPassword, Event,
    notice::{DAY, GIVEN_UP_AFTER, KEPT, Kind, MOST_MAILS},
};
use keeper::{Notice, Store};

use super::{add, first_use, first_used, issue, issued, log, revoked};
use crate::{account, app_password, by_admin, digest, used};

const ALL: usize = usize::MAX;

fn kinds(notices: &[Notice]) -> Vec<Kind> {
    notices.iter().map(|notice| notice.kind).collect()
}

/// Another app tries this password, so many seconds after fixtures are made.
async fn tried(store: &dyn Store, account: &Account, password: &AppPassword, secs: u64) {
    let event = Event::AppLockRefused { id: password.id, app: None, door: "imap".into() };
    store.record(&by_admin(account, secs, event)).await.unwrap();
}

/// Due so many seconds after fixtures are made.
async fn due(store: &dyn Store, secs: u64) -> Vec<Notice> {
    store.due_notices(used("", secs).at, ALL).await.unwrap()
}

pub async fn owners_are_told_with_the_line_that_says_it(store: Arc<dyn Store>) {
    let (alice, bob) = (account("alice@example.org"), account("bob@example.org"));
    add(&*store, &alice).await;
    add(&*store, &bob).await;
    let laptop = app_password(&alice, "Laptop");
    issue(&*store, &alice, &laptop).await;
    let over = store.issue(&laptop, &digest("over"), 0, &issued(&alice, &laptop)).await.unwrap();
    assert_eq!(over, keeper::Issued::LimitReached);
    assert!(first_use(&*store, laptop.id, &used("imap", 1), &first_used(&alice, &laptop, 1)).await);
    assert!(store.revoke(alice.id, laptop.id, &revoked(&alice, &laptop, 2)).await.unwrap());
    assert!(!store.revoke(alice.id, laptop.id, &revoked(&alice, &laptop, 3)).await.unwrap());
    store.record(&by_admin(&alice, 4, Event::PortalSignIn)).await.unwrap();
    store.record(&by_admin(&account("gone@example.org"), 4, Event::AccountReset)).await.unwrap();

    let told = store.notices_of(alice.id).await.unwrap();
    assert_eq!(kinds(&told), [Kind::Revoked, Kind::FirstUse, Kind::PasswordMade, Kind::FactorsGiven]);
    let lines = log(&*store).await;
    for notice in &told {
        assert_eq!(notice.account, alice.id);
        assert_eq!(lines[usize::try_from(notice.seq).unwrap() - 1], notice.entry);
        assert_eq!(Kind::about(&notice.entry), Some(notice.kind));
    }
    assert_eq!(kinds(&store.notices_of(bob.id).await.unwrap()), [Kind::FactorsGiven]);
    assert_eq!(store.notices_of(account("gone@example.org").id).await.unwrap(), []);
}

pub async fn one_act_is_one_notice(store: Arc<dyn Store>) {
    let alice = account("alice@example.org");
    add(&*store, &alice).await;
    for label in ["Laptop", "Phone", "Tablet"] {
        issue(&*store, &alice, &app_password(&alice, label)).await;
    }
    let known = store.notices_of(alice.id).await.unwrap().len();
    let all = by_admin(&alice, 5, Event::AllAppPasswordsRevoked);
    assert_eq!(store.revoke_all(alice.id, &all).await.unwrap().len(), 3);
    let told = store.notices_of(alice.id).await.unwrap();
    assert_eq!(kinds(&told[..told.len() - known]), [Kind::AllRevoked]);
}

pub async fn a_mail_is_due_until_it_is_settled(store: Arc<dyn Store>) {
    let alice = account("alice@example.org");
    add(&*store, &alice).await;
    let laptop = app_password(&alice, "Laptop");
    issue(&*store, &alice, &laptop).await;
    tried(&*store, &alice, &laptop, 10).await;
    assert_eq!(kinds(&due(&*store, 9).await), [Kind::FactorsGiven, Kind::PasswordMade]);
    let [given, made, refused] = &due(&*store, 10).await[..] else { unreachable!("three are due") };
    let first = store.due_notices(used("", 10).at, 1).await.unwrap();
    assert_eq!(first, std::slice::from_ref(given), "the oldest first");
    assert_eq!(store.notices_waiting().await.unwrap(), 3);

    store.notice_settled(alice.id, given.seq).await.unwrap();
    store.notice_failed(alice.id, made.seq, used("", 60).at).await.unwrap();
    assert_eq!(due(&*store, 59).await, std::slice::from_ref(refused));
    assert_eq!(due(&*store, 60).await, [refused.clone(), Notice { failures: 1, ..made.clone() }]);
    store.notice_failed(alice.id, made.seq, used("", 70).at).await.unwrap();
    assert_eq!(due(&*store, 70).await[1].failures, 2);
    // What is settled stays so, and another account's is not touched by its number.
    store.notice_failed(alice.id, given.seq, used("", 20).at).await.unwrap();
    store.notice_settled(account("bob@example.org").id, refused.seq).await.unwrap();
    assert_eq!(store.notices_waiting().await.unwrap(), 2);
    assert_eq!(store.notices_of(alice.id).await.unwrap().len(), 3, "sent or not, the portal shows it");

    store
        .remove_account(alice.id, &by_admin(&alice, 80, Event::AccountRemoved { login: String::new() }))
        .await
        .unwrap();
    assert_eq!(store.notices_waiting().await.unwrap(), 0);
}

pub async fn a_flood_is_ten_mails_and_one_for_the_rest(store: Arc<dyn Store>) {
    let (alice, bob) = (account("alice@example.org"), account("bob@example.org"));
    let day = DAY.as_secs();
    add(&*store, &alice).await;
    add(&*store, &bob).await;
    let (laptop, bobs) = (app_password(&alice, "Laptop"), app_password(&bob, "Laptop"));
    for secs in 1..=30 {
        tried(&*store, &alice, &laptop, secs).await;
    }
    // Of another kind, and on another account.
    issue(&*store, &alice, &laptop).await;
    tried(&*store, &bob, &bobs, 31).await;
    let of_kind = async |secs| {
        let of = |notice: &Notice| notice.kind == Kind::OtherAppRefused && notice.account == alice.id;
        due(&*store, secs).await.into_iter().filter(of).collect::<Vec<_>>()
    };
    let at_once = of_kind(day).await;
    assert_eq!(at_once.len(), MOST_MAILS);
    assert!(at_once.iter().all(|notice| notice.more == 0));
    assert_eq!(due(&*store, 31).await.len(), MOST_MAILS + 4, "nobody else's mail waits for it");
    for notice in &at_once {
        store.notice_settled(alice.id, notice.seq).await.unwrap();
    }
    assert_eq!(of_kind(day + 10).await, []);
    let [rest] = &of_kind(day + 11).await[..] else { unreachable!("one for the rest") };
    assert_eq!((rest.entry.at, rest.more), (used("", 11).at, 19));

    // A day later there are mails again, while the one for the rest is on its way.
    tried(&*store, &alice, &laptop, day + 40).await;
    let now = of_kind(day + 40).await;
    assert_eq!(now.iter().map(|notice| notice.more).collect::<Vec<_>>(), [19, 0]);
}

pub async fn what_is_to_be_mailed_together_is_closed_when_it_is_due(store: Arc<dyn Store>) {
    let alice = account("alice@example.org");
    let day = DAY.as_secs();
    add(&*store, &alice).await;
    let laptop = app_password(&alice, "Laptop");
    // The eleventh gathers until a day later; ten newer ones count against the day then.
    for secs in (0..=10).map(|n| n * 60) {
        tried(&*store, &alice, &laptop, secs).await;
    }
    for n in 0..10 {
        tried(&*store, &alice, &laptop, day + n * 60).await;
    }
    let closed = day + 601;
    tried(&*store, &alice, &laptop, closed).await;
    let gathered = |notices: Vec<Notice>| {
        let of = |notice: &&Notice| notice.kind == Kind::OtherAppRefused && notice.more > 0;
        notices.iter().filter(of).map(|notice| notice.more).collect::<Vec<_>>()
    };
    let before = gathered(due(&*store, closed).await);
    tried(&*store, &alice, &laptop, closed + 1).await;
    assert_eq!(gathered(due(&*store, closed).await), before, "what is being sent does not change");
}

pub async fn an_account_keeps_so_many_notices(store: Arc<dyn Store>) {
    let alice = account("alice@example.org");
    add(&*store, &alice).await;
    let laptop = app_password(&alice, "Laptop");
    let flood = KEPT as u64 + 60;
    for secs in 1..=flood {
        tried(&*store, &alice, &laptop, secs).await;
    }
    let told = store.notices_of(alice.id).await.unwrap();
    assert_eq!(told.len(), KEPT);
    assert_eq!(told[0].entry.at, used("", flood).at);
    // None that waits was lost for it: the account's own, ten, and one for the rest.
    let day = DAY.as_secs();
    assert_eq!(due(&*store, day + 11).await.len(), 1 + MOST_MAILS + 1);
    assert_eq!(due(&*store, day + 11).await.last().unwrap().more, flood - MOST_MAILS as u64 - 1);
    // Where nobody sends any mail, they do not wait for ever.
    let later = GIVEN_UP_AFTER.as_secs() + day;
    for secs in 1..=60 {
        tried(&*store, &alice, &laptop, later + secs).await;
    }
    assert_eq!(store.notices_waiting().await.unwrap(), MOST_MAILS as u64 + 1);
}

pub async fn a_notice_is_dismissed_by_its_owner_alone(store: Arc<dyn Store>) {
    let (alice, bob) = (account("alice@example.org"), account("bob@example.org"));
    add(&*store, &alice).await;
    add(&*store, &bob).await;
    issue(&*store, &alice, &app_password(&alice, "Laptop")).await;
    let told = store.notices_of(alice.id).await.unwrap();
    let known = log(&*store).await.len();
    assert!(!store.dismiss_notice(bob.id, told[0].seq).await.unwrap());
    assert!(!store.dismiss_notice(alice.id, 999).await.unwrap());
    assert_eq!(store.notices_of(alice.id).await.unwrap(), told);
    assert!(store.dismiss_notice(alice.id, told[0].seq).await.unwrap());
    assert!(!store.dismiss_notice(alice.id, told[0].seq).await.unwrap());
    assert_eq!(store.notices_of(alice.id).await.unwrap(), told[1..]);
    assert_eq!(store.notices_waiting().await.unwrap(), 3, "its mail is sent all the same");
    assert_eq!(log(&*store).await.len(), known);
}

pub async fn whoever_writes_at_once_a_flood_stays_one(store: Arc<dyn Store>) {
    let alice = account("alice@example.org");
    add(&*store, &alice).await;
    let laptop = app_password(&alice, "Laptop");
    let writers: Vec<_> = (1..=60)
        .map(|secs| {
            let (store, alice, laptop) = (store.clone(), alice.clone(), laptop.clone());
            tokio::spawn(async move { tried(&*store, &alice, &laptop, secs).await })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let all = store.due_notices(used("", 0).at.plus(2 * DAY + Duration::from_secs(60)), ALL).await.unwrap();
    let refused: Vec<_> = all.iter().filter(|notice| notice.kind == Kind::OtherAppRefused).collect();
    assert_eq!(refused.len(), MOST_MAILS + 1);
    assert_eq!(refused.iter().map(|notice| notice.more).sum::<u64>(), 60 - MOST_MAILS as u64 - 1);
}
