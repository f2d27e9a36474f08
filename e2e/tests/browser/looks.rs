//! Every page on a desktop, on a phone, and in the dark. With
//! `POSTERN_SCREENSHOTS` set to a folder, a picture of each is left there.

use std::{fs, path::Path};

use e2e::PRIMARY;
use fantoccini::Locator;
use serde_json::{Value, json};

use crate::{
    SIGN_IN_DENIED, World,
    chromium::{Browser, Look},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_desktop() {
    every_page(Look::Desktop).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_phone() {
    every_page(Look::Phone).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_phone_in_the_dark() {
    every_page(Look::DarkPhone).await;
}

async fn every_page(look: Look) {
    let world = World::start();
    let browser = Browser::open(&world, look).await;
    let dark = browser.ask("return matchMedia('(prefers-color-scheme: dark)').matches").await;
    assert_eq!(dark, json!(look == Look::DarkPhone));

    browser.go("/set-up").await;
    look_at(&browser, look, "set-up").await;
    browser.go("/sign-in").await;
    look_at(&browser, look, "sign-in").await;
    browser.fill("#login", "alice").await;
    browser.fill("#password", "not the one that it is").await;
    browser.press("Continue").await;
    browser.client.wait().for_element(Locator::Css("[role=alert]")).await.unwrap();
    look_at(&browser, look, "sign-in-refused").await;
    browser.fill("#password", PRIMARY).await;
    browser.press("Continue").await;
    browser.page("One more step").await;
    look_at(&browser, look, "second-factor").await;
    browser.sign_in(&world.alice.recovery_codes[0]).await;
    look_at(&browser, look, "password-and-security").await;
    browser.go("/security/app-passwords").await;
    look_at(&browser, look, "list-empty").await;

    browser.go("/security/app-passwords/new").await;
    look_at(&browser, look, "generate").await;
    let laptop = browser.generate("Thunderbird", "Laptop", &["mail", "calendars", "contacts"]).await;
    look_at(&browser, look, "shown").await;
    assert_eq!(world.imap(PRIMARY), SIGN_IN_DENIED);
    browser.door("Mail (IMAP)", "refused").await;
    look_at(&browser, look, "shown-turned-away").await;
    let open = world.thunderbird(&laptop);
    browser.door("Mail (IMAP)", "connected").await;
    look_at(&browser, look, "shown-connected").await;
    browser.client.refresh().await.unwrap();
    look_at(&browser, look, "password").await;

    browser.go("/security/sessions").await;
    browser.page("Signed in now").await;
    look_at(&browser, look, "signed-in-now").await;
    drop(open);

    assert_ne!(world.imap(&laptop), Some(0), "it is Thunderbird's");
    browser.go("/security/app-passwords").await;
    browser.press("Laptop").await;
    browser.page("Laptop").await;
    look_at(&browser, look, "password-other-app").await;
    browser.press("Learn its app anew").await;
    browser.page("Have \u{201c}Laptop\u{201d} learn its app anew?").await;
    look_at(&browser, look, "learn-anew").await;
    browser.press("Leave it as it is").await;
    browser.page("Laptop").await;
    browser.press("Allow this app too").await;
    browser.page("Let this app use \u{201c}Laptop\u{201d} too?").await;
    look_at(&browser, look, "allow").await;
    browser.press("Allow this app too").await;
    assert!(browser.page("Laptop").await.contains("let in by you"));
    look_at(&browser, look, "password-two-apps").await;
    assert_eq!(world.imap(&laptop), Some(0));

    for (app, label, opens) in [("Nextcloud", "Kitchen tablet", "files"), ("K-9 Mail", "Old phone", "mail")] {
        browser.go("/security/app-passwords/new").await;
        browser.generate(app, label, &[opens]).await;
    }
    browser.go("/security/app-passwords").await;
    browser.press("Revoke Old phone").await;
    look_at(&browser, look, "revoke").await;
    browser.press("Revoke").await;
    browser.page("App-specific passwords").await;
    look_at(&browser, look, "list-after-revoking").await;
    browser.go("/security/app-passwords").await;
    browser.ask("document.querySelector('details').open = true").await;
    look_at(&browser, look, "list").await;

    // As long as names may be, with nowhere to break.
    let long = "Donaudampfschifffahrtselektrizitaetenhauptbetriebswerkbauunteram";
    assert_eq!(long.len(), 64);
    browser.go("/security/app-passwords/new").await;
    browser.generate(long, long, &["mail"]).await;
    look_at(&browser, look, "shown-long-name").await;
    browser.go("/security/app-passwords").await;
    look_at(&browser, look, "list-long-name").await;
    browser.press(&format!("Revoke {long}")).await;
    look_at(&browser, look, "revoke-long-name").await;

    for (path, name) in [
        ("/security/app-passwords/revoke-all", "revoke-all"),
        ("/security/password", "change-password"),
        ("/security/second-factor", "second-factor-anew"),
        ("/security/recovery-codes", "recovery-codes"),
        ("/nowhere", "not-found"),
    ] {
        browser.go(path).await;
        look_at(&browser, look, name).await;
    }
    browser.go("/security/second-factor").await;
    browser.press("Set up anew").await;
    browser.page("Set up the second factor anew").await;
    look_at(&browser, look, "second-factor-anew-key").await;
    browser.go("/security/recovery-codes").await;
    browser.press("Get ten new codes").await;
    browser.page("Your recovery codes").await;
    look_at(&browser, look, "recovery-codes-shown").await;
    browser.close().await;
}

/// Fits, has one heading of the first order, names its fields, and gives fingers
/// enough to hit.
pub(crate) async fn look_at(browser: &Browser, look: Look, name: &str) {
    browser.client.wait().for_element(Locator::Css("h1")).await.unwrap();
    if let Some(folder) = std::env::var_os("POSTERN_SCREENSHOTS") {
        take(browser, &Path::new(&folder).join(format!("{look:?}")), look, name).await;
    }
    let wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
    assert_eq!(browser.ask(wide).await, json!(0), "{name}: wider than the screen, by so much");
    assert_eq!(browser.ask("return document.querySelectorAll('h1').length").await, json!(1), "{name}");
    let nameless = "return [...document.querySelectorAll('main input:not([type=hidden]):not([aria-hidden]), main select, main textarea')]\
                    .filter(field => !field.labels?.length && field.type !== 'button').map(field => field.outerHTML)";
    assert_eq!(browser.ask(nameless).await, Value::Array(vec![]), "{name}: fields without a name");
    let small = "return [...document.querySelectorAll('button, .button, select, summary, main input:not([type=hidden]):not([type=checkbox]):not([aria-hidden])')]\
                 .filter(e => e.checkVisibility() && e.getBoundingClientRect().height < 43.5).map(e => e.outerHTML)";
    assert_eq!(browser.ask(small).await, Value::Array(vec![]), "{name}: lower than 44 pixels");
}

/// The whole page: on a desktop in a window of its height, on a phone a screen at a time.
async fn take(browser: &Browser, folder: &Path, look: Look, name: &str) {
    fs::create_dir_all(folder).unwrap();
    let number = async |what: &str| browser.ask(&format!("return {what}")).await.as_u64().unwrap();
    if look == Look::Desktop {
        browser.client.set_window_size(1280, 900).await.unwrap();
        let height = number("document.documentElement.scrollHeight + outerHeight - innerHeight").await;
        browser.client.set_window_size(1280, u32::try_from(height).unwrap().max(900)).await.unwrap();
    }
    let screens = number("Math.ceil(document.documentElement.scrollHeight / innerHeight)").await;
    for screen in 0..screens {
        browser.ask(&format!("scrollTo({{top: {screen} * innerHeight, behavior: 'instant'}})")).await;
        let file = if screen == 0 { format!("{name}.png") } else { format!("{name}-{}.png", screen + 1) };
        fs::write(folder.join(file), browser.client.screenshot().await.unwrap()).unwrap();
    }
    browser.ask("scrollTo({top: 0, behavior: 'instant'})").await;
}
