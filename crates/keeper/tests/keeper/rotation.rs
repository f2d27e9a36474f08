//! Another server key, while people come and go.

use std::{io, net::IpAddr, sync::Arc, time::Duration};

use authority::{ChosenBy, Event, Login, Secret, State};
use keeper::{AddAccount, Denied, FreshMandate, IssuedSecret, LiveSession, Owner, Retiring, RotationError, SignIn};
use testkit::Call;

use crate::{
    portal::code,
    world::{HOME, PRIMARY, World, imap},
};

const ALICE: &str = "alice@example.org";
const DAYS: Duration = Duration::from_secs(90 * 86_400);

fn home() -> IpAddr {
    HOME.parse().unwrap()
}

async fn admitted(world: &World, secret: &Secret) -> Option<LiveSession> {
    match world.sign_in(ALICE, secret.expose(), &imap()).await {
        SignIn::Admitted(_, session) => Some(session),
        SignIn::Refused(_) => None,
        SignIn::Unavailable | SignIn::TooMany | SignIn::Provisional(..) => panic!("the store is there"),
    }
}

/// One that was used, and does not end with its hour.
async fn active(world: &World, mandate: &FreshMandate) -> IssuedSecret {
    let issued = world.password(mandate, "mail").await;
    assert!(admitted(world, &issued.secret).await.is_some());
    issued
}

async fn over_alice(world: &World) -> FreshMandate {
    world.keeper.administer(0, &Login::parse(ALICE).unwrap()).await.unwrap().1
}

/// At the portal, with this code.
async fn at_portal(world: &World, code: &str) -> Result<Owner, Denied> {
    let pending = world.keeper.begin_sign_in(ALICE, &Secret::new(PRIMARY.into()), home()).await.unwrap();
    world.keeper.finish_sign_in(&pending, code).await
}

/// With a code that was not shown yet.
async fn with_totp(world: &World, uri: &Secret) -> Result<Owner, Denied> {
    world.advance(Duration::from_secs(60));
    at_portal(world, &code(uri.expose(), world.keeper.now())).await
}

/// What follows this in the log, and on whose account or none.
async fn logged(world: &World, since: usize) -> Vec<(bool, Event)> {
    let lines = world.keeper.audit(since as u64, usize::MAX).await.unwrap();
    let entries = lines.iter().map(|line| serde_json::from_str::<authority::Entry>(&line.text).unwrap());
    entries.map(|entry| (entry.account.is_some(), entry.event)).collect()
}

async fn lines(world: &World) -> usize {
    world.keeper.audit(0, usize::MAX).await.unwrap().len()
}

#[tokio::test(start_paused = true)]
async fn a_password_that_is_used_moves_over_and_one_that_is_not_stops_with_the_old_key() {
    let world = World::new().await;
    let (_, mandate) = world.account(ALICE).await;
    let (used, unused) = (active(&world, &mandate).await, active(&world, &mandate).await);
    let known = lines(&world).await;

    let rotated = world.keeper.rotate_key(0, DAYS).await.unwrap();
    assert_eq!((rotated.old_key_until, rotated.resealed), (world.keeper.now().plus(DAYS), 1));
    assert_eq!(world.drawer.old(), Some(Retiring::At(rotated.old_key_until)));
    let event = Event::ServerKeyRotated { old_key_until: rotated.old_key_until };
    assert_eq!(logged(&world, known).await, [(false, event)]);
    let made_after = active(&world, &mandate).await;
    world.advance(DAYS - Duration::from_secs(1));
    assert!(admitted(&world, &used.secret).await.is_some(), "good to the last second");
    world.advance(Duration::from_secs(1));
    for tended in [false, true] {
        assert!(admitted(&world, &used.secret).await.is_some(), "moved over; tended: {tended}");
        assert!(admitted(&world, &made_after.secret).await.is_some());
        assert!(admitted(&world, &unused.secret).await.is_none(), "tended: {tended}");
        assert!(admitted(&world, &Secret::new("abcd-efgh-ijkl-mnop-qrst-uvwx".into())).await.is_none());
        world.keeper.tend_keys().await.unwrap();
        assert_eq!(world.drawer.old(), None, "wiped");
    }
}

