//! What passwords learn of the apps that use them.

use std::sync::Arc;

use authority::{
    Account, Actor, AppPassword, AppPasswordId, Entry, Event, Lesson, Pin, PinnedBy, Stranger, Use,
    app_lock::OWNERS,
    app_lock::{MOST_PINS, Was},
    catalogue::AppId,
};
use keeper::{Learned, MOST_STRANGERS, STRANGERS_STAY, Store};

use super::{add, first_use, first_used, issue, issued, log, logged_since, revoked};
use crate::{account, app_password, by_admin, signature, used};

fn pin(name: &str, secs: u64) -> Pin {
    let Use { at, from, .. } = used("imap", secs);
    Pin { signature: signature(name), since: at, from, by: PinnedBy::FirstUse }
}

fn pinned(account: &Account, password: &AppPassword, name: &str, secs: u64) -> Entry {
    let client = signature(name).to_string();
    by_admin(account, secs, Event::AppLockPinned { id: password.id, door: "imap".to_owned(), client })
}

async fn now(store: &dyn Store, id: AppPasswordId) -> AppPassword {
    store.app_password(id).await.unwrap().unwrap().password
}

/// Has the password, as it is now, learn this.
async fn learn(store: &dyn Store, account: &Account, password: &AppPassword, pin: Pin, secs: u64) -> Learned {
    let entry = pinned(account, password, "mutt", secs);
    let lesson = Lesson {
        password: password.id,
        was: Was::of(password),
        pin: Some(pin),
        form_of: None,
        events: vec![entry.event.clone()],
    };
    store.learn(&lesson, &used("imap", secs), &[entry]).await.unwrap()
}

async fn alices(store: &dyn Store) -> (Account, AppPassword) {
    let alice = account("alice@example.org");
    add(store, &alice).await;
    let laptop = app_password(&alice, "Laptop");
    issue(store, &alice, &laptop).await;
    (alice, laptop)
}

pub async fn a_pin_is_kept_with_the_use_that_made_it(store: Arc<dyn Store>) {
    let (alice, laptop) = alices(&*store).await;
    let known = log(&*store).await.len();
    let entries = [first_used(&alice, &laptop, 10), pinned(&alice, &laptop, "mutt", 10)];
    let events = entries.iter().map(|entry| entry.event.clone()).collect();
    let lesson =
        Lesson { password: laptop.id, was: Was::of(&laptop), pin: Some(pin("mutt", 10)), form_of: None, events };
    assert_eq!(store.learn(&lesson, &used("imap", 10), &entries).await.unwrap(), Learned::Done);
    assert_eq!(logged_since(&*store, known).await, entries);
    let by_digest = store.app_password_by_digest(&crate::digest("Laptop")).await.unwrap().unwrap();
    let listed = store.app_passwords(alice.id).await.unwrap().remove(0);
    for found in [by_digest, now(&*store, laptop.id).await, listed.password] {
        assert_eq!((found.first_used, &*found.pins), (Some(used("", 10).at), &[pin("mutt", 10)][..]));
    }
    assert_eq!(listed.uses, [used("imap", 10)]);

    let laptop = now(&*store, laptop.id).await;
    assert_eq!(learn(&*store, &alice, &laptop, pin("neomutt", 20), 20).await, Learned::Done);
    let laptop = now(&*store, laptop.id).await;
    assert_eq!(*laptop.pins, [pin("mutt", 10), pin("neomutt", 20)], "oldest first");
    assert_eq!(laptop.first_used, Some(used("", 10).at), "the first use stays the first");

    assert!(store.revoke(alice.id, laptop.id, &revoked(&alice, &laptop, 30)).await.unwrap());
    assert_eq!(learn(&*store, &alice, &laptop, pin("curl", 40), 40).await, Learned::Gone);
    let gone = AppPassword { id: AppPasswordId::from_bytes([0; 10]), ..laptop };
    assert_eq!(learn(&*store, &alice, &gone, pin("curl", 40), 40).await, Learned::Gone);
}

pub async fn of_two_lessons_on_the_same_state_one_is_kept(store: Arc<dyn Store>) {
    let (alice, laptop) = alices(&*store).await;
    let known = log(&*store).await.len();
    let each = ["mutt", "curl", "alpine", "claws"].map(|name| {
        let (store, alice, laptop) = (store.clone(), alice.clone(), laptop.clone());
        tokio::spawn(async move { learn(&*store, &alice, &laptop, pin(name, 10), 10).await })
    });
    let mut outcomes = vec![];
    for one in each {
        outcomes.push(one.await.unwrap());
    }
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Learned::Done).count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Learned::Outdated).count(), 3);
    assert_eq!(now(&*store, laptop.id).await.pins.len(), 1);
    assert_eq!(log(&*store).await.len(), known + 1);
}

