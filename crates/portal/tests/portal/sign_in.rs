//! Signing in, setting up, signing out.

use http::StatusCode;

use crate::{
    browser::{Browser, Page},
    world::{ALICE, PRIMARY, World, totp},
};

async fn try_sign_in(browser: &mut Browser, login: &str, password: &str) -> Page {
    let form = browser.open("/sign-in").await;
    browser.submit(&form, "/sign-in", &[("login", login), ("password", password)]).await
}

/// The page without the name that was typed.
fn plain(page: &Page, login: &str) -> String {
    page.text.replace(login, "LOGIN")
}

#[tokio::test(start_paused = true)]
async fn both_factors_lead_in_and_the_way_out_ends_it() {
    let world = World::new().await;
    let (mut alice, _) = world.alice().await;
    let page = alice.open("/security").await;
    assert!(page.text.contains("<h1>Password &amp; Security</h1>") && page.text.contains(ALICE));
    let session = alice.session().to_owned();
    let gone = alice.submit(&page, "/sign-out", &[]).await;
    assert_eq!(gone.leads_to(), "/sign-in");
    assert!(!alice.cookies.contains_key("__Host-postern"), "the cookie is taken away");
    alice.cookies.insert("__Host-postern".into(), session);
    assert_eq!(alice.get("/security").await.leads_to(), "/sign-in", "and was worth nothing any more");
}

