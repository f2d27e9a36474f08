//! What people and apps notice of the one path.

use std::time::Duration;

use crate::world::{HOME, PRIMARY, World, dav, imap};
use authority::{Client, Cutoff, Reason, Secret, Standing};
use keeper::{DEADLINE, JITTER, SignIn, SignInAttempt, TurnedAway};
use tokio::time::Instant;

const ALICE: &str = "alice@example.org";

#[tokio::test(start_paused = true)]
async fn an_app_password_opens_what_it_was_made_for_and_nothing_else() {
    let world = World::new().await;
    let (_, mandate) = world.account(ALICE).await;
    let secret = world.password(&mandate, "mail").await.secret;
    let admitted = world.sign_in("Alice", secret.expose(), &imap()).await;
    let SignIn::Admitted(grant, session) = admitted else { panic!("{admitted:?}") };
    assert_eq!(grant.login().as_str(), ALICE, "the canonical name is handed on");
    assert_eq!(session.info().from.to_string(), HOME);
    assert!(matches!(world.sign_in(ALICE, secret.expose(), &dav()).await, SignIn::Refused(TurnedAway::OutOfScope)));
}

/// Wrong, unknown, revoked, expired, suspended and primary: same answer, and
/// never before the common deadline nor after its jitter.
#[tokio::test(start_paused = true)]
async fn all_refusals_look_alike_to_the_clock_as_well() {
    let world = World::new().await;
    let (_, mandate) = world.account(ALICE).await;
    let revoked = world.password(&mandate, "mail").await;
    let _ = world.keeper.revoke(&mandate, revoked.password.id).await.unwrap();
    let late = world.password(&mandate, "mail").await;
    world.advance(Duration::from_secs(3600));
    let (bob, over_bob) = world.account("bob@example.org").await;
    let bobs = world.password(&over_bob, "mail").await;
    world.keeper.set_standing(&bob, &over_bob, Standing::Suspended).await.unwrap();

    for (login, secret) in [
        (ALICE, PRIMARY),
        (ALICE, "abcd-efgh-ijkl-mnop-qrst-uvwx"),
        (ALICE, "not even close"),
        ("nobody@example.org", "abcd-efgh-ijkl-mnop-qrst-uvwx"),
        ("alice*postern", "x"),
        (ALICE, revoked.secret.expose()),
        (ALICE, late.secret.expose()),
        (ALICE, bobs.secret.expose()),
        ("bob@example.org", bobs.secret.expose()),
    ] {
        let asked = Instant::now();
        let answer = world.sign_in(login, secret, &imap()).await;
        assert!(matches!(answer, SignIn::Refused(TurnedAway::Refused)), "{login}: {answer:?}");
        let took = asked.elapsed();
        assert!((DEADLINE..=DEADLINE + JITTER + Duration::from_millis(2)).contains(&took), "{login}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_acts_as_somebody_else() {
    let world = World::new().await;
    let (_, mandate) = world.account(ALICE).await;
    world.account("bob@example.org").await;
    let secret = world.password(&mandate, "mail").await.secret;
    for (acting_as, comes_in) in [("bob@example.org", false), ("", false), ("alice", true), (ALICE, true)] {
        let door = imap();
        let attempt = SignInAttempt {
            login: ALICE,
            acting_as: Some(acting_as),
            secret: &secret,
            door: &door,
            from: HOME.parse().unwrap(),
            client: Client::Unseen,
        };
        let answer = world.keeper.sign_in(attempt).await;
        assert_eq!(matches!(answer, SignIn::Admitted(..)), comes_in, "{acting_as:?}: {answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_never_a_wrong_password() {
    let world = World::new().await;
    let (_, mandate) = world.account(ALICE).await;
    let secret = world.password(&mandate, "mail").await.secret;
    world.store.set_available(false);
    for secret in [secret.expose(), "abcd-efgh-ijkl-mnop-qrst-uvwx", PRIMARY] {
        assert!(matches!(world.sign_in(ALICE, secret, &imap()).await, SignIn::Unavailable));
    }
    world.store.set_available(true);
    assert!(matches!(world.sign_in(ALICE, secret.expose(), &imap()).await, SignIn::Admitted(..)));
}

#[tokio::test(start_paused = true)]
async fn a_stepped_back_clock_reopens_nothing() {
    let world = World::new().await;
    let (_, mandate) = world.account(ALICE).await;
    let secret = world.password(&mandate, "mail").await.secret;
    world.advance(Duration::from_secs(3601));
    assert!(matches!(world.sign_in(ALICE, secret.expose(), &imap()).await, SignIn::Refused(_)));
    world.clock.step_back(Duration::from_secs(7200));
    assert!(matches!(world.sign_in(ALICE, secret.expose(), &imap()).await, SignIn::Refused(_)));
}

#[tokio::test(start_paused = true)]
async fn the_owner_is_told_the_real_reason_and_the_client_is_not() {
    let world = World::new().await;
    let (account, mandate) = world.account(ALICE).await;
    let since = world.keeper.now();
    for _ in 0..3 {
        let _ = world.sign_in(ALICE, PRIMARY, &imap()).await;
    }
    let refused = world.keeper.refusals(account.id, since).await.unwrap();
    assert_eq!(refused.len(), 1, "one line however often: {refused:?}");
    assert_eq!((refused[0].reason, refused[0].count), (Reason::NotAnAppPassword, 3));
    assert_eq!(&*refused[0].door, "imap");
    drop(mandate);
}

#[tokio::test(start_paused = true)]
async fn while_observing_the_primary_password_still_works_for_who_has_no_second_factor() {
    let world = World::with_cutoff(Cutoff::Observed).await;
    world.add("old@example.org", false).await;
    world.account(ALICE).await;
    assert!(matches!(world.sign_in("old", PRIMARY, &imap()).await, SignIn::Admitted(..)));
    assert!(matches!(world.sign_in(ALICE, PRIMARY, &imap()).await, SignIn::Refused(_)), "has a second factor");
}

/// Ten thousand tries with last year's password, and the owner comes in at once.
#[tokio::test(start_paused = true)]
async fn an_old_device_does_not_lock_its_owner_out() {
    let world = World::with_cutoff(Cutoff::Observed).await;
    world.add("old@example.org", false).await;
    for _ in 0..50 {
        assert!(matches!(world.sign_in("old", "the password of last year", &imap()).await, SignIn::Refused(_)));
    }
    assert!(matches!(world.sign_in("old", PRIMARY, &imap()).await, SignIn::Admitted(..)));
}

#[tokio::test(start_paused = true)]
async fn a_guesser_is_stopped_and_the_owner_elsewhere_is_not() {
    let world = World::with_cutoff(Cutoff::Observed).await;
    world.add("old@example.org", false).await;
    assert!(matches!(world.sign_in("old", PRIMARY, &imap()).await, SignIn::Admitted(..)), "known from home");
    for guess in 0..300 {
        let from = format!("203.0.{}.9", guess % 40);
        let answer = world.sign_in_from("old", &format!("guess number {guess}"), &imap(), &from).await;
        assert!(matches!(answer, SignIn::Refused(_)));
    }
    let stranger = world.sign_in_from("old", PRIMARY, &imap(), "203.0.1.9").await;
    assert!(matches!(stranger, SignIn::Refused(_)), "throttled: not even the right one is checked");
    assert!(matches!(world.sign_in("old", PRIMARY, &imap()).await, SignIn::Admitted(..)));
}

#[tokio::test(start_paused = true)]
async fn nothing_prints_what_was_typed() {
    let world = World::new().await;
    let (_, mandate) = world.account(ALICE).await;
    let issued = world.password(&mandate, "mail").await;
    let secret = Secret::new(issued.secret.expose().to_owned());
    let door = imap();
    let attempt = SignInAttempt {
        login: ALICE,
        acting_as: None,
        secret: &secret,
        door: &door,
        from: HOME.parse().unwrap(),
        client: Client::Unseen,
    };
    let printed = format!("{attempt:?} {issued:?} {:?}", world.keeper);
    assert!(!printed.contains(&issued.secret.expose()[..4]), "{printed}");
}