/// What is void with the old key says so, and nothing else does.
#[tokio::test(start_paused = true)]
async fn what_is_left_under_a_retired_key_is_not_listed_as_good() {
    let world = World::new().await;
    let (_, over_bob) = world.account("bob@example.org").await;
    let (_, over_carol) = world.account("carol@example.org").await;
    let (_, mandate) = world.account(ALICE).await;
    let (used, unused) = (active(&world, &mandate).await, active(&world, &mandate).await);
    let live = admitted(&world, &unused.secret).await.unwrap();
    world.keeper.record_backup(0).await.unwrap();
    world.advance(Duration::from_secs(1));
    world.keeper.rotate_key(0, DAYS).await.unwrap();
    let later = active(&world, &mandate).await;
    assert!(admitted(&world, &used.secret).await.is_some());
    // More than is read at once, on both sides of what matters.
    world.keeper.renew_recovery_codes(&over_bob).await.unwrap();
    for _ in 0..2_100 {
        world.keeper.record_backup(0).await.unwrap();
    }
    world.keeper.renew_recovery_codes(&over_carol).await.unwrap();
    world.advance(DAYS);
    let known = lines(&world).await;
    world.keeper.tend_keys().await.unwrap();

    let expected = [(true, Event::RecoveryCodesVoided), (true, Event::AppPasswordRevoked { id: unused.password.id })];
    assert_eq!(logged(&world, known).await, expected);
    assert!(!live.is_open());
    let alice = world.keeper.overview(&mandate).await.unwrap().unwrap();
    let alive: Vec<_> = alice.passwords.iter().filter(|(_, state)| *state == State::Active).collect();
    let mut alive: Vec<_> = alive.iter().map(|(listed, _)| listed.password.id).collect();
    alive.sort();
    let mut good = [used.password.id, later.password.id];
    good.sort();
    assert_eq!((alive, alice.recovery_codes_left), (good.to_vec(), 0));
    for mandate in [&over_bob, &over_carol] {
        assert_eq!(world.keeper.overview(mandate).await.unwrap().unwrap().recovery_codes_left, 10);
    }
}

#[tokio::test(start_paused = true)]
async fn house_keeping_wipes_the_old_key_when_its_time_has_come() {
    let world = World::new().await;
    world.account(ALICE).await;
    world.keeper.rotate_key(0, DAYS).await.unwrap();
    let keeper = world.keeper.clone();
    let house = tokio::spawn(async move { keeper.keep_house().await });
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(world.drawer.old().is_some());
    world.advance(DAYS);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(world.drawer.old(), None);
    house.abort();
}

