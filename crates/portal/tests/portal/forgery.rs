//! Forms that other pages send in somebody's name.

use axum::body::Body;
use http::{Request, StatusCode, header};

use crate::{
    browser::Fields,
    world::{PRIMARY, URL, World},
};

const NEW: &str = "/security/app-passwords/new";

#[tokio::test(start_paused = true)]
async fn forged_forms_change_nothing() {
    let world = World::new().await;
    let (mut alice, _) = world.alice().await;
    let bob = world.add("bob@example.org", true).await;
    let mut bobs = world.browser();
    bobs.sign_in("bob", PRIMARY, &bob.code(&world.clock)).await;

    let filled = [("app", "mutt"), ("label", "Desk"), ("mail", "on")];
    let own = alice.open(NEW).await.form(NEW, &filled);
    let of_bob = bobs.open(NEW).await.form(NEW, &filled);
    let without: Fields = own.iter().filter(|(name, _)| name != "token").cloned().collect();
    let before = world.kept();
    let same = [("sec-fetch-site", "same-origin")];
    for (what, fields, headers) in [
        ("no token", &without, &same[..]),
        ("somebody else's token", &of_bob, &same),
        ("another site", &own, &[("sec-fetch-site", "cross-site")]),
        ("a sibling host", &own, &[("sec-fetch-site", "same-site")]),
        ("typed into the address bar", &own, &[("sec-fetch-site", "none")]),
        ("an older browser at another site", &own, &[("origin", "https://evil.example")]),
        ("an older browser that hides where it is", &own, &[("origin", "null")]),
    ] {
        let page = alice.post(NEW, fields, headers).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{what}");
        assert!(page.text.contains("Nothing was changed"), "{what}");
    }
    assert_eq!(world.kept(), before);
    for (what, headers) in [("an older browser at home", &[("origin", URL)][..]), ("one that says nothing", &[])] {
        let form = alice.open(NEW).await.form(NEW, &filled);
        assert_eq!(alice.post(NEW, &form, headers).await.status, StatusCode::OK, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_form_needs_its_token() {
    let world = World::new().await;
    let (mut alice, _) = world.alice().await;
    let one = alice.generate("Laptop", &["mail"]).await.app_password();
    let before = world.kept();
    let fields: Fields = [
        ("token", "guessed"),
        ("current", PRIMARY),
        ("password", "a wide river in the north"),
        ("again", "a wide river in the north"),
        ("code", ""),
        ("app", "x"),
        ("label", "x"),
        ("mail", "on"),
        ("once", "x"),
        ("door", "imap"),
        ("from", "198.51.100.20"),
        ("browser", "x"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    for action in [
        "/sign-out",
        NEW,
        "/security/password",
        "/security/recovery-codes",
        "/security/app-passwords/revoke-all",
        "/security/sessions/end-app",
        "/security/sessions/end-browser",
        "/security/sessions/end-others",
        &format!("{one}/revoke"),
    ] {
        let page = alice.post(action, &fields, &[("sec-fetch-site", "same-origin")]).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{action}");
    }
    assert_eq!(world.kept(), before);
    alice.open("/security").await;
}

// Signed in to the attacker's account, somebody would keep their mail there.
#[tokio::test(start_paused = true)]
async fn nobody_is_signed_in_by_a_strangers_page() {
    let world = World::new().await;
    let mallory = world.add("mallory@example.org", true).await;
    let mut victim = world.browser();
    let first: Fields = [("login", "mallory"), ("password", PRIMARY)].map(|(n, v)| (n.into(), v.into())).into();
    let forced = victim.post("/sign-in", &first, &[("sec-fetch-site", "cross-site")]).await;
    assert_eq!(forced.status, StatusCode::FORBIDDEN);
    assert!(victim.cookies.is_empty());

    // A browser that does not say where a form comes from.
    victim.post("/sign-in", &first, &[]).await;
    let mut attacker = world.browser();
    attacker.post("/sign-in", &first, &[]).await;
    let code = mallory.code(&world.clock);
    let second = attacker.open("/sign-in/code").await.form("/sign-in/code", &[("code", &code)]);
    assert_eq!(victim.post("/sign-in/code", &second, &[]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(victim.get("/security").await.leads_to(), "/sign-in");
}

#[tokio::test(start_paused = true)]
async fn only_forms_of_our_kind_and_size_are_read() {
    let world = World::new().await;
    let (mut alice, _) = world.alice().await;
    let mut form = alice.open(NEW).await.form(NEW, &[("app", "mutt"), ("label", "Desk"), ("mail", "on")]);
    for (kind, status) in [
        ("application/x-www-form-urlencoded; charset=UTF-8", StatusCode::OK),
        ("text/plain", StatusCode::BAD_REQUEST),
        ("multipart/form-data; boundary=x", StatusCode::BAD_REQUEST),
        ("application/json", StatusCode::BAD_REQUEST),
    ] {
        let body = Body::from(serde_urlencoded::to_string(&form).unwrap());
        let request = Request::post(NEW).header(header::CONTENT_TYPE, kind).body(body).unwrap();
        assert_eq!(alice.send(request).await.status, status, "{kind}");
    }
    form.push(("label".into(), "x".repeat(64 * 1024)));
    assert_eq!(alice.post(NEW, &form, &[]).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(alice.open("/security").await.status, StatusCode::OK);
}
