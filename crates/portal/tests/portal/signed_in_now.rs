//! *Signed in now*.

use std::time::Duration;

use keeper::{LiveSession, SignIn};

use crate::{
    browser::Page,
    world::{ALICE, PRIMARY, World},
};

const HERE: &str = "/security/sessions";

async fn app(world: &World, door: &str, secret: &str) -> LiveSession {
    match world.app(door, ALICE, secret).await {
        SignIn::Admitted(_, session) => session,
        other => panic!("{other:?}"),
    }
}

/// The text of a page between its tags.
fn read(page: &Page) -> String {
    let text: String =
        page.text.split('<').filter_map(|part| part.split_once('>')).flat_map(|(_, text)| [text, " "]).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test(start_paused = true)]
async fn an_app_is_one_line_however_many_connections_it_has_and_ends_as_one() {
    let world = World::new().await;
    let (mut alice, _) = world.alice().await;
    let laptop = alice.generate("Laptop", &["mail"]).await.secret().unwrap();
    let phone = alice.generate("Phone", &["mail"]).await.secret().unwrap();
    let on_laptop = [app(&world, "imap", &laptop).await, app(&world, "imap", &laptop).await];
    let on_phone = app(&world, "imap", &phone).await;

    let page = alice.open(HERE).await;
    let text = read(&page);
    assert_eq!(text.matches("198.51.100.20").count(), 2, "{text}");
    assert!(
        text.contains(
            "Laptop Thunderbird · Mail (IMAP) From 198.51.100.20 Since 15 January 2027, 08:00 UTC , 2 connections"
        ),
        "{text}"
    );
    assert!(on_laptop.iter().all(LiveSession::is_open), "looking ends nothing");

    // The form of the first line: Laptop's.
    let done = alice.submit(&page, "/security/sessions/end-app", &[]).await;
    assert_eq!(done.leads_to(), HERE);
    assert!(on_laptop.iter().all(|session| !session.is_open()));
    assert!(on_phone.is_open());
    assert!(read(&alice.open(HERE).await).contains("That is over. 2 open connections were cut off."));
    // Ended is not revoked.
    drop(app(&world, "imap", &laptop).await);
}

#[tokio::test(start_paused = true)]
async fn an_app_that_signs_in_with_every_request_does_not_flicker() {
    let world = World::new().await;
    let (mut alice, _) = world.alice().await;
    let secret = alice.generate("Phone", &["calendars", "contacts"]).await.secret().unwrap();
    assert!(read(&alice.open(HERE).await).contains("No app is signed in."));
    for _ in 0..20 {
        drop(app(&world, "dav", &secret).await);
    }
    let during = app(&world, "dav", &secret).await;
    let text = read(&alice.open(HERE).await);
    drop(during);
    assert_eq!(text, read(&alice.open(HERE).await), "the same during a request and between two");
    assert_eq!(
        text.matches("Phone Thunderbird · Calendars and contacts From 198.51.100.20 Last asked").count(),
        1,
        "{text}"
    );
    assert!(text.contains("It signs in anew each time it asks."), "{text}");
    world.clock.advance(Duration::from_secs(16 * 60));
    assert!(read(&alice.open(HERE).await).contains("No app is signed in."));
}

#[tokio::test(start_paused = true)]
async fn all_but_this_browser() {
    let world = World::new().await;
    let (mut alice, person) = world.alice().await;
    let secret = alice.generate("Laptop", &["mail"]).await.secret().unwrap();
    let live = app(&world, "imap", &secret).await;
    let (mut second, mut third) = (world.browser(), world.browser());
    for (n, browser) in [&mut second, &mut third].into_iter().enumerate() {
        browser.sign_in(ALICE, PRIMARY, person.recovery(n)).await;
    }
    let bob = world.add("bob@example.org", true).await;
    let mut bobs = world.browser();
    bobs.sign_in("bob", PRIMARY, &bob.code(&world.clock)).await;

    let page = alice.open(HERE).await;
    let text = read(&page);
    assert_eq!((text.matches("This browser").count(), text.matches("Another browser").count()), (1, 2), "{text}");
    let one = alice.submit(&page, "/security/sessions/end-browser", &[]).await;
    assert_eq!(one.leads_to(), HERE);
    let gone =
        [second.get("/security").await.status.is_redirection(), third.get("/security").await.status.is_redirection()];
    assert_eq!(gone.iter().filter(|gone| **gone).count(), 1, "one of the two");

    alice.submit(&page, "/security/sessions/end-others", &[]).await;
    assert!(!live.is_open());
    assert!(
        second.get("/security").await.status.is_redirection() && third.get("/security").await.status.is_redirection()
    );
    let text = read(&alice.open(HERE).await);
    assert!(
        text.contains(
            "Everything but this browser is ended. 1 open connection was cut off. 1 other browser is signed out."
        ),
        "{text}"
    );
    assert!(!text.contains("End all but this browser"), "nothing is left to end");
    bobs.open("/security").await;
}

#[tokio::test(start_paused = true)]
async fn nobody_ends_what_is_somebody_elses() {
    let world = World::new().await;
    let (mut alice, _) = world.alice().await;
    let secret = alice.generate("Laptop", &["mail"]).await.secret().unwrap();
    let live = app(&world, "imap", &secret).await;
    let of_alice = alice.open(HERE).await.form("/security/sessions/end-app", &[]);
    let bob = world.add("bob@example.org", true).await;
    let mut bobs = world.browser();
    let own = bobs.sign_in("bob", PRIMARY, &bob.code(&world.clock)).await.form("/sign-out", &[]);
    let token = own.iter().find(|(name, _)| name == "token").unwrap();
    let mut forged: Vec<_> = of_alice.into_iter().filter(|(name, _)| name != "token").collect();
    forged.push(token.clone());
    bobs.post("/security/sessions/end-app", &forged, &[]).await;
    bobs.post("/security/sessions/end-others", &vec![token.clone()], &[]).await;
    assert!(live.is_open());
    alice.open("/security").await;
}
