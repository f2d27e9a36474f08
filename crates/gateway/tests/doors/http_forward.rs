//! What reaches the server behind, what comes back, and what if it does not.

use std::{sync::atomic::Ordering, time::Duration};

use authority::Protocol;
use front::Security;
use gateway::HttpDoor;
use http::{HeaderName, StatusCode};

use crate::{
    asking::{Client, ask, basic},
    behind::{Behind, Does},
    http_sign_in::dav,
    world::{ALICE, PORTAL, Served, World, door},
};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

async fn alice(world: &World) -> String {
    let mandate = world.account(ALICE).await;
    basic(ALICE, world.password(&mandate, "calendars,contacts").await.secret.expose())
}

#[tokio::test]
async fn the_server_behind_is_told_who_asks_by_us_alone() {
    let world = World::new().await;
    let credentials = alice(&world).await;
    let behind = Behind::that(Does::Says(OK)).await;
    let dav = dav(&world, &behind);
    let headers = format!(
        "{credentials}X_Remote_User: bob\r\nX-REMOTE-USER: bob\r\nX-Forwarded-For: 203.0.113.9\r\nForwarded: for=x\r\n\
         Connection: x-remote-user, x-dropped\r\nX-Dropped: 1\r\nX-Kept: 1\r\nDepth: 1\r\nCookie: a=b\r\n"
    );
    assert_eq!(ask(dav.address, "PROPFIND /.well-known/caldav?x=1", &headers).await.status, StatusCode::OK);
    let seen = behind.requests().remove(0);
    let (line, headers) = seen.split_once("\r\n").unwrap();
    assert_eq!(line, "PROPFIND /.well-known/caldav?x=1 HTTP/1.1");
    let mut headers: Vec<&str> = headers.trim_end().split("\r\n").collect();
    headers.sort_unstable();
    assert_eq!(
        headers,
        [
            "depth: 1",
            "forwarded: for=127.0.0.1;proto=http;host=\"dav.example.org\"",
            "host: dav.example.org",
            "x-forwarded-for: 127.0.0.1",
            "x-forwarded-host: dav.example.org",
            "x-forwarded-proto: http",
            "x-kept: 1",
            "x-remote-user: alice@example.org",
        ]
    );
}

