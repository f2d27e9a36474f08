//! Making app passwords, looking at them, ending them.

use std::time::Duration;

use http::StatusCode;
use keeper::SignIn;

use crate::world::{ALICE, PRIMARY, World};

const NEW: &str = "/security/app-passwords/new";

#[tokio::test(start_paused = true)]
async fn a_password_is_shown_once_and_works() {
    let world = World::new().await;
    let (mut alice, _) = world.alice().await;
    let shown = alice.generate("Laptop", &["mail", "calendars", "contacts"]).await;
    let secret = shown.secret().unwrap();
    let groups: Vec<_> = secret.split('-').collect();
    assert!(groups.len() == 6 && groups.iter().all(|group| group.len() == 4), "{secret}");
    for help in ["Mail (IMAP)", "port 993", "Calendars and contacts", "https://id.example.org:8444/", ALICE] {
        assert!(shown.text.contains(help), "{help}");
    }
    assert!(!shown.text.contains("Files (WebDAV)"), "what it does not open is not waited for");
    assert!(matches!(world.app("imap", ALICE, &secret).await, SignIn::Admitted(..)));
    assert!(!matches!(world.app("drive", ALICE, &secret).await, SignIn::Admitted(..)));

    let page = shown.app_password();
    for path in [&page, &format!("{page}/doors"), &format!("{page}/revoke"), "/security/app-passwords", "/security"] {
        let text = alice.open(path).await.text;
        assert!(!text.contains(&secret) && !text.contains(groups[2]), "{path} shows it again");
    }
}

#[tokio::test(start_paused = true)]
async fn an_app_of_the_catalogue_is_offered_and_called_by_its_name() {
    let world = World::new().await;
    let (mut alice, _) = world.alice().await;
    let form = alice.open(NEW).await;
    assert!(
        form.text.contains("<option value=\"Grey Heron\" data-opens=\"mail mail_send calendars\">"),
        "{}",
        form.text
    );
    let shown = alice.submit(&form, NEW, &[("app", "heron"), ("label", "Desk"), ("mail", "on")]).await;
    assert!(
        shown.text.contains("Connect <bdi>Grey Heron</bdi>") && shown.text.contains("Normal password"),
        "{}",
        shown.text
    );
    let secret = shown.secret().unwrap();
    let page = shown.app_password();
    assert!(alice.open(&page).await.text.contains("Normal password"), "while it waits");
    let SignIn::Admitted(..) = world.app("imap", ALICE, &secret).await else { panic!("it is good") };
    for path in [&*page, "/security/app-passwords"] {
        let text = alice.open(path).await.text;
        assert!(text.contains("<bdi>Grey Heron</bdi>") && !text.contains("Normal password"), "{path}: {text}");
    }

    let form = alice.open(NEW).await;
    let shown = alice.submit(&form, NEW, &[("app", "Egret"), ("label", "Own"), ("mail", "on")]).await;
    assert!(
        shown.text.contains("Connect <bdi>Egret</bdi>") && !shown.text.contains("class=\"hints\""),
        "{}",
        shown.text
    );
}

