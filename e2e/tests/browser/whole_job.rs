//! What somebody comes to the portal for, from signing in to revoking.

use e2e::PRIMARY;
use fantoccini::Locator;

use crate::{
    SIGN_IN_DENIED, World,
    chromium::{Browser, Look},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn make_a_password_see_it_connect_and_revoke_it() {
    let world = World::start();
    let browser = Browser::open(&world, Look::Desktop).await;
    browser.sign_in(&world.code()).await;
    browser.go("/security/app-passwords").await;
    let empty = browser.page("App-specific passwords").await;
    assert!(empty.contains("You have no app passwords yet."), "{empty}");
    browser.press("Generate a password").await;
    let secret = browser.generate("curl", "Laptop", &["mail", "calendars", "contacts"]).await;
    let groups: Vec<&str> = secret.split('-').collect();
    assert_eq!(groups.len(), 6, "six groups");
    assert!(groups.iter().all(|group| group.len() == 4 && group.bytes().all(|b| b.is_ascii_lowercase())));

    // A row for each door that it opens, and no other; all wait.
    assert_eq!(states(&browser).await, ["waiting", "waiting"]);
    assert_eq!(world.imap(&secret), Some(0));
    let connected = browser.door("Mail (IMAP)", "connected").await;
    assert!(connected.contains("Connected") && connected.contains("127.0.0.1"), "{connected}");
    assert_eq!(states(&browser).await, ["connected", "waiting"], "the other door still waits");

    // Shown once: a reload has everything but the secret, and makes no second one.
    browser.client.refresh().await.unwrap();
    browser.page("Laptop").await;
    assert!(!browser.client.source().await.unwrap().contains(&secret));
    browser.go("/security/app-passwords").await;
    assert_eq!(browser.client.find_all(Locator::Css(".passwords > li")).await.unwrap().len(), 1);

    let mut open = world.open_imap(&secret);
    browser.press("Revoke Laptop").await;
    browser.page("Revoke \u{201c}Laptop\u{201d}?").await;
    assert!(open.command("b", "NOOP").unwrap().last().unwrap().starts_with("b OK"), "asking revokes nothing");
    browser.press("Revoke").await;
    let list = browser.page("App-specific passwords").await;
    assert!(list.contains("You have no app passwords yet."), "{list}");
    assert_eq!(open.rest(), ["* BYE This session was ended."]);
    assert_eq!(world.imap(&secret), SIGN_IN_DENIED);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_that_waits_says_why_an_app_does_not_get_in() {
    let world = World::start();
    let browser = Browser::open(&world, Look::Desktop).await;
    browser.sign_in(&world.code()).await;
    browser.go("/security/app-passwords/new").await;
    let secret = browser.generate("curl", "Tablet", &["mail"]).await;

    // The mistake that nearly everybody makes first.
    assert_eq!(world.imap(PRIMARY), SIGN_IN_DENIED);
    let refused = browser.door("Mail (IMAP)", "refused").await;
    assert!(refused.contains("not an app password, probably your account\u{2019}s own password"), "{refused}");
    assert!(refused.contains("Enter the app password instead"), "says what to do: {refused}");

    // Put right, the same row turns.
    assert_eq!(world.imap(&secret), Some(0));
    browser.door("Mail (IMAP)", "connected").await;

    // And the other way round: an app password does not open the portal.
    browser.client.find(Locator::Css("form[action='/sign-out'] button")).await.unwrap().click().await.unwrap();
    browser.page("Sign in").await;
    browser.fill("#login", "alice").await;
    browser.fill("#password", &secret).await;
    browser.press("Continue").await;
    let problem = browser.client.wait().for_element(Locator::Css("[role=alert]")).await.unwrap();
    let problem = problem.text().await.unwrap();
    assert!(!problem.to_lowercase().contains("app password"), "no hint that it is one: {problem}");
    browser.page("Sign in").await;
    browser.close().await;
}

async fn states(browser: &Browser) -> Vec<String> {
    let mut states = Vec::new();
    for row in browser.client.find_all(Locator::Css(".doors > li")).await.unwrap() {
        states.push(row.attr("class").await.unwrap().unwrap());
    }
    states
}
