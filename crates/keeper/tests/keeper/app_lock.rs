//! What owners are told of other apps, and what their answer changes.

use authority::Client;
use keeper::{MOST_STRANGERS, SignIn, Store};

use crate::world::{HOME, World, imap};

const ALICE: &str = "alice@example.org";

async fn comes(world: &World, app: &str, login: &str, secret: &str) -> bool {
    let client = Client::Shown(testkit::signature(app));
    matches!(world.sign_in_as(client, login, secret, &imap(), HOME).await, SignIn::Admitted(..))
}

// Who holds a password chooses what their program says of itself.
#[tokio::test(start_paused = true)]
async fn an_app_that_calls_itself_otherwise_each_time_writes_no_line_each_time() {
    let world = World::new().await;
    let (_, mandate) = world.account(ALICE).await;
    let issued = world.password(&mandate, "mail").await;
    let secret = issued.secret.expose();
    assert!(comes(&world, "thunderbird", ALICE, secret).await);
    for n in 0..3 * MOST_STRANGERS {
        assert!(!comes(&world, &format!("app{n}"), ALICE, secret).await);
    }
    // Also a minute later, when the same ones would be told of again.
    world.advance(std::time::Duration::from_secs(61));
    for n in 0..3 * MOST_STRANGERS {
        assert!(!comes(&world, &format!("later{n}"), ALICE, secret).await);
    }
    let lines = world.store.audit(0, 1000).await.unwrap();
    let told = lines.iter().filter(|line| line.text.contains("app-lock-refused")).count();
    assert_eq!(told, MOST_STRANGERS);
}

#[tokio::test(start_paused = true)]
async fn what_owners_let_in_beside_an_app_is_not_taken_for_the_app() {
    let world = World::new().await;
    for n in 0..4 {
        let login = format!("owner{n}@example.org");
        let (_, mandate) = world.account(&login).await;
        let issued = world.password(&mandate, "mail").await;
        let (id, secret) = (issued.password.id, issued.secret.expose());
        assert!(comes(&world, "thunderbird", &login, secret).await);
        assert!(!comes(&world, "mutt", &login, secret).await, "{login}: none of the others' word counts here");
        assert!(world.keeper.allow(&mandate, id, &testkit::signature("mutt")).await.unwrap());
        assert!(comes(&world, "mutt", &login, secret).await);
    }
    assert!(world.store.forms().await.unwrap().is_empty());
}

// Else its owner could not allow it for a minute, and would not know why.
#[tokio::test(start_paused = true)]
async fn a_password_that_learns_anew_tells_of_the_same_app_at_once() {
    let world = World::new().await;
    let (_, mandate) = world.account(ALICE).await;
    let issued = world.password(&mandate, "mail").await;
    let (id, secret) = (issued.password.id, issued.secret.expose());
    for _ in 0..2 {
        assert!(comes(&world, "thunderbird", ALICE, secret).await);
        assert!(!comes(&world, "mutt", ALICE, secret).await);
        assert_eq!(world.keeper.strangers(&mandate, id).await.unwrap().len(), 1);
        assert!(world.keeper.relearn(&mandate, id).await.unwrap().is_some());
        assert!(world.keeper.strangers(&mandate, id).await.unwrap().is_empty());
    }
}
