//! Changing what opens the account.

use std::time::Duration;

use http::StatusCode;
use keeper::SignIn;

use crate::world::{ALICE, PRIMARY, World, totp};

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

#[tokio::test(start_paused = true)]
async fn factors_that_an_administrator_has_chosen_are_told_until_their_owner_has_chosen_anew() {
    let world = World::new().await;
    let (mut alice, person) = world.alice().await;
    let told = alice.open("/security").await;
    assert!(told.text.contains("has chosen your primary password and your second factor, and knows both"));

    let form = alice.open("/security/password").await;
    let fields = [("current", PRIMARY), ("password", NEW), ("again", NEW)];
    alice.submit(&form, "/security/password", &fields).await;
    assert!(alice.open("/security").await.text.contains("has chosen your second factor, and knows its key"));

    let secret = alice.generate("Laptop", &["mail"]).await.secret().unwrap();
    let mut elsewhere = world.browser();
    elsewhere.sign_in(ALICE, NEW, person.recovery(0)).await;
    let before = alice.session().to_owned();

    let form = alice.open("/security/second-factor").await;
    let begun = alice.submit(&form, "/security/second-factor", &[]).await;
    assert_eq!(begun.leads_to(), "/security/second-factor/new", "{}", begun.text);
    let form = alice.open("/security/second-factor/new").await;
    assert!(form.text.contains("<svg"), "no QR code");
    let old = person.code(&world.clock);
    let refused = alice.submit(&form, "/security/second-factor/new", &[("code", &old)]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "a code of the old app");
    assert_eq!(refused.typed_key(), form.typed_key(), "the key that was scanned stays");
    elsewhere.open("/security").await;

    let code = totp(&form.typed_key(), &world.clock);
    let codes = alice.submit(&form, "/security/second-factor/new", &[("code", &code)]).await.recovery_codes();
    assert_eq!(codes.len(), 10);
    assert_ne!(alice.session(), before);
    let security = alice.open("/security").await;
    assert!(!security.text.contains("Whoever runs this service"), "{}", security.text);
    assert!(security.text.contains("10 recovery codes left"));
    assert_eq!(elsewhere.get("/security").await.leads_to(), "/sign-in");
    assert!(matches!(world.app("imap", ALICE, &secret).await, SignIn::Admitted(..)), "app passwords go on");
    assert_eq!(world.audit().await.matches("second-factor-replaced").count(), 1);

    // The old app and the old codes are out, the new ones are in.
    world.clock.advance(Duration::from_secs(60));
    let mut browser = world.browser();
    let form = browser.open("/sign-in").await;
    browser.submit(&form, "/sign-in", &[("login", ALICE), ("password", NEW)]).await;
    let form = browser.open("/sign-in/code").await;
    for code in [person.code(&world.clock).as_str(), person.recovery(1)] {
        let refused = browser.submit(&form, "/sign-in/code", &[("code", code)]).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{code}");
    }
    let done = browser.submit(&form, "/sign-in/code", &[("code", &codes[0])]).await;
    assert_eq!(done.leads_to(), "/security", "{}", done.text);
}

#[tokio::test(start_paused = true)]
async fn setting_the_second_factor_up_anew_needs_the_old_one_fresh() {
    let world = World::new().await;
    let (mut alice, person) = world.alice().await;
    assert_eq!(alice.get("/security/second-factor/new").await.leads_to(), "/security/second-factor", "not begun");
    world.clock.advance(Duration::from_secs(601));
    let form = alice.open("/security/second-factor").await;
    let asked = alice.submit(&form, "/security/second-factor", &[]).await;
    assert_eq!(asked.status, StatusCode::FORBIDDEN);
    let code = person.code(&world.clock);
    let begun = alice.submit(&form, "/security/second-factor", &[("code", &code)]).await;
    assert_eq!(begun.leads_to(), "/security/second-factor/new", "{}", begun.text);

    // Left open over lunch: the key is neither shown nor taken.
    let form = alice.open("/security/second-factor/new").await;
    world.clock.advance(Duration::from_secs(601));
    assert_eq!(alice.get("/security/second-factor/new").await.leads_to(), "/security/second-factor");
    let code = totp(&form.typed_key(), &world.clock);
    let late = alice.submit(&form, "/security/second-factor/new", &[("code", &code)]).await;
    assert_eq!(late.leads_to(), "/security/second-factor");
    assert!(!world.audit().await.contains("second-factor-replaced"));
}
