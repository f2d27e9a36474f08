//! The banner: what happened, until its owner has dismissed it.

use authority::{Actor, AppPasswordId, Entry, Event};
use http::StatusCode;
use keeper::{Clock, Store};

use crate::{
    browser::Browser,
    world::{ALICE, PRIMARY, Person, World},
};

const DISMISS: &str = "/security/notices/dismiss";

/// Another app tries a password, as the keeper writes it down.
async fn tried(world: &World, alice: &Person, password: &str, app: Option<&str>) {
    let id: AppPasswordId = password.rsplit('/').next().unwrap().parse().unwrap();
    let door = "imap".to_owned();
    let actor = Actor::Door { door: door.clone(), from: [203, 0, 113, 7].into() };
    let event = Event::AppLockRefused { id, app: app.map(str::to_owned), door };
    let account = Some(alice.0.id);
    world.store.record(&Entry { at: world.clock.now(), actor, account, event }).await.unwrap();
}

async fn dismiss_everything(browser: &mut Browser) {
    let page = browser.open("/security/notices").await;
    browser.submit(&page, "/security/notices/dismiss-all", &[]).await;
}

#[tokio::test(start_paused = true)]
async fn an_app_that_was_refused_is_shown_with_what_to_do_until_it_is_dismissed() {
    let world = World::new().await;
    let (mut browser, alice) = world.alice().await;
    let laptop = browser.generate("Laptop <b>", &["mail"]).await.app_password();
    dismiss_everything(&mut browser).await;
    assert!(!browser.open("/security").await.text.contains("class=\"told\""), "nothing, where there is nothing");

    tried(&world, &alice, &laptop, Some("mutt")).await;
    for path in ["/security", "/security/app-passwords", "/security/notices"] {
        let page = browser.open(path).await;
        let told = "Your app password \u{201c}<strong><bdi>Laptop &#60;b&#62;</bdi></strong>\u{201d} (<strong><bdi>Thunderbird</bdi></strong>) \
                    was tried by mutt from 203.0.113.7 on Mail (IMAP), and refused.";
        assert!(page.text.contains(told), "{path}: {}", page.text);
        assert!(page.text.contains("15 January 2027"), "{path}");
        let links = page.links();
        assert!(links.contains(&format!("{laptop}/revoke")) && links.contains(&laptop), "{path}: {links:?}");
    }
    let page = browser.open("/security/app-passwords").await;
    let gone = browser.submit(&page, DISMISS, &[]).await;
    assert_eq!(gone.leads_to(), "/security/app-passwords");
    assert!(!browser.open("/security/app-passwords").await.text.contains("was tried by"));

    // Of a password that is revoked nothing is left to do.
    tried(&world, &alice, &laptop, None).await;
    let confirm = browser.open(&format!("{laptop}/revoke")).await;
    browser.submit(&confirm, &format!("{laptop}/revoke"), &[]).await;
    let page = browser.open("/security").await;
    assert!(page.text.contains("was tried by an unknown app from"), "{}", page.text);
    assert!(!page.text.contains("Revoke the password") && !page.text.contains("Allow this app too"));
}

#[tokio::test(start_paused = true)]
async fn a_few_stand_above_the_page_and_all_behind_a_link() {
    let world = World::new().await;
    let (mut browser, alice) = world.alice().await;
    let laptop = browser.generate("Laptop", &["mail"]).await.app_password();
    tried(&world, &alice, &laptop, None).await;
    for label in ["Phone", "Tablet", "Watch"] {
        browser.generate(label, &["mail"]).await;
    }
    let page = browser.open("/security").await;
    let at = |words: &str| page.text.find(words).unwrap_or_else(|| panic!("no {words} in {}", page.text));
    assert!(at("was tried by") < at("<bdi>Watch</bdi>"), "what may be somebody else's doing comes first");
    assert!(
        at("<bdi>Watch</bdi>") < at("<bdi>Tablet</bdi>") && !page.text.contains("<bdi>Phone</bdi>"),
        "newest first"
    );
    assert!(page.text.contains("<a href=\"/security/notices\">Show all 6</a>"), "{}", page.text);
    let all = browser.open("/security/notices").await;
    assert_eq!(all.text.matches(&format!("action=\"{DISMISS}\"")).count(), 6);

    // What came after the page was made has not been seen.
    browser.generate("Printer", &["mail"]).await;
    browser.submit(&all, "/security/notices/dismiss-all", &[]).await;
    let left = browser.open("/security/notices").await;
    assert_eq!(left.text.matches(&format!("action=\"{DISMISS}\"")).count(), 1);
    assert!(left.text.contains("<bdi>Printer</bdi>"));
}

#[tokio::test(start_paused = true)]
async fn only_its_owner_dismisses_it() {
    let world = World::new().await;
    let (mut browser, _) = world.alice().await;
    browser.generate("Laptop", &["mail"]).await;
    let page = browser.open("/security").await;
    let form = page.form(DISMISS, &[]);
    let bob = world.add("bob@example.org", true).await;
    let mut bobs = world.browser();
    let bobs_page = bobs.sign_in("bob", PRIMARY, &bob.code(&world.clock)).await;
    let mut mixed = bobs_page.form(DISMISS, &[]);
    mixed.iter_mut().find(|(name, _)| name == "notice").unwrap().1 =
        form.iter().find(|(name, _)| name == "notice").unwrap().1.clone();
    bobs.post(DISMISS, &mixed, &[]).await;
    assert!(browser.open("/security").await.text.contains("<bdi>Laptop</bdi>"), "{ALICE} has not dismissed it");
    // Nor does another site in her name.
    let page = browser.post(DISMISS, &form, &[("sec-fetch-site", "cross-site")]).await;
    assert_ne!(page.status, StatusCode::SEE_OTHER);
    let without: Vec<_> = form.iter().filter(|(name, _)| name != "token").cloned().collect();
    assert_ne!(browser.post(DISMISS, &without, &[]).await.status, StatusCode::SEE_OTHER);
    assert!(browser.open("/security").await.text.contains("<bdi>Laptop</bdi>"));
    // A dismissal leads to a page of ours, whatever the form says.
    let away: Vec<_> = form
        .into_iter()
        .map(|(name, value)| if name == "back" { (name, "//evil.example".to_owned()) } else { (name, value) })
        .collect();
    assert_eq!(browser.post(DISMISS, &away, &[]).await.leads_to(), "/security");
    assert!(!browser.open("/security").await.text.contains("<bdi>Laptop</bdi>"));
}
