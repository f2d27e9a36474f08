//! Scripts are comfort only: the same job in a browser that runs none.

use fantoccini::Locator;

use crate::{
    SIGN_IN_DENIED, World,
    chromium::{Browser, Look},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_whole_job_without_scripts() {
    let world = World::start();
    let browser = Browser::open(&world, Look::NoScripts).await;
    browser.sign_in(&world.code()).await;
    browser.go("/security/app-passwords").await;
    browser.press("Generate a password").await;
    let secret = browser.generate("curl", "Laptop", &["mail"]).await;

    // What only a script can do is not offered.
    let copy = browser.client.find(Locator::Css("[data-copy]")).await.unwrap();
    assert!(!copy.is_displayed().await.unwrap());
    browser.door("Mail (IMAP)", "waiting").await;
    assert_eq!(world.imap(&secret), Some(0));
    browser.press("Check now").await;
    browser.page("Laptop").await;
    browser.door("Mail (IMAP)", "connected").await;
    assert!(!browser.client.source().await.unwrap().contains(&secret));

    // Ended, it may come back; revoked, it may not.
    let mut ended = world.open_imap(&secret);
    browser.go("/security/sessions").await;
    browser.press("End Laptop at Mail (IMAP)").await;
    assert_eq!(ended.rest(), ["* BYE This session was ended."]);
    browser.client.wait().for_element(Locator::Css("[role=status]")).await.unwrap();
    let page = browser.page("Signed in now").await;
    assert!(page.contains("That is over. 1 open connection was cut off."), "{page}");
    assert!(page.contains("No app is signed in."), "{page}");
    browser.press("revoke the password").await;
    browser.page("App-specific passwords").await;

    let mut open = world.open_imap(&secret);
    browser.press("Revoke Laptop").await;
    browser.page("Revoke \u{201c}Laptop\u{201d}?").await;
    browser.press("Revoke").await;
    browser.page("App-specific passwords").await;
    assert_eq!(open.rest(), ["* BYE This session was ended."]);
    assert_eq!(world.imap(&secret), SIGN_IN_DENIED);
    browser.close().await;
}
