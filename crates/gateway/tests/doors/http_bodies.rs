//! Bodies that take their time, and those that never end.

use std::{sync::Arc, time::Duration};

use authority::Protocol;
use front::Security;
use gateway::{HttpDoor, drive::Drive};
use http::{HeaderName, StatusCode};
use tokio::time::{sleep, timeout};

use crate::{
    asking::{Client, basic},
    behind::{Behind, Does},
    world::{ALICE, PORTAL, Served, World, door},
};

const SOON: Duration = Duration::from_secs(5);

fn dav(world: &World, behind: &Behind) -> HttpDoor {
    let door = door("dav", Protocol::Http, "calendars");
    HttpDoor::forwarding(
        world.keeper.clone(),
        door,
        behind.upstream(),
        gateway::HttpHandover::Header(HeaderName::from_static("x-remote-user")),
        PORTAL,
    )
}

/// The server behind answers when it has all of a body: its time begins there.
#[tokio::test]
async fn an_upload_may_take_longer_than_the_server_behind() {
    let world = World::new().await;
    let mandate = world.account(ALICE).await;
    let credentials = basic(ALICE, world.password(&mandate, "calendars").await.secret.expose());
    let behind = Behind::that(Does::Echoes).await;
    let dav = Served::new(dav(&world, &behind).with_head_timeout(Duration::from_millis(400)), Security::None);
    let mut client = Client::connect(dav.address).await;
    client.say(format!("PUT /a HTTP/1.1\r\nHost: h\r\n{credentials}Content-Length: 8\r\n\r\n").as_bytes()).await;
    for octet in [b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"8"] {
        // A slow line: twice as long as the server may think.
        sleep(Duration::from_millis(100)).await;
        client.say(octet).await;
    }
    let answer = client.answer().await.unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (StatusCode::OK, "12345678"));
}

/// A server that is stuck is still given up, and what it does not read with it.
#[tokio::test]
async fn a_server_behind_that_says_nothing_to_a_body_is_an_outage() {
    let world = World::new().await;
    let mandate = world.account(ALICE).await;
    let credentials = basic(ALICE, world.password(&mandate, "calendars").await.secret.expose());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut behind = Behind::that(Does::Echoes).await;
    // Connects, for the system takes connections by itself; reads nothing.
    behind.address = listener.local_addr().unwrap();
    let dav = Served::new(dav(&world, &behind).with_head_timeout(Duration::from_millis(300)), Security::None);
    for length in [5, 30_000_000] {
        let mut client = Client::connect(dav.address).await;
        let head = format!("PUT /a HTTP/1.1\r\nHost: h\r\n{credentials}Content-Length: {length}\r\n\r\n");
        let request = [head.into_bytes(), vec![b'x'; length]].concat();
        timeout(SOON, client.say(&request)).await.expect("not for ever");
        if length == 5 {
            assert_eq!(client.answer().await.unwrap().status, StatusCode::SERVICE_UNAVAILABLE);
        }
    }
}

/// Whoever is signed in may not hold a connection, an upload and its quota for ever.
#[tokio::test]
async fn a_body_that_stalls_is_given_up() {
    let world = World::new().await;
    let mandate = world.account(ALICE).await;
    let credentials = basic(ALICE, world.password(&mandate, "calendars,files").await.secret.expose());
    let behind = Behind::that(Does::Echoes).await;
    let folder = tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let drive = Arc::new(Drive::new(folder.path().join("drive"), 1 << 20, Box::new(testkit::Seeded::new(1))).unwrap());
    let files = HttpDoor::drive(world.keeper.clone(), door("drive", Protocol::Http, "files"), drive, PORTAL);
    for door in [dav(&world, &behind), files] {
        let served = Served::new(door.with_body_timeout(Duration::from_millis(300)), Security::None);
        for (method, framing, part) in [
            ("PUT", "Content-Length: 10", "1234"),
            ("PUT", "Transfer-Encoding: chunked", "4\r\n1234\r\n"),
            ("PROPFIND", "Content-Length: 10", "<a"),
        ] {
            let mut client = Client::connect(served.address).await;
            let request = format!("{method} /a HTTP/1.1\r\nHost: h\r\n{credentials}{framing}\r\n\r\n{part}");
            client.say(request.as_bytes()).await;
            let answer = timeout(SOON, client.answer()).await.expect("given up").expect("told so");
            assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT, "{method} {framing}");
            assert!(timeout(SOON, client.is_closed()).await.expect("closed"));
        }
    }
    let left = std::fs::read_dir(folder.path().join("drive/.incoming")).unwrap().count();
    assert_eq!(left, 0);
}