pub async fn a_password_keeps_so_many_pins(store: Arc<dyn Store>) {
    let (alice, laptop) = alices(&*store).await;
    let more = MOST_PINS + 3;
    for count in 0..more {
        let laptop = now(&*store, laptop.id).await;
        let (name, secs) = (format!("app{count}"), 10 + count as u64);
        assert_eq!(learn(&*store, &alice, &laptop, pin(&name, secs), secs).await, Learned::Done);
    }
    let pins = now(&*store, laptop.id).await.pins;
    let names: Vec<_> = pins.iter().map(|pin| pin.signature.clone()).collect();
    let expected: Vec<_> = (3..more).map(|count| signature(&format!("app{count}"))).collect();
    assert_eq!(names, expected, "the oldest go");
}

fn stranger(name: &str, secs: u64) -> Stranger {
    let Use { at, from, door } = used("imap", secs);
    Stranger { signature: signature(name), door, from, at }
}

fn refused(account: &Account, password: &AppPassword, secs: u64) -> Entry {
    by_admin(account, secs, Event::AppLockRefused { id: password.id, app: None, door: "imap".to_owned() })
}

pub async fn strangers_are_told_once_and_are_so_many(store: Arc<dyn Store>) {
    let (alice, laptop) = alices(&*store).await;
    let known = log(&*store).await.len();
    let tell = async |name: &str, secs| {
        store.record_stranger(laptop.id, &stranger(name, secs), &refused(&alice, &laptop, secs)).await.unwrap()
    };
    assert!(tell("mutt", 10).await);
    assert!(tell("curl", 20).await);
    assert!(!tell("mutt", 30).await, "told before");
    assert_eq!(store.strangers(laptop.id).await.unwrap(), [stranger("mutt", 30), stranger("curl", 20)]);
    assert_eq!(logged_since(&*store, known).await, [10, 20].map(|secs| refused(&alice, &laptop, secs)));

    let room = MOST_STRANGERS - 2;
    for count in 0..room {
        assert!(tell(&format!("app{count}"), 40 + count as u64).await);
    }
    // As many as there may be: who makes up ever new names is not written down for each.
    let (known, full) = (log(&*store).await.len(), store.strangers(laptop.id).await.unwrap());
    for count in 0..20 {
        assert!(!tell(&format!("made up {count}").replace(' ', ""), 60 + count).await);
    }
    assert_eq!((log(&*store).await.len(), store.strangers(laptop.id).await.unwrap()), (known, full));
    // A day after it was last seen, one makes room.
    let day = STRANGERS_STAY.as_secs();
    assert!(!tell("tomorrow", day + 19).await);
    assert!(tell("tomorrow", day + 20).await);
    let left: Vec<_> = store.strangers(laptop.id).await.unwrap().into_iter().map(|left| left.signature).collect();
    assert_eq!((left.len(), left.contains(&signature("curl"))), (MOST_STRANGERS, false));
    let none = AppPasswordId::from_bytes([0; 10]);
    assert!(!store.record_stranger(none, &stranger("mutt", 50), &refused(&alice, &laptop, 50)).await.unwrap());
    assert!(store.strangers(none).await.unwrap().is_empty());
}

pub async fn an_app_is_allowed_by_its_owner_once_it_was_refused(store: Arc<dyn Store>) {
    let (alice, laptop) = alices(&*store).await;
    let bob = account("bob@example.org");
    add(&*store, &bob).await;
    let allowed = |account, secs| by_admin(account, secs, Event::AppAllowed { id: laptop.id, app: None });
    let mutt = Pin { by: PinnedBy::Owner, ..pin("mutt", 20) };
    let known = log(&*store).await.len();
    assert!(!store.allow(alice.id, laptop.id, &mutt, &allowed(&alice, 20)).await.unwrap(), "never refused");
    store.record_stranger(laptop.id, &stranger("mutt", 10), &refused(&alice, &laptop, 10)).await.unwrap();
    assert!(!store.allow(bob.id, laptop.id, &mutt, &allowed(&bob, 20)).await.unwrap(), "another's");
    assert!(store.allow(alice.id, laptop.id, &mutt, &allowed(&alice, 20)).await.unwrap());
    assert_eq!(*now(&*store, laptop.id).await.pins, *std::slice::from_ref(&mutt));
    assert!(store.strangers(laptop.id).await.unwrap().is_empty());
    assert_eq!(logged_since(&*store, known).await, [refused(&alice, &laptop, 10), allowed(&alice, 20)]);

    store.record_stranger(laptop.id, &stranger("curl", 30), &refused(&alice, &laptop, 30)).await.unwrap();
    assert!(store.revoke(alice.id, laptop.id, &revoked(&alice, &laptop, 40)).await.unwrap());
    assert!(!store.allow(alice.id, laptop.id, &pin("curl", 50), &allowed(&alice, 50)).await.unwrap(), "revoked");
}

