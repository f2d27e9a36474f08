//! Changing what opens the account.

use std::time::Duration;

use http::StatusCode;
use keeper::SignIn;

use crate::world::{ALICE, PRIMARY, World};

const NEW: &str = "a wide river in the north";

#[tokio::test(start_paused = true)]
async fn changing_the_primary_password_revokes_every_app_password_and_every_other_browser() {
    let world = World::new().await;
    let (mut alice, person) = world.alice().await;
    let mut elsewhere = world.browser();
    elsewhere.sign_in(ALICE, PRIMARY, person.recovery(0)).await;
    let secret = alice.generate("Laptop", &["mail"]).await.secret().unwrap();
    let before = alice.session().to_owned();

    let form = alice.open("/security/password").await;
    assert!(form.text.contains("All app passwords will be revoked"));
    for autocomplete in ["username", "current-password", "new-password"] {
        assert!(form.text.contains(&format!("autocomplete=\"{autocomplete}\"")), "{autocomplete}");
    }
    for (current, new, again, status) in [
        ("not the right one", NEW, NEW, StatusCode::FORBIDDEN),
        (PRIMARY, NEW, "another river", StatusCode::UNPROCESSABLE_ENTITY),
        (PRIMARY, "alice@example.org", "alice@example.org", StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        let fields = [("current", current), ("password", new), ("again", again)];
        let page = alice.submit(&form, "/security/password", &fields).await;
        assert_eq!(page.status, status, "{}", page.text);
    }
    assert!(matches!(world.app("imap", ALICE, &secret).await, SignIn::Admitted(..)), "nothing has happened so far");

    let fields = [("current", PRIMARY), ("password", NEW), ("again", NEW)];
    let done = alice.submit(&form, "/security/password", &fields).await;
    assert_eq!(done.leads_to(), "/security", "{}", done.text);
    assert_ne!(alice.session(), before);
    assert!(alice.open("/security").await.text.contains("Your primary password is changed"));
    assert!(!matches!(world.app("imap", ALICE, &secret).await, SignIn::Admitted(..)));
    assert_eq!(elsewhere.get("/security").await.leads_to(), "/sign-in");
    world.browser().sign_in(ALICE, NEW, person.recovery(1)).await;
}

#[tokio::test(start_paused = true)]
async fn changing_it_needs_a_fresh_second_factor() {
    let world = World::new().await;
    let (mut alice, person) = world.alice().await;
    world.clock.advance(Duration::from_secs(601));
    let form = alice.open("/security/password").await;
    let fields = [("current", PRIMARY), ("password", NEW), ("again", NEW)];
    let asked = alice.submit(&form, "/security/password", &fields).await;
    assert_eq!(asked.status, StatusCode::FORBIDDEN);
    let code = person.code(&world.clock);
    let done = alice.submit(&form, "/security/password", &[&fields[..], &[("code", code.as_str())]].concat()).await;
    assert_eq!(done.leads_to(), "/security", "{}", done.text);
}

#[tokio::test(start_paused = true)]
async fn new_recovery_codes_are_shown_once_and_replace_the_old() {
    let world = World::new().await;
    let (mut alice, person) = world.alice().await;
    let form = alice.open("/security/recovery-codes").await;
    let shown = alice.submit(&form, "/security/recovery-codes", &[]).await;
    let codes = shown.recovery_codes();
    assert_eq!(codes.len(), 10);
    assert!(!alice.open("/security/recovery-codes").await.text.contains(&codes[0]));
    world.browser().sign_in(ALICE, PRIMARY, &codes[0]).await;
    assert!(alice.open("/security").await.text.contains("9 recovery codes left"));

    let mut old = world.browser();
    let form = old.open("/sign-in").await;
    old.submit(&form, "/sign-in", &[("login", ALICE), ("password", PRIMARY)]).await;
    let form = old.open("/sign-in/code").await;
    let refused = old.submit(&form, "/sign-in/code", &[("code", person.recovery(5))]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
}

#[tokio::test(start_paused = true)]
async fn few_recovery_codes_are_warned_of() {
    let world = World::new().await;
    let (mut alice, person) = world.alice().await;
    assert!(!alice.open("/security").await.text.contains("before you need them"));
    for n in 0..8 {
        world.browser().sign_in(ALICE, PRIMARY, person.recovery(n)).await;
    }
    assert!(alice.open("/security").await.text.contains("two recovery codes left"));
}
