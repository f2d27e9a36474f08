//! What a password is locked to, as its owner sees and changes it.

use std::time::Duration;

use authority::{
    Catalogue, Protocol,
    catalogue::{Look, Looks, Source},
};
use http::StatusCode;
use keeper::SignIn;

use crate::{
    browser::{Browser, Page},
    world::{ALICE, World, heron},
};

async fn comes(world: &World, name: &str, secret: &str) -> bool {
    matches!(world.app_called(name, ALICE, secret).await, SignIn::Admitted(..))
}

/// A password for mail that nobody has used: its letters, and its page.
async fn made(alice: &mut Browser) -> (String, String) {
    let shown = alice.generate("Laptop", &["mail"]).await;
    (shown.secret().unwrap(), shown.app_password())
}

#[tokio::test(start_paused = true)]
async fn the_page_says_in_words_what_a_password_is_locked_to() {
    let world = World::new().await;
    let (mut alice, _) = world.alice().await;
    let (secret, page) = made(&mut alice).await;
    assert!(alice.open(&page).await.text.contains("The first app that uses it, and from then on no other"));
    assert!(comes(&world, "thunderbird", &secret).await);
    let text = alice.open(&page).await.text;
    assert!(text.contains("<bdi>Thunderbird</bdi></strong>, on mail, since <time"), "{text}");
    assert!(!text.contains("tried by"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn another_app_is_kept_out_until_the_owner_lets_it_in() {
    let world = World::new().await;
    let (mut alice, person) = world.alice().await;
    let (secret, page) = made(&mut alice).await;
    assert!(comes(&world, "thunderbird", &secret).await);
    assert!(!comes(&world, "mutt", &secret).await);

    let about = alice.open(&page).await;
    for says in [
        "It was tried by <strong>another app</strong>",
        "198.51.100.20",
        "Mail (IMAP), and refused",
        "Revoke the password",
    ] {
        assert!(about.text.contains(says), "{says}: {}", about.text);
    }
    let to = format!("{page}/allow");
    let asked = alice.submit(&about, &to, &[]).await;
    assert_eq!(asked.status, StatusCode::OK);
    assert!(asked.text.contains("only if it was you"), "{}", asked.text);
    assert!(!comes(&world, "mutt", &secret).await, "asking is not yet letting in");

    // It takes a second factor that was shown lately.
    world.clock.advance(Duration::from_secs(601));
    let refused = alice.submit(&asked, &to, &[]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(!comes(&world, "mutt", &secret).await);
    let done = alice.submit(&refused, &to, &[("code", &person.code(&world.clock))]).await;
    assert_eq!(done.leads_to(), page, "{}", done.text);
    assert!(comes(&world, "mutt", &secret).await);
    assert!(comes(&world, "thunderbird", &secret).await);
    let about = alice.open(&page).await.text;
    assert!(about.contains("let in by you") && !about.contains("tried by"), "{about}");
    assert!(world.audit().await.contains("\"event\":\"app-allowed\""));
}

#[tokio::test(start_paused = true)]
async fn what_was_never_refused_cannot_be_let_in_nor_by_a_stranger() {
    let world = World::new().await;
    let (mut alice, _) = world.alice().await;
    let (secret, page) = made(&mut alice).await;
    assert!(comes(&world, "thunderbird", &secret).await);
    assert!(!comes(&world, "mutt", &secret).await);
    let to = format!("{page}/allow");
    let mut form = alice.open(&page).await.form(&to, &[]);
    form.push(("sure".into(), "yes".into()));
    let client = form.iter_mut().find(|(name, _)| name == "client").unwrap();
    client.1 = testkit::signature("curl").to_string();
    let done = alice.post(&to, &form, &[("sec-fetch-site", "same-origin")]).await;
    assert_eq!(done.leads_to(), page);
    assert!(alice.open(&page).await.text.contains("Nothing was changed"));
    assert!(!comes(&world, "curl", &secret).await);

    let bob = world.add("bob@example.org", true).await;
    let mut other = world.browser();
    other.sign_in("bob@example.org", crate::world::PRIMARY, &bob.code(&world.clock)).await;
    let theirs = other.open("/security/app-passwords/new").await;
    let token = theirs.form("/security/app-passwords/new", &[]).into_iter().find(|(name, _)| name == "token").unwrap();
    let client = ("client".to_owned(), testkit::signature("mutt").to_string());
    let form = vec![token, client, ("sure".to_owned(), "yes".to_owned())];
    assert_eq!(other.post(&to, &form, &[("sec-fetch-site", "same-origin")]).await.status, StatusCode::NOT_FOUND);
    assert!(!comes(&world, "mutt", &secret).await);
}

#[tokio::test(start_paused = true)]
async fn a_client_without_a_name_is_called_what_it_looks_like_but_with_its_own_password() {
    const SILENT: &str = "-";
    let world = World::new().await;
    let mut heron = heron();
    let look = Look::new(Protocol::Imap, "a009,LOGIN.qq", Some("SELECT")).unwrap();
    heron.looks.push(Looks { look, source: Source::Seen("2.1".into()) });
    world.keeper.know(&Catalogue::new(vec![heron]).unwrap());
    let (mut alice, _) = world.alice().await;

    let (secret, page) = made(&mut alice).await;
    assert!(comes(&world, "thunderbird", &secret).await);
    assert!(!comes(&world, SILENT, &secret).await);
    let text = alice.open(&page).await.text;
    assert!(text.contains("It was tried by <strong><bdi>Grey Heron</bdi></strong> from"), "{text}");

    // What its owner uses with it is what they made it for, whoever looks the same.
    let (secret, page) = made(&mut alice).await;
    assert!(comes(&world, SILENT, &secret).await);
    let text = alice.open(&page).await.text;
    assert!(text.contains(", on mail, since <time") && !text.contains("Grey Heron"), "{text}");
}

async fn learn_anew(alice: &mut Browser, page: &str) -> Page {
    let to = format!("{page}/relearn");
    let form = alice.open(&to).await;
    assert!(form.text.contains("within 1 hour"), "{}", form.text);
    alice.submit(&form, &to, &[]).await
}

#[tokio::test(start_paused = true)]
async fn a_password_that_learns_anew_takes_the_next_app_and_signs_the_old_one_out() {
    let world = World::new().await;
    let (mut alice, _) = world.alice().await;
    let (secret, page) = made(&mut alice).await;
    let SignIn::Admitted(_, session) = world.app_called("thunderbird", ALICE, &secret).await else { panic!() };
    assert_eq!(learn_anew(&mut alice, &page).await.leads_to(), page);
    assert!(!session.is_open());
    let about = alice.open(&page).await.text;
    assert!(about.contains("Waiting for its first use") && about.contains("1 open connection was cut off"), "{about}");
    assert!(comes(&world, "mutt", &secret).await);
    assert!(!comes(&world, "thunderbird", &secret).await);

    assert_eq!(learn_anew(&mut alice, &page).await.leads_to(), page);
    world.clock.advance(Duration::from_secs(3601));
    assert!(!comes(&world, "mutt", &secret).await, "it was not used in time");
}
