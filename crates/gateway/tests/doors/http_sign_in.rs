//! Who comes in at an HTTP door, and what the others are told.

use std::sync::Arc;

use authority::Protocol;
use front::Security;
use gateway::{HttpDoor, drive::Drive};
use http::{HeaderName, StatusCode};

use crate::{
    asking::{Answer, ask, basic},
    behind::{Behind, Does},
    world::{ALICE, PORTAL, PRIMARY, Served, World, door},
};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: a=1; Domain=example.org\r\n\r\nhi";

pub(crate) fn door_to(world: &World, behind: &Behind) -> HttpDoor {
    let door = door("dav", Protocol::Http, "calendars,contacts");
    let user = gateway::HttpHandover::Header(HeaderName::from_static("x-remote-user"));
    HttpDoor::forwarding(world.keeper.clone(), door, behind.upstream(), user, PORTAL)
}

pub(crate) fn dav(world: &World, behind: &Behind) -> Served {
    Served::new(door_to(world, behind), Security::None)
}

/// All of an answer but its date.
fn told(answer: Answer) -> (StatusCode, Vec<(String, String)>, Vec<u8>) {
    let headers = answer.headers.iter().filter(|(name, _)| *name != "date");
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    (answer.status, headers, answer.body)
}

#[tokio::test]
async fn an_app_password_opens_what_it_was_made_for() {
    let world = World::new().await;
    let mandate = world.account(ALICE).await;
    let good = world.password(&mandate, "calendars,contacts").await;
    let narrow = world.password(&mandate, "calendars").await;
    let behind = Behind::that(Does::Says(OK)).await;
    let dav = dav(&world, &behind);

    let answer = ask(dav.address, "PROPFIND /", &basic("alice", good.secret.expose())).await;
    assert_eq!((answer.status, answer.text().as_str()), (StatusCode::OK, "hi"));
    assert!(behind.requests()[0].contains("x-remote-user: alice@example.org\r\n"));

    let answer = ask(dav.address, "PROPFIND /", &basic(ALICE, narrow.secret.expose())).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(answer.text().contains(PORTAL), "{}", answer.text());
    assert!(!answer.headers.contains_key("www-authenticate"), "the password is not to be asked for again");
    assert_eq!(behind.requests().len(), 1);
}

#[tokio::test]
async fn every_refusal_is_the_same() {
    let world = World::new().await;
    let mandate = world.account(ALICE).await;
    let revoked = world.password(&mandate, "calendars,contacts").await;
    let _ = world.keeper.revoke(&mandate, revoked.password.id).await.unwrap();
    let behind = Behind::that(Does::Says(OK)).await;
    let dav = dav(&world, &behind);
    let attempts = [
        basic(ALICE, "aaaa-aaaa-aaaa-aaaa-aaaa-aaaa"),
        basic(ALICE, revoked.secret.expose()),
        basic(ALICE, PRIMARY),
        basic("nobody@example.org", PRIMARY),
        // Not even an attempt:
        String::new(),
        "Authorization: Bearer abc\r\n".to_owned(),
        "Authorization: Basic !!!\r\n".to_owned(),
    ];
    let answers = attempts.iter().map(|headers| ask(dav.address, "PROPFIND /", headers));
    let mut answers = futures_util::future::join_all(answers).await.into_iter().map(told);
    let first = answers.next().unwrap();
    assert_eq!(first.0, StatusCode::UNAUTHORIZED);
    let text = String::from_utf8_lossy(&first.2).into_owned();
    assert!(text.contains("app password") && text.contains(PORTAL), "{text}");
    assert!(
        first.1.iter().any(|(n, v)| n == "www-authenticate" && v == r#"Basic realm="dav", charset="UTF-8""#),
        "{first:?}"
    );
    for answer in answers {
        assert_eq!(answer, first);
    }
    assert!(behind.requests().is_empty());
}

#[tokio::test]
async fn an_outage_is_not_a_wrong_password() {
    let world = World::new().await;
    let mandate = world.account(ALICE).await;
    let good = world.password(&mandate, "calendars,contacts").await;
    let behind = Behind::that(Does::Says(OK)).await;
    let dav = dav(&world, &behind);
    world.store.set_available(false);
    let answer = ask(dav.address, "PROPFIND /", &basic(ALICE, good.secret.expose())).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn what_is_for_apps_is_not_for_browsers() {
    let world = World::new().await;
    let mandate = world.account(ALICE).await;
    let good = world.password(&mandate, "calendars,contacts").await;
    let behind = Behind::that(Does::Says(OK)).await;
    let dav = dav(&world, &behind);
    let credentials = basic(ALICE, good.secret.expose());
    for page in ["Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe", "Sec-Fetch-Site: cross-site"] {
        let answer = ask(dav.address, "GET /", &format!("{page}\r\n{credentials}")).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert!(answer.text().contains("for apps") && answer.text().contains(PORTAL), "{}", answer.text());
    }
    assert!(behind.requests().is_empty());
    let cookie = format!("Cookie: portal=secret\r\n{credentials}");
    for (line, headers) in [("GET /", cookie.as_str()), ("GET /", ""), ("GET /", "Sec-Fetch-Mode: navigate\r\n")] {
        let answer = ask(dav.address, line, headers).await;
        assert_eq!(answer.headers["content-security-policy"], "sandbox; default-src 'none'");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert_eq!(answer.headers["cross-origin-resource-policy"], "same-origin");
        assert_eq!(answer.headers["referrer-policy"], "no-referrer");
        assert!(!answer.headers.contains_key("set-cookie"));
    }
    assert!(!behind.requests()[0].contains("portal=secret"));
}

#[tokio::test]
async fn the_drive_has_the_same_door() {
    let world = World::new().await;
    let (alice, bob) = (world.account(ALICE).await, world.account("bob@example.org").await);
    let (alices, bobs) = (world.password(&alice, "files").await, world.password(&bob, "files").await);
    let folder = tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let drive = Arc::new(Drive::new(folder.path().join("drive"), 1 << 20, Box::new(testkit::Seeded::new(1))).unwrap());
    let files = HttpDoor::drive(world.keeper.clone(), door("drive", Protocol::Http, "files"), drive, PORTAL);
    let files = Served::new(files, Security::None);
    let alices = basic(ALICE, alices.secret.expose());
    let bobs = basic("bob@example.org", bobs.secret.expose());

    let page = "<script>alert(1)</script>";
    let put = format!("{alices}Content-Length: {}\r\n\r\n{page}", page.len());
    let mut client = crate::asking::Client::connect(files.address).await;
    client.say(format!("PUT /page.html HTTP/1.1\r\nHost: h\r\n{put}").as_bytes()).await;
    assert_eq!(client.answer().await.unwrap().status, StatusCode::CREATED);
    let answer = ask(files.address, "GET /page.html", &alices).await;
    assert_eq!(answer.text(), page);
    assert_eq!(answer.headers["content-security-policy"], "sandbox; default-src 'none'");
    assert_eq!(ask(files.address, "GET /page.html", &bobs).await.status, StatusCode::NOT_FOUND);
    let reading = basic(ALICE, world.password(&alice, "files:read").await.secret.expose());
    for (line, status) in [("GET /page.html", 200), ("PROPFIND /", 207), ("DELETE /page.html", 403), ("MKCOL /d", 403)]
    {
        assert_eq!(ask(files.address, line, &reading).await.status, status, "{line}");
    }
    assert_eq!(ask(files.address, "GET /page.html", "").await.status, StatusCode::UNAUTHORIZED);
}