#[tokio::test(start_paused = true)]
async fn a_recovery_code_signs_in_once() {
    let world = World::new().await;
    let alice = world.add(ALICE, true).await;
    world.browser().sign_in("alice", PRIMARY, alice.recovery(0)).await;
    let mut again = world.browser();
    try_sign_in(&mut again, "alice", PRIMARY).await;
    let form = again.open("/sign-in/code").await;
    let refused = again.submit(&form, "/sign-in/code", &[("code", alice.recovery(0))]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.text.contains("did not match, or was used before"), "{}", refused.text);
    assert_eq!(again.get("/security").await.leads_to(), "/sign-in");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_names_neither_half_and_keeps_the_name_typed() {
    let world = World::new().await;
    world.add(ALICE, true).await;
    let wrong = try_sign_in(&mut world.browser(), "alice", "not the right one").await;
    let unknown = try_sign_in(&mut world.browser(), "nobody", "not the right one").await;
    assert_eq!((wrong.status, unknown.status), (StatusCode::FORBIDDEN, StatusCode::FORBIDDEN));
    assert_eq!(plain(&wrong, "alice"), plain(&unknown, "nobody"));
    assert!(wrong.text.contains("value=\"alice\"") && !wrong.text.contains("not the right one"));
}

#[tokio::test(start_paused = true)]
async fn the_primary_password_alone_opens_nothing() {
    let world = World::new().await;
    world.add(ALICE, true).await;
    let mut browser = world.browser();
    try_sign_in(&mut browser, "alice", PRIMARY).await;
    for path in [
        "/security",
        "/security/password",
        "/security/recovery-codes",
        "/security/app-passwords",
        "/security/app-passwords/new",
        "/security/app-passwords/revoke-all",
    ] {
        assert!(browser.get(path).await.leads_to().starts_with("/sign-in"), "{path}");
    }
    assert_eq!(
        browser.get("/sign-in/enrol").await.leads_to(),
        "/sign-in",
        "the second factor cannot be replaced by it"
    );
}

#[tokio::test(start_paused = true)]
async fn an_app_password_never_signs_in_here() {
    let world = World::new().await;
    let (mut alice, _) = world.alice().await;
    let secret = alice.generate("Laptop", &["mail"]).await.secret().unwrap();
    let with_app_password = try_sign_in(&mut world.browser(), "alice", &secret).await;
    let with_another = try_sign_in(&mut world.browser(), "alice", "not the right one").await;
    assert_eq!(with_app_password.status, StatusCode::FORBIDDEN);
    assert_eq!(plain(&with_app_password, "alice"), plain(&with_another, "alice"), "not even that it is one is told");
    assert!(with_another.text.contains("App passwords do not open this page"), "the hint is there for everybody");
}

#[tokio::test(start_paused = true)]
async fn too_many_guesses_are_told_so_calmly() {
    let world = World::new().await;
    world.add(ALICE, true).await;
    let mut last = None;
    for n in 0..12 {
        last = Some(try_sign_in(&mut world.browser(), "alice", &format!("guess number {n}")).await);
    }
    let last = last.unwrap();
    assert_eq!(last.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(last.text.contains("Wait a quarter of an hour"), "{}", last.text);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_never_a_wrong_password() {
    let world = World::new().await;
    let (mut alice, _) = world.alice().await;
    world.store.set_available(false);
    let out = try_sign_in(&mut world.browser(), "alice", PRIMARY).await;
    assert_eq!(out.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!out.text.contains("did not match"), "{}", out.text);
    let out = alice.get("/security").await;
    assert_eq!((out.status, out.headers["retry-after"].to_str().unwrap()), (StatusCode::SERVICE_UNAVAILABLE, "60"));
    assert_eq!(alice.get("/").await.status, StatusCode::SERVICE_UNAVAILABLE);
    world.store.set_available(true);
    alice.open("/security").await;
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_leads_to_what_was_asked_for_and_never_elsewhere() {
    let world = World::new().await;
    let alice = world.add(ALICE, true).await;
    let mut browser = world.browser();
    let to = browser.get("/.well-known/change-password").await.leads_to().to_owned();
    let sign_in = browser.get(&to).await.leads_to().to_owned();
    let form = browser.open(&sign_in).await;
    browser.submit(&form, "/sign-in", &[("login", "alice"), ("password", PRIMARY)]).await;
    let form = browser.open("/sign-in/code").await;
    let done = browser.submit(&form, "/sign-in/code", &[("code", &alice.code(&world.clock))]).await;
    assert_eq!(done.leads_to(), "/security/password");
    let lured = world.browser().open("/sign-in?to=https://evil.example/").await;
    assert!(!lured.text.contains("evil"), "{}", lured.text);
}

#[tokio::test(start_paused = true)]
async fn a_second_factor_is_set_up_at_the_first_sign_in() {
    let world = World::new().await;
    world.add(ALICE, false).await;
    let mut browser = world.browser();
    let begun = try_sign_in(&mut browser, "alice", PRIMARY).await;
    assert_eq!(begun.leads_to(), "/sign-in/enrol");
    let before = browser.session().to_owned();
    let form = browser.open("/sign-in/enrol").await;
    assert!(form.text.contains("<svg viewBox") && form.text.contains("autocomplete=\"one-time-code\""));
    let seed = form.text.split("class=\"typed\"").nth(1).unwrap().split("translate=\"no\">").nth(1).unwrap();
    let seed = seed.split('<').next().unwrap().to_owned();

    let wrong = browser.submit(&form, "/sign-in/enrol", &[("code", "000000")]).await;
    assert_eq!(wrong.status, StatusCode::FORBIDDEN);
    assert!(wrong.text.contains(&seed), "the same seed: the app on the phone has it already");
    assert_eq!(browser.get("/security").await.leads_to(), "/sign-in");

    let done = browser.submit(&wrong, "/sign-in/enrol", &[("code", &totp(&seed, &world.clock))]).await;
    let codes = done.recovery_codes();
    assert_eq!(codes.len(), 10, "{}", done.text);
    assert_ne!(browser.session(), before, "a new cookie with the step up");
    let page = browser.open("/security").await;
    assert!(page.text.contains("10 recovery codes left") && !page.text.contains(&codes[0]), "shown once");
    world.browser().sign_in("alice", PRIMARY, &codes[4]).await;
}

#[tokio::test(start_paused = true)]
async fn a_set_up_code_gives_an_account_all_its_factors_once() {
    let world = World::new().await;
    let bob = world.add_without_factors("bob@example.org").await;
    let code = bob.0.set_up.as_ref().unwrap().code.expose().to_owned();
    let mut browser = world.browser();
    let form = browser.open("/set-up").await;
    let refused = browser.submit(&form, "/set-up", &[("login", "bob"), ("code", "aaaaa-aaaaa")]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let begun = browser.submit(&refused, "/set-up", &[("login", "bob"), ("code", &code)]).await;
    assert_eq!(begun.leads_to(), "/set-up/factors");
    assert_eq!(browser.get("/security").await.leads_to(), "/sign-in", "the code alone opens nothing");

    let form = browser.open("/set-up/factors").await;
    let seed = form.text.split("class=\"typed\"").nth(1).unwrap().split("translate=\"no\">").nth(1).unwrap();
    let now = totp(seed.split('<').next().unwrap(), &world.clock);
    let new = "a wide river in the north";
    for (password, again, says) in [
        (new, "another river", "type the same twice"),
        ("short", "short", "at least 12 characters"),
        ("abcdefghijklmnopqrstuvwx", "abcdefghijklmnopqrstuvwx", "the shape of an app password"),
    ] {
        let fields = [("password", password), ("again", again), ("code", now.as_str())];
        let page = browser.submit(&form, "/set-up/factors", &fields).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(page.text.contains(says) && !page.text.contains(password), "{}", page.text);
    }
    let fields = [("password", new), ("again", new), ("code", now.as_str())];
    let done = browser.submit(&form, "/set-up/factors", &fields).await;
    let codes = done.recovery_codes();
    browser.open("/security").await;
    world.browser().sign_in("bob", new, &codes[0]).await;

    let mut late = world.browser();
    let form = late.open("/set-up").await;
    let spent = late.submit(&form, "/set-up", &[("login", "bob"), ("code", &code)]).await;
    assert_eq!(spent.status, StatusCode::FORBIDDEN, "spent");
}
