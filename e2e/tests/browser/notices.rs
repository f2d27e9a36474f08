//! What an owner is told above the pages, on a desktop, on a phone, and in the dark.

use e2e::Imap;
use fantoccini::Locator;
use serde_json::json;

use crate::{
    World,
    chromium::{Browser, Look},
    looks::look_at,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_desktop() {
    what_happened(Look::Desktop).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_phone() {
    what_happened(Look::Phone).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_phone_in_the_dark() {
    what_happened(Look::DarkPhone).await;
}

/// An app that says this of itself tries a password.
fn another_app(world: &World, secret: &str, name: &str) {
    let mut imap = Imap::connect(world.postern.imap, &world.postern.ca(), false).unwrap();
    imap.line().unwrap();
    imap.command("a", &format!("ID (\"name\" \"{name}\")")).unwrap();
    imap.command("b", &format!("LOGIN alice \"{secret}\"")).unwrap();
    // Refused, and told to the owner, by the time of the answer.
    let _ = imap.command("c", "LIST \"\" \"*\"");
}

async fn what_happened(look: Look) {
    let world = World::start();
    let browser = Browser::open(&world, look).await;
    browser.sign_in(&world.alice.recovery_codes[0]).await;
    let long = "Donaudampfschifffahrtselektrizitaetenhauptbetriebswerkbauunteram";
    browser.go("/security/app-passwords/new").await;
    browser.generate("Thunderbird", long, &["mail"]).await;
    browser.go("/security/app-passwords/new").await;
    let laptop = browser.generate("Thunderbird", "Laptop", &["mail"]).await;
    another_app(&world, &laptop, "K-9 Mail");
    another_app(&world, &laptop, "An app that nobody knows");

    browser.go("/security").await;
    let told = browser.page("Password & Security").await;
    assert!(told.contains("(Thunderbird) was tried by K-9 Mail from 127.0.0.1 on Mail (IMAP), and refused."), "{told}");
    assert!(told.contains("an unknown app") && !told.contains("nobody knows"), "{told}");
    look_at(&browser, look, "password-and-security-told").await;
    browser.go("/security/app-passwords").await;
    browser.page("App-specific passwords").await;
    look_at(&browser, look, "list-told").await;
    browser.press("Show all 6").await;
    browser.page("What happened lately").await;
    look_at(&browser, look, "notices").await;
    browser.press("Revoke the password").await;
    browser.page("Revoke \u{201c}Laptop\u{201d}?").await;

    browser.go("/security/app-passwords").await;
    browser.client.find(Locator::Css(".told .alarming form button")).await.unwrap().click().await.unwrap();
    browser.client.wait().for_element(Locator::XPath("//a[normalize-space()='Show all 5']")).await.unwrap();
    assert!(browser.client.current_url().await.unwrap().path().ends_with("/security/app-passwords"));
    browser.press("Show all 5").await;
    browser.press("Dismiss all").await;
    browser.page("Password & Security").await;
    assert_eq!(browser.ask("return document.querySelectorAll('.told').length").await, json!(0));
    browser.close().await;
}