#[tokio::test(start_paused = true)]
async fn codes_and_second_factors_go_on() {
    let world = World::new().await;
    let added = world.add(ALICE, true).await;
    let uri = added.totp_uri.unwrap();
    with_totp(&world, &uri).await.unwrap();
    let request =
        AddAccount { login: Login::parse("bob@example.org").unwrap(), aliases: vec![], primary: None, totp: false };
    let offer = world.keeper.add_account(0, request).await.unwrap().set_up.unwrap();

    world.keeper.rotate_key(0, DAYS).await.unwrap();
    with_totp(&world, &uri).await.unwrap();
    let [first, second] = [0, 1].map(|at| added.recovery_codes[at].expose());
    at_portal(&world, first).await.unwrap();
    assert!(matches!(at_portal(&world, first).await, Err(Denied::Refused)), "spent");
    let setting_up = world.keeper.begin_set_up("bob", offer.code.expose(), home()).await.unwrap();
    let proposal = world.keeper.propose_for_set_up(&setting_up);
    let shown = code(proposal.uri.expose(), world.keeper.now());
    world.keeper.set_up(&setting_up, &Secret::new(PRIMARY.into()), &proposal, &shown).await.unwrap();

    world.advance(DAYS);
    world.keeper.tend_keys().await.unwrap();
    with_totp(&world, &uri).await.unwrap();
    assert!(matches!(at_portal(&world, second).await, Err(Denied::Refused)), "over with the old key");
    let codes = world.keeper.renew_recovery_codes(&over_alice(&world).await).await.unwrap();
    at_portal(&world, codes[0].expose()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn two_keys_are_the_most() {
    let world = World::new().await;
    let (_, mandate) = world.account(ALICE).await;
    let password = active(&world, &mandate).await;
    let first = world.keeper.rotate_key(0, DAYS).await.unwrap();
    let again = world.keeper.rotate_key(0, DAYS).await;
    assert!(matches!(again, Err(RotationError::OldKeyLives(end)) if end == first.old_key_until), "{again:?}");
    assert!(admitted(&world, &password.secret).await.is_some());
    world.advance(DAYS);
    let second = world.keeper.rotate_key(0, DAYS).await.unwrap();
    assert_eq!((second.resealed, world.drawer.replaced()), (1, 2));
    assert!(admitted(&world, &password.secret).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn with_a_compromised_key_goes_all_that_stood_on_it() {
    let world = World::new().await;
    let added = world.add(ALICE, true).await;
    let (uri, mandate) = (added.totp_uri.unwrap(), over_alice(&world).await);
    let request =
        AddAccount { login: Login::parse("bob@example.org").unwrap(), aliases: vec![], primary: None, totp: false };
    let offer = world.keeper.add_account(0, request).await.unwrap().set_up.unwrap();
    let under_the_first = active(&world, &mandate).await;
    world.keeper.rotate_key(0, DAYS).await.unwrap();
    let password = active(&world, &mandate).await;
    let owner = with_totp(&world, &uri).await.unwrap();
    let live = admitted(&world, &password.secret).await.unwrap();
    let known = lines(&world).await;

    let voided = world.keeper.replace_compromised_key(0).await.unwrap();
    assert!(!live.is_open(), "a session is left");
    assert_eq!((voided.accounts, voided.revoked, world.drawer.old()), (1, 2, None));
    let events = logged(&world, known).await;
    assert_eq!(events[..2], [(false, Event::ServerKeyCompromised), (true, Event::SecretsVoided)]);
    let mut revoked =
        [&under_the_first, &password].map(|one| (true, Event::AppPasswordRevoked { id: one.password.id }));
    revoked.sort_by_key(|(_, event)| events.iter().position(|(_, logged)| logged == event));
    assert_eq!(events[2..], revoked);

    for one in [&under_the_first, &password] {
        assert!(admitted(&world, &one.secret).await.is_none());
    }
    assert!(matches!(world.keeper.confirm(&owner).await, Err(Denied::Over)), "still signed in at the portal");
    assert!(matches!(at_portal(&world, added.recovery_codes[0].expose()).await, Err(Denied::Refused)));
    assert!(world.keeper.begin_set_up("bob", offer.code.expose(), home()).await.is_err());
    // What is left: the way to choose anew, and to be told to.
    with_totp(&world, &uri).await.unwrap();
    let (account, _) = world.keeper.administer(0, &Login::parse(ALICE).unwrap()).await.unwrap();
    assert_eq!(account.second_factor.unwrap().chosen_by, ChosenBy::Administrator);
    active(&world, &mandate).await;
}

/// The new key is there, and then the store is not.
#[tokio::test(start_paused = true)]
async fn what_was_interrupted_goes_on() {
    let world = World::new().await;
    let added = world.add(ALICE, true).await;
    let (uri, mandate) = (added.totp_uri.unwrap(), over_alice(&world).await);
    let password = active(&world, &mandate).await;
    let lost = |world: &World| {
        let store = world.store.clone();
        world.drawer.before_replacing(move || {
            store.set_available(false);
            Ok(())
        });
    };
    lost(&world);
    let rotated = world.keeper.rotate_key(0, DAYS).await;
    assert!(matches!(rotated, Err(RotationError::Resealing(_))), "{rotated:?}");
    world.store.set_available(true);
    with_totp(&world, &uri).await.unwrap();
    assert!(admitted(&world, &password.secret).await.is_some());
    world.advance(DAYS);
    world.keeper.tend_keys().await.unwrap();
    with_totp(&world, &uri).await.unwrap();

    lost(&world);
    let live = admitted(&world, &password.secret).await.unwrap();
    let voided = world.keeper.replace_compromised_key(0).await;
    assert!(matches!(voided, Err(RotationError::Voiding(_))), "{voided:?}");
    assert!(!live.is_open());
    world.store.set_available(true);
    assert!(admitted(&world, &password.secret).await.is_none(), "not revoked yet, and worth nothing");
    let replaced = world.drawer.replaced();
    let voided = world.keeper.replace_compromised_key(0).await.unwrap();
    assert_eq!((voided.accounts, voided.revoked, world.drawer.old()), (1, 1, None));
    assert_eq!(world.drawer.replaced(), replaced, "no third key");
    with_totp(&world, &uri).await.unwrap();
}

/// Its seeds are not all sealed anew when the next one takes the place of a key.
#[tokio::test(start_paused = true)]
async fn a_compromised_key_takes_no_second_factor_with_it() {
    let world = World::new().await;
    let uri = world.add(ALICE, true).await.totp_uri.unwrap();
    let store = world.store.clone();
    world.drawer.before_replacing(move || {
        store.set_available(false);
        Ok(())
    });
    world.keeper.rotate_key(0, DAYS).await.unwrap_err();
    world.store.set_available(true);
    world.keeper.replace_compromised_key(0).await.unwrap();
    with_totp(&world, &uri).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_key_that_cannot_be_written_changes_nothing() {
    let world = World::new().await;
    let (_, mandate) = world.account(ALICE).await;
    let password = active(&world, &mandate).await;
    for compromised in [false, true] {
        world.drawer.before_replacing(|| Err(io::ErrorKind::StorageFull.into()));
        let keeper = &world.keeper;
        let error = match compromised {
            false => keeper.rotate_key(0, DAYS).await.unwrap_err(),
            true => keeper.replace_compromised_key(0).await.unwrap_err(),
        };
        assert!(matches!(error, RotationError::Folder(_)), "{error:?}");
        assert_eq!(world.keeper.old_key(), None);
        assert!(admitted(&world, &password.secret).await.is_some());
    }
}

/// Its password is filed under the new key by another one of the same app, while
/// this one still looks for it under the old.
#[tokio::test(start_paused = true)]
async fn a_sign_in_that_a_rotation_overtakes_is_not_refused() {
    let world = Arc::new(World::new().await);
    let (_, mandate) = world.account(ALICE).await;
    let password = Arc::new(active(&world, &mandate).await);
    // Nobody has looked the account up since.
    world.keeper.revoke(&mandate, world.password(&mandate, "mail").await.password.id).await.unwrap();
    let overtaken = world.store.hold_next(Call::Account);
    let early = tokio::spawn({
        let (world, password) = (world.clone(), password.clone());
        async move { admitted(&world, &password.secret).await.is_some() }
    });
    overtaken.is_done().await;
    let keeper = world.keeper.clone();
    let rotation = tokio::spawn(async move { keeper.rotate_key(0, DAYS).await });
    while world.keeper.old_key().is_none() {
        tokio::task::yield_now().await;
    }
    assert!(admitted(&world, &password.secret).await.is_some());
    assert!(!rotation.is_finished(), "somebody has the keys before in hand");
    overtaken.answer();
    assert!(early.await.unwrap(), "refused, with the right password");
    rotation.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_under_way_does_not_outlive_a_compromised_key() {
    let world = Arc::new(World::new().await);
    let (_, mandate) = world.account(ALICE).await;
    let password = world.password(&mandate, "mail").await;
    let read = world.store.hold_next(Call::AppPassword);
    let early = tokio::spawn({
        let world = world.clone();
        async move { admitted(&world, &password.secret).await }
    });
    read.is_done().await;
    let keeper = world.keeper.clone();
    let rotation = tokio::spawn(async move { keeper.replace_compromised_key(0).await });
    while world.keeper.old_key().is_none() {
        tokio::task::yield_now().await;
    }
    read.answer();
    rotation.await.unwrap().unwrap();
    if let Some(session) = early.await.unwrap() {
        assert!(!session.is_open());
    }
    assert!(world.keeper.sessions(None).is_empty());
}
