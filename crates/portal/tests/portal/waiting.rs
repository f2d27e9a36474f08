//! The page that waits for an app, and says the real reason if it is refused.

use std::time::Duration;

use crate::world::{ALICE, PRIMARY, World};

#[tokio::test(start_paused = true)]
async fn a_door_turns_green_when_the_app_connects() {
    let world = World::new().await;
    let (mut alice, _) = world.alice().await;
    let shown = alice.generate("Laptop", &["mail", "files"]).await;
    let doors = format!("{}/doors", shown.app_password());
    let before = alice.open(&doors).await.text;
    assert_eq!(before.matches("Waiting for the app").count(), 2, "{before}");
    let _admitted = world.app("imap", ALICE, &shown.secret().unwrap()).await;
    let after = alice.open(&doors).await.text;
    assert!(after.contains("<p>Connected</p>") && after.contains("198.51.100.20"), "{after}");
    assert_eq!(after.matches("Waiting for the app").count(), 1, "the other door has seen nothing yet: {after}");
    assert!(!after.contains(&shown.secret().unwrap()));
    // The same without JavaScript.
    assert!(alice.open(&shown.app_password()).await.text.contains("<p>Connected</p>"));
}

#[tokio::test(start_paused = true)]
async fn the_real_reason_is_told_to_the_owner() {
    for (sent, says) in
        [(PRIMARY, "something that is not an app password"), ("abcd-efgh-ijkl-mnop-qrst-uvwx", "none of this account")]
    {
        let world = World::new().await;
        let (mut alice, _) = world.alice().await;
        let shown = alice.generate("Laptop", &["mail", "files"]).await;
        let _refused = world.app("imap", ALICE, sent).await;
        let text = alice.open(&format!("{}/doors", shown.app_password())).await.text;
        assert!(text.contains("Turned away.") && text.contains(says), "{text}");
        assert_eq!(text.matches("Turned away").count(), 1, "only at the door where it was: {text}");
        world.clock.advance(Duration::from_secs(5));
        let _admitted = world.app("imap", ALICE, &shown.secret().unwrap()).await;
        let text = alice.open(&format!("{}/doors", shown.app_password())).await.text;
        assert!(text.contains("<p>Connected</p>") && !text.contains("Turned away"), "{text}");
    }
}

// An old phone repeats its dead password all night.
#[tokio::test(start_paused = true)]
async fn what_another_app_gets_wrong_does_not_spoil_one_that_works() {
    let world = World::new().await;
    let (mut alice, _) = world.alice().await;
    let shown = alice.generate("Laptop", &["mail", "files"]).await;
    let _admitted = world.app("imap", ALICE, &shown.secret().unwrap()).await;
    world.clock.advance(Duration::from_secs(50 * 60));
    let _old_phone = world.app("imap", ALICE, PRIMARY).await;
    let text = alice.open(&shown.app_password()).await.text;
    assert!(text.contains("<p>Connected</p>") && !text.contains("Turned away"), "{text}");
    world.clock.advance(Duration::from_secs(50 * 60));
    alice.open("/security").await;
    let _old_phone = world.app("drive", ALICE, PRIMARY).await;
    let text = alice.open(&shown.app_password()).await.text;
    assert!(text.contains("Not used here yet") && !text.contains("Turned away"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_password_for_another_door_is_told_so_there() {
    let world = World::new().await;
    let (mut alice, _) = world.alice().await;
    let mail = alice.generate("Mail", &["mail"]).await;
    let _refused = world.app("drive", ALICE, &mail.secret().unwrap()).await;
    let files = alice.generate("Files", &["files"]).await;
    let text = alice.open(&format!("{}/doors", files.app_password())).await.text;
    assert!(!text.contains("Turned away"), "that was before, with another: {text}");
}

#[tokio::test(start_paused = true)]
async fn one_that_was_not_used_in_time_says_so() {
    let world = World::new().await;
    let (mut alice, person) = world.alice().await;
    let shown = alice.generate("Laptop", &["mail"]).await;
    world.clock.advance(Duration::from_secs(3601));
    let mut later = world.browser();
    later.sign_in(ALICE, PRIMARY, &person.code(&world.clock)).await;
    let page = later.open(&shown.app_password()).await.text;
    assert!(page.contains("Expired") && !page.contains("Waiting for the app"), "{page}");
    assert!(later.open("/security/app-passwords").await.text.contains("No longer in use (1)"));
    drop(alice);
}
