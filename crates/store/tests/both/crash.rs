//! Killed at named moments, and at any: what was acknowledged is there, what was
//! revoked is, and the chain is whole.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Write as _},
    process::{Command, Stdio},
    sync::Arc,
};

use authority::{Account, AppPasswordId, Event, Lesson, Pin, PinnedBy, app_lock::Was, audit::Verifier};
use keeper::{Added, Issued, Learned, Store};
use rand_core::Rng;
use testkit::{Seeded, account, app_password, by_admin, contract, digest, new_account, signature, used};

use super::Site;

/// Each victim works on an account of its own.
fn alice(round: u32) -> Account {
    account(&format!("alice{round}@example.org"))
}

/// What the victim said it was told, until it was dead.
#[derive(Default)]
struct Acknowledged {
    issued: BTreeSet<AppPasswordId>,
    revoked: BTreeSet<AppPasswordId>,
    /// Locked to an app by its first use.
    learnt: BTreeSet<AppPasswordId>,
}

/// Starts a process that works the store hard, and kills it after so many
/// acknowledgements, if it has not ended itself at a named moment.
fn killed(site: &Site, round: u32, after: usize, moment: Option<&str>) -> Acknowledged {
    let mut victim = Command::new(std::env::current_exe().unwrap());
    victim.args(["--exact", "crash::works_until_it_is_killed", "--ignored", "--nocapture"]);
    victim.env("POSTERN_TEST_ROUND", round.to_string()).stdout(Stdio::piped()).stderr(Stdio::null());
    site.hand_on(&mut victim);
    if let Some(moment) = moment {
        victim.env("POSTERN_FAIL_AT", moment);
    }
    let mut victim = victim.spawn().unwrap();
    let mut acknowledged = Acknowledged::default();
    let said = BufReader::new(victim.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut count = 0;
    for line in said {
        let told = line.split_once(' ').and_then(|(what, id)| Some((what.to_owned(), id.parse().ok()?)));
        let Some((what, id)) = told else { continue };
        match &*what {
            "issued" => acknowledged.issued.insert(id),
            "revoked" => acknowledged.revoked.insert(id),
            _ => acknowledged.learnt.insert(id),
        };
        count += 1;
        if count == after {
            // While it goes on working.
            victim.kill().unwrap();
        }
    }
    assert!(!victim.wait().unwrap().success(), "it ended by itself");
    acknowledged
}

/// What the victim of this round was told is there. Returns how many lines of
/// audit there should be for it, and how many records of revocations.
async fn check(store: &dyn Store, round: u32, told: &Acknowledged) -> (usize, usize) {
    let listed = store.app_passwords(alice(round).id).await.unwrap();
    let kept: BTreeSet<_> = listed.iter().map(|one| one.password.id).collect();
    let dead: BTreeSet<_> =
        listed.iter().filter(|one| one.password.revoked.is_some()).map(|one| one.password.id).collect();
    assert_eq!(
        told.issued.difference(&kept).collect::<Vec<_>>(),
        Vec::<&AppPasswordId>::new(),
        "acknowledged and lost"
    );
    assert_eq!(told.revoked.difference(&dead).collect::<Vec<_>>(), Vec::<&AppPasswordId>::new(), "revoked, and back");
    let locked: BTreeSet<_> =
        listed.iter().filter(|one| !one.password.pins.is_empty()).map(|one| one.password.id).collect();
    let used: BTreeSet<_> =
        listed.iter().filter(|one| one.password.first_used.is_some()).map(|one| one.password.id).collect();
    assert_eq!(locked, used, "used and locked to no app, or locked to one that was never in");
    assert_eq!(
        told.learnt.difference(&locked).collect::<Vec<_>>(),
        Vec::<&AppPasswordId>::new(),
        "let in, and forgotten"
    );
    let added = usize::from(store.account(alice(round).id).await.unwrap().is_some());
    (added + kept.len() + dead.len() + locked.len(), dead.len())
}

/// The whole log, and the whole file, after rounds that should have left so much.
async fn check_whole(site: &Site, store: &dyn Store, rounds: &[(usize, usize)]) {
    let key = contract::key();
    let mut verifier = Verifier::new(&key);
    let lines = store.audit(0, usize::MAX).await.unwrap();
    lines.iter().for_each(|line| verifier.check(line).unwrap());
    assert_eq!(lines.len(), rounds.iter().map(|(lines, _)| lines).sum::<usize>(), "rows and their lines came apart");
    let records = site.folder().join("revocations").metadata().unwrap().len() / 32 - 1;
    let dead: usize = rounds.iter().map(|(_, dead)| dead).sum();
    assert_eq!(usize::try_from(records).unwrap(), dead, "records and their changes came apart");
}

#[tokio::test]
async fn killed_at_named_moments() {
    let site = Site::new();
    let mut rounds = vec![];
    let moments = ["before the commit", "after the commit", "within a record", "before the answer"];
    for (round, (moment, count)) in (0..).zip(moments.iter().flat_map(|moment| [(moment, 2), (moment, 9)])) {
        let told = killed(&site, round, usize::MAX, Some(&format!("{moment}:{count}")));
        let store = site.open(200).await;
        rounds.push(check(&*store, round, &told).await);
        check_whole(&site, &*store, &rounds).await;
    }
}

#[tokio::test]
async fn killed_at_any_moment() {
    let site = Site::new();
    let count = if std::env::var_os("POSTERN_FULL").is_some() { 1_000 } else { 50 };
    let mut random = Seeded::new(4);
    let mut rounds = vec![];
    for round in 0..count {
        let after = 1 + usize::try_from(random.next_u32() % 60).unwrap();
        let told = killed(&site, round, after, None);
        assert!(told.issued.len() + told.revoked.len() + told.learnt.len() >= after);
        rounds.push(check(&*site.open(200).await, round, &told).await);
    }
    check_whole(&site, &*site.open(201).await, &rounds).await;
}

#[tokio::test]
async fn a_migration_that_was_interrupted_is_made_again_as_a_whole() {
    let site = Site::new();
    assert!(killed(&site, 0, usize::MAX, Some("within a migration:1")).issued.is_empty());
    let told = killed(&site, 1, 5, None);
    let store = site.open(200).await;
    let left = check(&*store, 1, &told).await;
    check_whole(&site, &*store, &[left]).await;
}

/// The victim: eight callers who issue, revoke every second one, and use the others.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by the tests above"]
async fn works_until_it_is_killed() {
    let round = std::env::var("POSTERN_TEST_ROUND").unwrap().parse().unwrap();
    let site = Site::inherited();
    let store: Arc<dyn Store> = Arc::from(site.open(1).await);
    let event = Event::AccountAdded { login: String::new(), factors: authority::audit::FactorsBy::Owner };
    let added = store.add_account(&new_account(alice(round)), &by_admin(&alice(round), 0, event)).await.unwrap();
    assert_eq!(added, Added::Done);
    let say = |what: &str, id: AppPasswordId| {
        // One call: half a line would name another id.
        std::io::stdout().write_all(format!("\n{what} {id}\n").as_bytes()).unwrap();
    };
    let callers: Vec<_> = (0..8)
        .map(|caller| {
            let store = store.clone();
            tokio::spawn(async move {
                let alice = alice(round);
                let entry = |event| by_admin(&alice, 1, event);
                // Bounded, should nobody kill it.
                for i in 0..2_000 {
                    let password = app_password(&alice, &format!("{caller} {i}"));
                    let (id, digest) = (password.id, digest(&format!("{round} {caller} {i}")));
                    let issued = entry(Event::SessionsEnded { count: 1 });
                    assert_eq!(store.issue(&password, &digest, 1_000_000, &issued).await.unwrap(), Issued::Done);
                    say("issued", id);
                    if i % 2 == 0 {
                        let revoked = entry(Event::AppPasswordRevoked { id });
                        assert!(store.revoke(alice.id, id, &revoked).await.unwrap());
                        say("revoked", id);
                    } else {
                        let event = Event::AppLockPinned { id, door: "imap".to_owned(), client: String::new() };
                        let used = used("imap", 1);
                        let (signature, since, from) = (signature("mutt"), used.at, used.from);
                        let pin = Some(Pin { signature, since, from, by: PinnedBy::FirstUse });
                        let was = Was::of(&password);
                        let lesson = Lesson { password: id, was, pin, form_of: None, events: vec![event.clone()] };
                        assert_eq!(store.learn(&lesson, &used, &[entry(event)]).await.unwrap(), Learned::Done);
                        say("learnt", id);
                    }
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
}
