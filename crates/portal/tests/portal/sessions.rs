//! Cookies, and how long they are worth something.

use std::time::Duration;

use authority::{Login, Standing};
use http::header;

use crate::world::{ALICE, PRIMARY, World};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn cookies_stay_on_this_host_and_out_of_scripts() {
    let world = World::new().await;
    world.add(ALICE, true).await;
    let mut browser = world.browser();
    let form = browser.open("/sign-in").await;
    let begun = browser.submit(&form, "/sign-in", &[("login", "alice"), ("password", PRIMARY)]).await;
    assert!(!form.headers.contains_key(header::SET_COOKIE), "nobody who only looks gets one");
    let set = begun.headers[header::SET_COOKIE].to_str().unwrap();
    for part in ["__Host-postern=", "; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax"] {
        assert!(set.contains(part), "{set}");
    }
    assert!(!set.contains("Domain"), "{set}");
}

#[tokio::test(start_paused = true)]
async fn every_step_up_gives_a_new_cookie_and_ends_the_old_one() {
    let world = World::new().await;
    let alice = world.add(ALICE, true).await;
    let mut browser = world.browser();
    let form = browser.open("/sign-in").await;
    browser.submit(&form, "/sign-in", &[("login", "alice"), ("password", PRIMARY)]).await;
    let pending = browser.session().to_owned();
    let form = browser.open("/sign-in/code").await;
    browser.submit(&form, "/sign-in/code", &[("code", &alice.code(&world.clock))]).await;
    assert_ne!(browser.session(), pending);
    let mut planted = world.browser();
    planted.cookies.insert("__Host-postern".into(), pending);
    assert_eq!(planted.get("/security").await.leads_to(), "/sign-in");
    assert_eq!(planted.get("/sign-in/code").await.leads_to(), "/sign-in");
}

#[tokio::test(start_paused = true)]
async fn a_made_up_cookie_is_nobody() {
    let world = World::new().await;
    world.alice().await;
    for value in ["", "x", "0000000000000000000000000000000000000000000"] {
        let mut browser = world.browser();
        browser.cookies.insert("__Host-postern".into(), value.into());
        assert_eq!(browser.get("/security").await.leads_to(), "/sign-in", "{value}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_does_nothing_for_an_hour_is_signed_out() {
    let world = World::new().await;
    let (mut alice, _) = world.alice().await;
    for _ in 0..3 {
        world.clock.advance(MINUTE * 59);
        alice.open("/security").await;
    }
    world.clock.advance(MINUTE * 61);
    assert_eq!(alice.get("/security").await.leads_to(), "/sign-in");
}

#[tokio::test(start_paused = true)]
async fn a_page_that_asks_by_itself_keeps_nobody_signed_in() {
    let world = World::new().await;
    let (mut alice, _) = world.alice().await;
    let page = alice.generate("Laptop", &["mail"]).await.app_password();
    for _ in 0..4 {
        world.clock.advance(MINUTE * 14);
        alice.open(&format!("{page}/doors")).await;
    }
    world.clock.advance(MINUTE * 14);
    assert!(alice.get(&format!("{page}/doors")).await.status.is_redirection());
}

#[tokio::test(start_paused = true)]
async fn nobody_stays_longer_than_half_a_day() {
    let world = World::new().await;
    let (mut alice, _) = world.alice().await;
    for _ in 0..14 {
        world.clock.advance(MINUTE * 50);
        alice.open("/security").await;
    }
    world.clock.advance(MINUTE * 50);
    assert_eq!(alice.get("/security").await.leads_to(), "/sign-in");
}

#[tokio::test(start_paused = true)]
async fn a_suspended_account_is_signed_out_everywhere_at_once() {
    let world = World::new().await;
    let (mut alice, _) = world.alice().await;
    let (account, mandate) = world.keeper.administer(0, &Login::parse(ALICE).unwrap()).await.unwrap();
    world.keeper.set_standing(&account, &mandate, Standing::Suspended).await.unwrap();
    assert_eq!(alice.get("/security").await.leads_to(), "/sign-in");
    let (account, mandate) = world.keeper.administer(0, &Login::parse(ALICE).unwrap()).await.unwrap();
    world.keeper.set_standing(&account, &mandate, Standing::Active).await.unwrap();
    assert_eq!(alice.get("/security").await.leads_to(), "/sign-in", "and stays so when it is resumed");
}

#[tokio::test(start_paused = true)]
async fn the_audit_names_the_client_and_not_the_proxy() {
    for (peer, named) in [("127.0.0.1", "203.0.113.9"), ("192.0.2.66", "192.0.2.66")] {
        let world = World::at("https://id.example.org", &["127.0.0.0/8"]).await;
        let alice = world.add(ALICE, true).await;
        let mut browser = world.browser();
        browser.peer = peer.parse().unwrap();
        browser.headers.insert("x-forwarded-for", "198.51.100.99, 203.0.113.9".parse().unwrap());
        browser.sign_in("alice", PRIMARY, &alice.code(&world.clock)).await;
        let audit = world.audit().await;
        assert!(audit.contains(named) && !audit.contains("198.51.100.99"), "{audit}");
    }
}
