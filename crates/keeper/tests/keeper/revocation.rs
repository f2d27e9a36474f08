//! Revoked means out, now.

use std::{sync::Arc, time::Duration};

use crate::world::{PRIMARY, World, dav, imap, request};
use authority::{Secret, Standing};
use keeper::{Fenced, Holder, LiveSession, SignIn, Which};
use testkit::Call;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const ALICE: &str = "alice@example.org";

async fn session(world: &World, secret: &Secret) -> LiveSession {
    match world.sign_in(ALICE, secret.expose(), &imap()).await {
        SignIn::Admitted(_, session) => session,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn revoking_ends_its_sessions_before_it_returns_and_no_others() {
    let world = World::new().await;
    let (_, mandate) = world.account(ALICE).await;
    let (laptop, phone) = (world.password(&mandate, "mail").await, world.password(&mandate, "mail").await);
    let (on_laptop, on_phone) = (session(&world, &laptop.secret).await, session(&world, &phone.secret).await);
    let watched = tokio::spawn(async move {
        on_laptop.ended().await;
        on_laptop
    });

    assert_eq!(world.keeper.revoke(&mandate, laptop.password.id).await.unwrap(), Some(1));
    let on_laptop = watched.await.unwrap();
    assert!(!on_laptop.is_open());
    assert!(on_phone.is_open());
    assert!(matches!(world.sign_in(ALICE, laptop.secret.expose(), &imap()).await, SignIn::Refused(_)));
    assert!(matches!(world.sign_in(ALICE, phone.secret.expose(), &imap()).await, SignIn::Admitted(..)));
    assert_eq!(world.keeper.revoke(&mandate, laptop.password.id).await.unwrap(), None, "once is enough");
}

#[tokio::test(start_paused = true)]
async fn not_a_byte_passes_once_a_revocation_is_acknowledged() {
    let world = World::new().await;
    let (_, mandate) = world.account(ALICE).await;
    let issued = world.password(&mandate, "mail").await;
    let live = session(&world, &issued.secret).await;
    let (near, mut far) = tokio::io::duplex(64);
    let holder = Holder::default();
    holder.hold(&live);
    let mut near = Fenced::new(near, holder);
    near.write_all(b"before").await.unwrap();
    let _ = world.keeper.revoke(&mandate, issued.password.id).await.unwrap();
    assert!(near.write_all(b"after").await.is_err());
    assert!(near.read_u8().await.is_err(), "nor from the client to the server");
    drop(near);
    let mut seen = Vec::new();
    far.read_to_end(&mut seen).await.unwrap();
    assert_eq!(seen, b"before");
}

/// A client that does not read fills its socket; the revocation does not wait for it.
#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_holds_no_revocation_up() {
    let world = World::new().await;
    let (_, mandate) = world.account(ALICE).await;
    let issued = world.password(&mandate, "mail").await;
    let live = session(&world, &issued.secret).await;
    let (near, _far) = tokio::io::duplex(8);
    let holder = Holder::default();
    holder.hold(&live);
    let stuck = tokio::spawn(async move { Fenced::new(near, holder).write_all(&[0; 64]).await });
    tokio::task::yield_now().await;
    let revoked = tokio::time::timeout(Duration::from_secs(1), world.keeper.revoke(&mandate, issued.password.id)).await;
    assert_eq!(revoked.expect("does not wait").unwrap(), Some(1));
    stuck.abort();
}

#[tokio::test(start_paused = true)]
async fn every_way_of_losing_the_right_ends_the_sessions() {
    for (what, still_good) in [("suspend", true), ("reset", false), ("remove", false), ("revoke-all", false)] {
        let world = World::new().await;
        let (account, mandate) = world.account(ALICE).await;
        let issued = world.password(&mandate, "mail").await;
        let live = session(&world, &issued.secret).await;
        let keeper = &world.keeper;
        match what {
            "suspend" => keeper.set_standing(&account, &mandate, Standing::Suspended).await.unwrap(),
            "reset" => drop(keeper.reset(&account, &mandate).await.unwrap()),
            "remove" => keeper.remove_account(&account, &mandate).await.unwrap(),
            _ => assert_eq!(keeper.revoke_all(&mandate).await.unwrap(), [issued.password.id]),
        }
        assert!(!live.is_open(), "{what}");
        assert!(matches!(world.sign_in(ALICE, issued.secret.expose(), &imap()).await, SignIn::Refused(_)), "{what}");
        if still_good {
            keeper.set_standing(&account, &mandate, Standing::Active).await.unwrap();
            assert!(matches!(world.sign_in(ALICE, issued.secret.expose(), &imap()).await, SignIn::Admitted(..)));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_does_not_outlive_its_password() {
    let world = World::new().await;
    let (_, mandate) = world.account(ALICE).await;
    let ends = authority::AppPasswordRequest { expires_in: Some(Duration::from_secs(3600)), ..request("mail") };
    let (ending, lasting) = (world.keeper.issue(&mandate, ends).await.unwrap(), world.password(&mandate, "mail").await);
    let (ending, lasting) = (session(&world, &ending.secret).await, session(&world, &lasting.secret).await);
    let house = tokio::spawn({
        let keeper = world.keeper.clone();
        async move { keeper.keep_house().await }
    });
    world.advance(Duration::from_secs(3599));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(ending.is_open());
    world.advance(Duration::from_secs(1));
    ending.ended().await;
    assert!(lasting.is_open());
    house.abort();
}

#[tokio::test(start_paused = true)]
async fn somebody_elses_id_cuts_nothing() {
    let world = World::new().await;
    let (_, mandate) = world.account(ALICE).await;
    let (_, mallory) = world.account("mallory@example.org").await;
    let issued = world.password(&mandate, "mail").await;
    let live = session(&world, &issued.secret).await;
    assert_eq!(world.keeper.revoke(&mallory, issued.password.id).await.unwrap(), None);
    assert_eq!(world.keeper.end_sessions(&mallory, &Which::One(live.info().id)).await.unwrap(), 0);
    assert!(live.is_open());
}

/// A store that fails to commit a revocation: nothing is acknowledged, and the
/// password, which is still good, works again.
#[tokio::test(start_paused = true)]
async fn a_revocation_that_fails_is_not_acknowledged() {
    let world = World::new().await;
    let (_, mandate) = world.account(ALICE).await;
    let issued = world.password(&mandate, "mail").await;
    world.store.set_available(false);
    assert!(world.keeper.revoke(&mandate, issued.password.id).await.is_err());
    world.store.set_available(true);
    assert!(matches!(world.sign_in(ALICE, issued.secret.expose(), &imap()).await, SignIn::Admitted(..)));
}

/// The sign-in has read "active" and is held there; the revocation runs to its
/// end; then the sign-in goes on with what it read. Only the last reading of
/// state, after the session was entered, can turn it away.
#[tokio::test(start_paused = true)]
async fn what_was_read_before_a_revocation_admits_nobody_after_it() {
    let world = Arc::new(World::new().await);
    let (_, mandate) = world.account(ALICE).await;
    let issued = Arc::new(world.password(&mandate, "mail").await);
    // In use: a first use would be turned away by the store itself.
    drop(session(&world, &issued.secret).await);
    let hold = world.store.hold_next(Call::AppPassword);
    let signing_in = tokio::spawn({
        let (world, issued) = (world.clone(), issued.clone());
        async move { world.sign_in(ALICE, issued.secret.expose(), &imap()).await }
    });
    hold.is_done().await;
    assert_eq!(world.keeper.revoke(&mandate, issued.password.id).await.unwrap(), Some(0));
    hold.answer();
    let answer = signing_in.await.unwrap();
    assert!(matches!(answer, SignIn::Refused(_)), "{answer:?}");
    assert!(world.keeper.sessions(None).is_empty());
    assert!(matches!(world.sign_in(ALICE, issued.secret.expose(), &imap()).await, SignIn::Refused(_)));
}

/// The same for what the cache keeps: an account that was read before it was
/// suspended, and would be kept after that, is answered once and not kept.
#[tokio::test(start_paused = true)]
async fn what_was_read_before_a_change_is_not_kept_after_it() {
    let world = Arc::new(World::new().await);
    let (account, mandate) = world.account(ALICE).await;
    let issued = Arc::new(world.password(&mandate, "mail").await);
    let hold = world.store.hold_next(Call::Account);
    let signing_in = tokio::spawn({
        let (world, issued) = (world.clone(), issued.clone());
        async move { world.sign_in(ALICE, issued.secret.expose(), &imap()).await }
    });
    hold.is_done().await;
    world.keeper.set_standing(&account, &mandate, Standing::Suspended).await.unwrap();
    hold.answer();
    assert!(matches!(signing_in.await.unwrap(), SignIn::Refused(_)));
    assert!(matches!(world.sign_in(ALICE, issued.secret.expose(), &imap()).await, SignIn::Refused(_)));
}

/// A browser that closes while its revocation is being committed: nobody waits
/// for the answer, and the password is dead all the same, also to the cache.
#[tokio::test(start_paused = true)]
async fn a_revocation_that_nobody_waits_for_is_a_revocation() {
    let world = Arc::new(World::new().await);
    let (_, mandate) = world.account(ALICE).await;
    let issued = world.password(&mandate, "mail").await;
    drop(session(&world, &issued.secret).await);
    let live = session(&world, &issued.secret).await;
    let hold = world.store.hold_next(Call::Revocation);
    let revoking = tokio::spawn({
        let (keeper, mandate, id) = (world.keeper.clone(), mandate.clone(), issued.password.id);
        async move { keeper.revoke(&mandate, id).await }
    });
    hold.is_done().await;
    revoking.abort();
    assert!(revoking.await.unwrap_err().is_cancelled());
    hold.answer();
    assert!(!live.is_open());
    let answer = loop {
        match world.sign_in(ALICE, issued.secret.expose(), &imap()).await {
            // The fence stands until all is done.
            SignIn::Unavailable => tokio::task::yield_now().await,
            answer => break answer,
        }
    };
    assert!(matches!(answer, SignIn::Refused(_)), "{answer:?}");
}

/// Sign-ins and a revocation at once, on many threads, many times: when the
/// revocation has returned, no session of that password is open and no sign-in
/// that began after it gets in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_sign_in_slips_past_a_revocation() {
    let world = Arc::new(World::new().await);
    let (_, mandate) = world.account(ALICE).await;
    for round in 0..100 {
        let issued = Arc::new(world.password(&mandate, "mail,calendars,contacts").await);
        let racers: Vec<_> = (0..4)
            .map(|n| {
                let (world, issued) = (world.clone(), issued.clone());
                tokio::spawn(async move {
                    let door = if n % 2 == 0 { imap() } else { dav() };
                    let mut held = Vec::new();
                    // A refusal comes after a second: who hears nothing at once was refused.
                    for _ in 0..50 {
                        let asked = world.sign_in(ALICE, issued.secret.expose(), &door);
                        match tokio::time::timeout(Duration::from_millis(20), asked).await {
                            Ok(SignIn::Admitted(_, session)) => held.push(session),
                            Ok(SignIn::Unavailable) => {}
                            Ok(SignIn::Refused(_) | SignIn::TooMany | SignIn::Provisional(..)) | Err(_) => break,
                        }
                    }
                    held
                })
            })
            .collect();
        for _ in 0..round % 7 {
            tokio::task::yield_now().await;
        }
        let _ = world.keeper.revoke(&mandate, issued.password.id).await.unwrap();
        let id = authority::Credential::AppPassword(issued.password.id);
        let left: Vec<_> = world.keeper.sessions(None).into_iter().filter(|s| s.credential == id).collect();
        assert!(left.is_empty(), "round {round}: {left:?}");
        for racer in racers {
            let held = racer.await.unwrap();
            assert!(held.iter().all(|session| !session.is_open()), "round {round}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_cutoff_that_is_enforced_while_serving_ends_what_primary_passwords_opened() {
    let world = World::with_cutoff(authority::Cutoff::Observed).await;
    world.add("old@example.org", false).await;
    let (_, mandate) = world.account(ALICE).await;
    let issued = world.password(&mandate, "mail").await;
    let by_app_password = session(&world, &issued.secret).await;
    let SignIn::Admitted(_, by_primary) = world.sign_in("old", PRIMARY, &imap()).await else { panic!() };
    let policy = world.keeper.policy();
    assert_eq!(world.keeper.govern(policy), 0, "still observing");
    assert!(by_primary.is_open());
    assert_eq!(world.keeper.govern(keeper::Policy { cutoff: authority::Cutoff::Enforced, ..policy }), 1);
    assert!(!by_primary.is_open() && by_app_password.is_open());
    assert!(matches!(world.sign_in("old", PRIMARY, &imap()).await, SignIn::Refused(_)));
}