pub async fn a_password_that_learns_anew_waits_again(store: Arc<dyn Store>) {
    let (alice, laptop) = alices(&*store).await;
    let bob = account("bob@example.org");
    add(&*store, &bob).await;
    assert_eq!(learn(&*store, &alice, &laptop, pin("mutt", 10), 10).await, Learned::Done);
    store.record_stranger(laptop.id, &stranger("curl", 20), &refused(&alice, &laptop, 20)).await.unwrap();
    let known = log(&*store).await.len();
    let relearn = |account, secs| by_admin(account, secs, Event::AppLockRelearn { id: laptop.id });
    let until = used("", 5000).at;
    assert!(!store.relearn(bob.id, laptop.id, until, &relearn(&bob, 30)).await.unwrap(), "another's");
    assert!(store.relearn(alice.id, laptop.id, until, &relearn(&alice, 30)).await.unwrap());
    assert_eq!(logged_since(&*store, known).await, [relearn(&alice, 30)]);
    let anew = now(&*store, laptop.id).await;
    assert_eq!((anew.first_used, anew.use_by, anew.pins.len()), (None, until, 0));
    assert!(store.strangers(laptop.id).await.unwrap().is_empty());
    // It is over when it is not used by then.
    assert!(!first_use(&*store, laptop.id, &used("imap", 5000), &first_used(&alice, &laptop, 5000)).await);
    assert!(first_use(&*store, laptop.id, &used("imap", 4999), &first_used(&alice, &laptop, 4999)).await);
    assert_eq!(now(&*store, laptop.id).await.first_used, Some(used("", 4999).at));
    assert!(store.revoke(alice.id, laptop.id, &revoked(&alice, &laptop, 6000)).await.unwrap());
    assert!(!store.relearn(alice.id, laptop.id, until, &relearn(&alice, 6001)).await.unwrap(), "revoked is final");
}

pub async fn where_an_account_has_come_from_is_known_by_network(store: Arc<dyn Store>) {
    let (alice, laptop) = alices(&*store).await;
    let bob = account("bob@example.org");
    add(&*store, &bob).await;
    let phone = app_password(&bob, "Phone");
    assert_eq!(
        store.issue(&phone, &crate::digest("Phone"), 9, &issued(&bob, &phone)).await.unwrap(),
        keeper::Issued::Done
    );
    let v6 = Use { from: "2001:db8:1::7".parse().unwrap(), ..used("dav", 10) };
    store.record_uses(&[(laptop.id, used("imap", 10)), (laptop.id, v6)]).await.unwrap();
    for (from, come) in [
        ("192.0.2.7", true),
        ("192.0.2.200", true),
        ("::ffff:192.0.2.9", true),
        ("192.0.3.7", false),
        ("2001:db8:1:2::9", true),
        ("2001:db8:2::7", false),
    ] {
        assert_eq!(store.has_come_from(alice.id, from.parse().unwrap()).await.unwrap(), come, "{from}");
        assert!(!store.has_come_from(bob.id, from.parse().unwrap()).await.unwrap(), "{from}");
    }
}

pub async fn a_form_is_the_app_s_once_enough_owners_have_it(store: Arc<dyn Store>) {
    let app: AppId = "mutt".parse().unwrap();
    let known = log(&*store).await.len();
    let learnt = |secs| Entry {
        at: used("", secs).at,
        actor: Actor::Postern,
        account: None,
        event: Event::AppFormLearnt { app: "mutt".to_owned(), client: signature("mutt2").to_string() },
    };
    for n in 0..OWNERS {
        let owner = account(&format!("owner{n}@example.org"));
        add(&*store, &owner).await;
        for label in ["Laptop", "Phone"] {
            let password = app_password(&owner, label);
            let digest = crate::digest(&format!("{n} {label}"));
            let issued = store.issue(&password, &digest, 9, &issued(&owner, &password)).await.unwrap();
            assert_eq!(issued, keeper::Issued::Done);
            assert!(store.forms().await.unwrap().is_empty(), "not yet: {n} owners, {label}");
            let entry = pinned(&owner, &password, "mutt2", 10 + n);
            let lesson = Lesson {
                password: password.id,
                was: Was::of(&password),
                pin: Some(pin("mutt2", 10 + n)),
                form_of: Some(app.clone()),
                events: vec![entry.event.clone()],
            };
            assert_eq!(store.learn(&lesson, &used("imap", 10 + n), &[entry]).await.unwrap(), Learned::Done);
            if n + 1 == OWNERS {
                break;
            }
        }
    }
    assert_eq!(store.forms().await.unwrap(), [(app.clone(), signature("mutt2"))]);
    assert_eq!(logged_since(&*store, known).await.last(), Some(&learnt(9 + OWNERS)));

    let actor = Actor::Administrator { uid: 0 };
    assert_eq!(store.forget_forms(&"curl".parse().unwrap(), used("", 70).at, &actor).await.unwrap(), 0);
    assert_eq!(store.forget_forms(&app, used("", 70).at, &actor).await.unwrap(), 1);
    assert!(store.forms().await.unwrap().is_empty());
    let event = Event::AppFormForgotten { app: "mutt".to_owned(), client: signature("mutt2").to_string() };
    let forgotten = Entry { at: used("", 70).at, actor, account: None, event };
    assert_eq!(logged_since(&*store, known).await.last(), Some(&forgotten));
    assert_eq!(store.forget_forms(&app, used("", 80).at, &forgotten.actor).await.unwrap(), 0);
}