// A reload of the page, and a double click, send the form again.
#[tokio::test(start_paused = true)]
async fn the_same_form_makes_one_password_however_often_it_is_sent() {
    let world = World::new().await;
    let (mut alice, _) = world.alice().await;
    let form = alice.open(NEW).await.form(NEW, &[("app", "mutt"), ("label", "Desk"), ("mail", "on")]);
    let shown = alice.post(NEW, &form, &[]).await;
    let before = world.kept();
    let again = alice.post(NEW, &form, &[]).await;
    assert_eq!(again.leads_to(), shown.app_password());
    assert!(again.secret().is_none());
    assert_eq!(world.kept(), before);

    let form = alice.open(NEW).await.form(NEW, &[("app", "mutt"), ("label", "Twice"), ("mail", "on")]);
    let (one, other) = tokio::join!(async { alice.clone().post(NEW, &form, &[]).await }, async {
        alice.clone().post(NEW, &form, &[]).await
    });
    assert_eq!([&one, &other].iter().filter(|page| page.secret().is_some()).count(), 1);
    assert_eq!(world.audit().await.matches("\"Twice\"").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_form_that_was_filled_in_wrong_keeps_what_was_right() {
    let world = World::new().await;
    let (mut alice, _) = world.alice().await;
    let form = alice.open(NEW).await;
    for (filled, says) in [
        (&[("app", "mutt"), ("label", "Desk"), ("expires", "30")][..], "at least one thing"),
        (&[("app", "mutt"), ("label", " "), ("mail", "on"), ("expires", "30")], "1 to 64 characters"),
        (&[("app", ""), ("label", "Desk"), ("mail", "on"), ("expires", "30")], "1 to 64 characters"),
        (&[("app", "mutt"), ("label", "a\u{202e}b"), ("mail", "on"), ("expires", "30")], "direction marks"),
        (&[("app", "mutt"), ("label", "Desk"), ("mail", "on"), ("expires", "9999999999")], "Choose when"),
        (&[("app", "mutt"), ("label", "Desk"), ("expires", ""), ("expires", "30")], "at least one thing"),
    ] {
        let page = alice.submit(&form, NEW, filled).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{filled:?}");
        assert!(page.text.contains(says), "{filled:?}: {}", page.text);
        if filled.contains(&("mail", "on")) {
            assert!(page.text.contains("name=\"mail\" checked"), "{filled:?}");
        }
        if filled.contains(&("expires", "30")) {
            assert!(page.text.contains("<option value=\"30\" selected>"), "{filled:?}");
        }
    }
    assert!(!world.audit().await.contains("app-password-issued"));
}

#[tokio::test(start_paused = true)]
async fn only_what_some_door_asks_for_is_offered() {
    let world = World::new().await;
    let (mut alice, _) = world.alice().await;
    let page = alice.open(NEW).await;
    for offered in ["mail", "calendars", "contacts", "files"] {
        assert!(page.text.contains(&format!("type=\"checkbox\" name=\"{offered}\"")), "{offered}");
    }
    assert!(!page.text.contains("name=\"mail_send\""), "nothing is sent through this site");
}

#[tokio::test(start_paused = true)]
async fn an_old_second_factor_is_asked_for_again_and_nothing_typed_is_lost() {
    let world = World::new().await;
    let (mut alice, person) = world.alice().await;
    let open_for_a_while = alice.open(NEW).await;
    assert!(!open_for_a_while.text.contains("name=\"code\""));
    world.clock.advance(Duration::from_secs(601));
    let filled = [("app", "mutt"), ("label", "Desk"), ("files", "on"), ("expires", "90")];
    let asked = alice.submit(&open_for_a_while, NEW, &filled).await;
    assert_eq!(asked.status, StatusCode::FORBIDDEN);
    assert!(asked.secret().is_none() && asked.text.contains("Confirm with a code"), "{}", asked.text);
    for kept in ["value=\"mutt\"", "value=\"Desk\"", "name=\"files\" checked", "<option value=\"90\" selected>"] {
        assert!(asked.text.contains(kept), "{kept}");
    }
    let wrong = alice.submit(&asked, NEW, &[&filled[..], &[("code", "000000")]].concat()).await;
    assert_eq!(wrong.status, StatusCode::FORBIDDEN);
    assert!(wrong.secret().is_none() && wrong.text.contains("That code did not match"), "{}", wrong.text);
    let code = person.code(&world.clock);
    let shown = alice.submit(&wrong, NEW, &[&filled[..], &[("code", code.as_str())]].concat()).await;
    assert!(shown.secret().is_some(), "{}", shown.text);
    assert!(!alice.open(NEW).await.text.contains("name=\"code\""), "fresh again, for ten minutes");
}

#[tokio::test(start_paused = true)]
async fn what_people_type_is_text_and_not_a_page() {
    let world = World::new().await;
    let (mut alice, _) = world.alice().await;
    let form = alice.open(NEW).await;
    let filled = [("app", "\"><img src=x>"), ("label", "<script>alert(1)</script>"), ("mail", "on")];
    let shown = alice.submit(&form, NEW, &filled).await;
    let page = shown.app_password();
    let revoke = format!("{page}/revoke");
    let confirm = alice.open(&revoke).await;
    let problem = alice.submit(&form, NEW, &[("app", "\"><img src=x>"), ("label", "<script>alert(1)</script>")]).await;
    let mut pages = vec![shown, alice.open(&page).await, alice.open("/security/app-passwords").await, problem];
    alice.submit(&confirm, &revoke, &[]).await;
    pages.push(confirm);
    pages.push(alice.open("/security/app-passwords").await);
    for page in pages {
        assert!(!page.text.contains("<script>alert") && !page.text.contains("<img"), "{}", page.text);
        assert!(page.text.contains("&#60;script&#62;"), "{}", page.text);
    }
    let mut stranger = world.browser();
    let form = stranger.open("/sign-in").await;
    let page = stranger.submit(&form, "/sign-in", &[("login", "\"><script>x</script>"), ("password", "x")]).await;
    assert!(!page.text.contains("<script>x"), "{}", page.text);
}

#[tokio::test(start_paused = true)]
async fn revoking_asks_first_then_cuts_and_tells() {
    let world = World::new().await;
    let (mut alice, _) = world.alice().await;
    let shown = alice.generate("Laptop", &["mail"]).await;
    let (secret, page) = (shown.secret().unwrap(), shown.app_password());
    let SignIn::Admitted(_, session) = world.app("imap", ALICE, &secret).await else { panic!() };
    let list = alice.open("/security/app-passwords").await;
    assert!(list.text.contains("In use") && list.text.contains("Mail (IMAP)") && list.text.contains("198.51.100.20"));

    let confirm = alice.open(&format!("{page}/revoke")).await;
    assert!(confirm.text.contains("Revoke “Laptop”?"));
    assert_eq!(world.keeper.sessions(None).len(), 1, "asking ends nothing");
    let done = alice.submit(&confirm, &format!("{page}/revoke"), &[]).await;
    assert_eq!(done.leads_to(), "/security/app-passwords");
    session.ended().await;
    assert!(!matches!(world.app("imap", ALICE, &secret).await, SignIn::Admitted(..)));

    let list = alice.open("/security/app-passwords").await;
    assert!(list.text.contains("“Laptop” is revoked. 1 open connection was cut off."), "{}", list.text);
    assert!(list.text.contains("No longer in use (1)"));
    assert!(!alice.open("/security/app-passwords").await.text.contains("is revoked."), "told once");
    let again = alice.submit(&confirm, &format!("{page}/revoke"), &[]).await;
    assert_eq!(again.leads_to(), "/security/app-passwords", "in another window: what was wanted");
}

#[tokio::test(start_paused = true)]
async fn revoking_all_leaves_none() {
    let world = World::new().await;
    let (mut alice, _) = world.alice().await;
    let secrets = [alice.generate("One", &["mail"]).await.secret(), alice.generate("Two", &["mail"]).await.secret()];
    let confirm = alice.open("/security/app-passwords/revoke-all").await;
    alice.submit(&confirm, "/security/app-passwords/revoke-all", &[]).await;
    for secret in secrets {
        assert!(!matches!(world.app("imap", ALICE, &secret.unwrap()).await, SignIn::Admitted(..)));
    }
    let list = alice.open("/security/app-passwords").await;
    assert!(list.text.contains("2 app passwords are revoked.") && list.text.contains("You have no app passwords yet"));
}

#[tokio::test(start_paused = true)]
async fn nobody_sees_or_ends_what_belongs_to_somebody_else() {
    let world = World::new().await;
    let (mut alice, _) = world.alice().await;
    let shown = alice.generate("Laptop", &["mail"]).await;
    let page = shown.app_password();
    let bob = world.add("bob@example.org", true).await;
    let mut bobs = world.browser();
    let own = bobs.sign_in("bob", PRIMARY, &bob.code(&world.clock)).await;
    for path in [page.clone(), format!("{page}/doors"), format!("{page}/revoke")] {
        assert_eq!(bobs.get(&path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    let fields = own.form("/sign-out", &[]);
    let status = bobs.post(&format!("{page}/revoke"), &fields, &[]).await.status;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(matches!(world.app("imap", ALICE, &shown.secret().unwrap()).await, SignIn::Admitted(..)));
}

#[tokio::test(start_paused = true)]
async fn the_limit_is_told_with_what_to_do() {
    let world = World::new().await;
    let (mut alice, _) = world.alice().await;
    for n in 0..25 {
        alice.generate(&format!("App {n}"), &["mail"]).await;
    }
    let form = alice.open(NEW).await;
    let page = alice.submit(&form, NEW, &[("app", "mutt"), ("label", "One more"), ("mail", "on")]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        page.text.contains("This account has 25 app passwords") && page.text.contains("revoke one"),
        "{}",
        page.text
    );
}