#[tokio::test]
async fn bodies_pass_both_ways_and_connections_are_kept() {
    let world = World::new().await;
    let credentials = alice(&world).await;
    let behind = Behind::that(Does::Echoes).await;
    let dav = dav(&world, &behind);
    let mut client = Client::connect(dav.address).await;
    client.request("PUT /a", &format!("{credentials}Content-Length: 5\r\n\r\nhello")).await;
    // The helper's empty line came after the body: it is noise ahead of the next request.
    assert_eq!(client.answer().await.unwrap().text(), "hello");
    client
        .say(
            format!(
                "PUT /b HTTP/1.1\r\nHost: h\r\n{credentials}Transfer-Encoding: chunked\r\nTrailer: X-Remote-User\r\n\r\n\
                 3\r\nabc\r\n4\r\ndefg\r\n0\r\nX-Remote-User: bob\r\n\r\n"
            )
            .as_bytes(),
        )
        .await;
    let echoed = client.answer().await.unwrap();
    assert!(echoed.text().contains("abc") && echoed.text().ends_with("0\r\n\r\n"), "{}", echoed.text());
    assert!(!behind.requests()[1].contains("bob"), "a trailer is a header that nobody checked");
    client.request("PUT /c", &format!("{credentials}Expect: 100-continue\r\nContent-Length: 3\r\n")).await;
    assert_eq!(client.head().await.unwrap().0, StatusCode::CONTINUE);
    client.say(b"xyz").await;
    assert_eq!(client.answer().await.unwrap().text(), "xyz");
    assert_eq!(behind.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn trouble_behind_is_an_outage_and_never_a_wrong_password() {
    let world = World::new().await;
    let credentials = alice(&world).await;
    for does in [
        Does::SaysAndCloses(""),
        Does::SaysAndCloses("HTTP/1.1 200 OK\r\nContent-"),
        Does::SaysAndCloses("* OK IMAP4rev1\r\n"),
        Does::SaysAndWaits(""),
        Does::Says("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n"),
        Does::Says("HTTP/1.1 407 Proxy\r\nContent-Length: 0\r\n\r\n"),
        Does::Says("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n"),
    ] {
        let behind = Behind::that(does).await;
        let user = gateway::HttpHandover::Header(HeaderName::from_static("x-remote-user"));
        let service = HttpDoor::forwarding(
            world.keeper.clone(),
            door("dav", Protocol::Http, "calendars"),
            behind.upstream(),
            user,
            PORTAL,
        );
        let dav = Served::new(service.with_head_timeout(Duration::from_millis(300)), Security::None);
        let answer = ask(dav.address, "PROPFIND /", &credentials).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.text());
        assert!(answer.headers.contains_key("retry-after") && !answer.headers.contains_key("www-authenticate"));
    }
    let mut behind = Behind::that(Does::Says(OK)).await;
    behind.address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let dav = dav(&world, &behind);
    assert_eq!(ask(dav.address, "PROPFIND /", &credentials).await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn half_an_answer_is_not_taken_for_the_whole() {
    let world = World::new().await;
    let credentials = alice(&world).await;
    for half in [
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nBEGIN:VCALENDAR",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nBEGIN\r\n",
    ] {
        let behind = Behind::that(Does::SaysAndCloses(half)).await;
        let dav = dav(&world, &behind);
        let mut client = Client::connect(dav.address).await;
        client.request("GET /", &credentials).await;
        let answer = client.answer().await.unwrap();
        assert!(answer.text().starts_with("BEGIN") && !answer.whole, "{answer:?}");
        assert!(client.is_closed().await);
    }
}

#[tokio::test]
async fn an_answer_does_not_lead_past_us() {
    let world = World::new().await;
    let credentials = alice(&world).await;
    let behind = Behind::that(Does::Says(
        "HTTP/1.1 301 Moved\r\nLocation: /alice/\r\nConnection: close, x-inner\r\nX-Inner: 1\r\nContent-Length: 0\r\n\r\n",
    ))
    .await;
    let dav = dav(&world, &behind);
    let answer = ask(dav.address, "GET /.well-known/carddav", &credentials).await;
    assert_eq!(answer.headers["location"], "/alice/");
    assert!(!answer.headers.contains_key("x-inner"));
}

/// Two servers that read the same octets differently let a request hide in
/// another: the second one here never gets through.
#[tokio::test]
async fn ambiguous_requests_end_the_connection() {
    let world = World::new().await;
    let credentials = alice(&world).await;
    let behind = Behind::that(Does::Says(OK)).await;
    let dav = dav(&world, &behind);
    let long = "a".repeat(9 * 1024);
    let large = format!("X-Large: {}\r\n", "a".repeat(70 * 1024));
    let hidden = format!("GET /hidden HTTP/1.1\r\nHost: h\r\n{credentials}\r\n");
    for (line, headers, status) in [
        ("PUT /", "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", 400),
        ("PUT /", "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", 400),
        ("PUT /", "Content-Length: 3\r\nContent-Length: 4\r\n", 400),
        ("PUT /", "Content-Length: 3\r\nContent-Length: 3\r\n", 400),
        ("PUT /", "Content-Length: +3\r\n", 400),
        ("PUT /", "Content-Length: 3, 3\r\n", 400),
        ("PUT /", "Transfer-Encoding: gzip, chunked\r\n", 400),
        ("PUT /", "Transfer-Encoding: chunked, identity\r\n", 400),
        ("PUT /", "Transfer-Encoding : chunked\r\n", 400),
        ("GET /", "X: a\r\n folded: b\r\n", 400),
        ("GET /", "Host: other.example.org\r\n", 400),
        ("GET http://other.example.org/", "", 400),
        ("TRACE /", "", 400),
        ("CONNECT h:80", "", 400),
        ("OPTIONS *", "", 400),
        (&format!("GET /{long}"), "", 414),
        ("GET /", &large, 431),
    ] {
        let mut client = Client::connect(dav.address).await;
        let request = format!("{line} HTTP/1.1\r\nHost: dav.example.org\r\n{credentials}{headers}\r\n");
        client.say(format!("{request}0\r\n\r\n{hidden}").as_bytes()).await;
        let answer = client.answer().await.expect(line);
        assert_eq!(answer.status, status, "{line:.40} {headers:.60}");
        assert!(client.is_closed().await, "{line:.40} {headers:.60}");
    }
    assert!(behind.requests().is_empty(), "{:?}", behind.requests());
}
