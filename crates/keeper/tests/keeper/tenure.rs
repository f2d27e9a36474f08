//! Another server may be at work on the store, and revoking.

use std::time::Duration;

use keeper::{SignIn, Tenure};

use crate::world::{World, imap};

const ALICE: &str = "alice@example.org";

#[tokio::test(start_paused = true)]
async fn while_another_server_may_be_at_work_nobody_is_let_in_and_nobody_stays() {
    let world = World::new().await;
    let (_, mandate) = world.account(ALICE).await;
    let secret = world.password(&mandate, "mail").await.secret;
    let admitted = world.sign_in(ALICE, secret.expose(), &imap()).await;
    let SignIn::Admitted(_, session) = admitted else { panic!("{admitted:?}") };
    let keeper = world.keeper.clone();
    let house = tokio::spawn(async move { keeper.keep_house().await });

    world.store.set_tenure(Tenure::Unsure);
    // The cache knows the answer, and may be out of date.
    assert!(matches!(world.sign_in(ALICE, secret.expose(), &imap()).await, SignIn::Unavailable));
    assert!(world.keeper.readiness().await.is_err());
    // A store that fails as well does not keep the session open.
    world.store.set_available(false);
    tokio::time::timeout(Duration::from_secs(2), session.ended()).await.unwrap();
    assert!(!session.is_open() && !house.is_finished());

    world.store.set_available(true);
    world.store.set_tenure(Tenure::Ours);
    assert!(matches!(world.sign_in(ALICE, secret.expose(), &imap()).await, SignIn::Admitted(..)));
    assert!(world.keeper.readiness().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_was_replaced_comes_to_its_end() {
    let world = World::new().await;
    let (_, mandate) = world.account(ALICE).await;
    let secret = world.password(&mandate, "mail").await.secret;
    let admitted = world.sign_in(ALICE, secret.expose(), &imap()).await;
    let SignIn::Admitted(_, session) = admitted else { panic!("{admitted:?}") };
    world.store.set_tenure(Tenure::Lost);
    tokio::time::timeout(Duration::from_secs(2), world.keeper.keep_house()).await.unwrap();
    assert!(!session.is_open());
    assert!(matches!(world.sign_in(ALICE, secret.expose(), &imap()).await, SignIn::Unavailable));
}
