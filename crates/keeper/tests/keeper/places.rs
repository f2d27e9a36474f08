//! How many sessions may stand under one app password, and ending some of them.

use authority::{Credential, Reason, Timestamp};
use keeper::{Lasts, LiveSession, SignIn, Which};

use crate::world::{World, dav, imap};

const ALICE: &str = "alice@example.org";

async fn enter(world: &World, secret: &str, door: &authority::Door, from: &str) -> LiveSession {
    match world.sign_in_from(ALICE, secret, door, from).await {
        SignIn::Admitted(_, session) => session,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn one_more_than_a_password_may_have_is_put_off_and_told() {
    let world = World::new().await;
    let (account, mandate) = world.account(ALICE).await;
    let (full, other) =
        (world.password(&mandate, "mail,calendars,contacts").await, world.password(&mandate, "mail").await);
    let secret = full.secret.expose();
    let mut held = Vec::new();
    for _ in 0..64 {
        held.push(enter(&world, secret, &imap(), "192.0.2.7").await);
    }
    for _ in 0..3 {
        let more = world.sign_in(ALICE, secret, &imap()).await;
        assert!(matches!(more, SignIn::TooMany), "{more:?}");
    }
    assert_eq!(world.keeper.sessions(None).len(), 64);
    let told = world.keeper.refusals(account.id, Timestamp::from_millis(0)).await.unwrap();
    let told: Vec<_> = told.iter().map(|line| (line.reason, line.app_password, line.count)).collect();
    assert_eq!(told, [(Reason::TooManySessions, Some(full.password.id), 3)]);

    // Neither its owner's other apps nor the same app's calendar wait for it.
    drop(enter(&world, other.secret.expose(), &imap(), "192.0.2.7").await);
    drop(enter(&world, secret, &dav(), "192.0.2.7").await);

    // One that goes makes room for one.
    held.pop();
    held.push(enter(&world, secret, &imap(), "192.0.2.7").await);
    assert!(matches!(world.sign_in(ALICE, secret, &imap()).await, SignIn::TooMany));
}

#[tokio::test(start_paused = true)]
async fn requests_are_counted_beside_connections() {
    let world = World::new().await;
    let (_, mandate) = world.account(ALICE).await;
    let issued = world.password(&mandate, "mail,calendars,contacts").await;
    let secret = issued.secret.expose();
    let mut held = Vec::new();
    for _ in 0..64 {
        held.push(enter(&world, secret, &dav(), "192.0.2.7").await);
    }
    assert!(matches!(world.sign_in(ALICE, secret, &dav()).await, SignIn::TooMany));
    held.push(enter(&world, secret, &imap(), "192.0.2.7").await);
    let requests = world.keeper.sessions(None).iter().filter(|session| session.lasts == Lasts::Request).count();
    assert_eq!(requests, 64);
}

#[tokio::test(start_paused = true)]
async fn what_one_app_has_at_one_door_ends_together() {
    let world = World::new().await;
    let (_, mandate) = world.account(ALICE).await;
    let (laptop, phone) = (world.password(&mandate, "mail").await, world.password(&mandate, "mail").await);
    let at_home = [
        enter(&world, laptop.secret.expose(), &imap(), "192.0.2.7").await,
        enter(&world, laptop.secret.expose(), &imap(), "192.0.2.7").await,
    ];
    let elsewhere = enter(&world, laptop.secret.expose(), &imap(), "198.51.100.1").await;
    let on_phone = enter(&world, phone.secret.expose(), &imap(), "192.0.2.7").await;
    let which = Which::Of {
        credential: Credential::AppPassword(laptop.password.id),
        door: "imap".into(),
        from: [192, 0, 2, 7].into(),
    };
    assert_eq!(world.keeper.end_sessions(&mandate, &which).await.unwrap(), 2);
    assert!(at_home.iter().all(|session| !session.is_open()));
    assert!(elsewhere.is_open() && on_phone.is_open());
    assert_eq!(world.keeper.end_sessions(&mandate, &which).await.unwrap(), 0, "they are over");
    // Ended, not locked out.
    drop(enter(&world, laptop.secret.expose(), &imap(), "192.0.2.7").await);
}
