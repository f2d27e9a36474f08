//! Connections to the server behind: kept where that is safe, and nobody's but
//! their own request's.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::StatusCode;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::{
    asking::{Client, ask, basic},
    behind::{Behind, Does},
    http_sign_in::dav,
    world::{ALICE, Served, World},
};

const SOON: Duration = Duration::from_secs(10);
const HI: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

/// Says something else to each request of a connection; closes after the last.
struct Script {
    connections: Arc<AtomicUsize>,
    heads: Arc<Mutex<Vec<String>>>,
}

async fn scripted(says: &'static [&'static str]) -> (Behind, Script) {
    let mut behind = Behind::that(Does::Echoes).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    behind.address = listener.local_addr().unwrap();
    let script = Script { connections: Arc::default(), heads: Arc::default() };
    let (connections, heads) = (script.connections.clone(), script.heads.clone());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            connections.fetch_add(1, Ordering::SeqCst);
            let heads = heads.clone();
            tokio::spawn(async move {
                let _ = say(stream, says, &heads).await;
            });
        }
    });
    (behind, script)
}

async fn say(mut stream: TcpStream, says: &[&str], heads: &Mutex<Vec<String>>) -> std::io::Result<()> {
    for said in says {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        heads.lock().unwrap().push(String::from_utf8_lossy(&head).into_owned());
        stream.write_all(said.as_bytes()).await?;
    }
    Ok(())
}

async fn alice(world: &World) -> String {
    let mandate = world.account(ALICE).await;
    basic(ALICE, world.password(&mandate, "calendars,contacts").await.secret.expose())
}

async fn answers(dav: &Served, line: &str, headers: &str) -> (StatusCode, String) {
    let answer = timeout(SOON, ask(dav.address, line, headers)).await.expect("an answer");
    (answer.status, answer.text())
}

#[tokio::test]
async fn one_connection_serves_one_request_after_another() {
    let world = World::new().await;
    let credentials = alice(&world).await;
    for answer in [HI, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"] {
        let behind = Behind::that(Does::Says(answer)).await;
        let dav = dav(&world, &behind);
        for _ in 0..20 {
            assert_eq!(answers(&dav, "GET /", &credentials).await.1, "hi");
        }
        assert_eq!(behind.connections.load(Ordering::SeqCst), 1, "{answer}");
    }
    let behind = Behind::that(Does::Says("HTTP/1.1 204 No Content\r\n\r\n")).await;
    let dav = dav(&world, &behind);
    for line in ["DELETE /", "PROPFIND /", "HEAD /"] {
        assert_eq!(answers(&dav, line, &credentials).await.0, StatusCode::NO_CONTENT);
    }
    assert_eq!(behind.connections.load(Ordering::SeqCst), 1);
}

/// What a server says that nobody asked for would be the next one's answer.
#[tokio::test]
async fn nobody_gets_what_was_left_over_from_another() {
    let world = World::new().await;
    let alices = alice(&world).await;
    let bob = world.account("bob@example.org").await;
    let bobs = basic("bob@example.org", world.password(&bob, "calendars,contacts").await.secret.expose());
    for odd in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nalices",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi\r\nalices",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nalices",
        "HTTP/1.1 204 No Content\r\nContent-Length: 6\r\n\r\nalices",
        "HTTP/1.1 304 Not Modified\r\n\r\nalices",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi",
        "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    ] {
        let script: &'static [&'static str] =
            Box::leak(Box::new([odd, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"]));
        let (behind, script) = scripted(script).await;
        let dav = dav(&world, &behind);
        assert_ne!(answers(&dav, "GET /", &alices).await.0, StatusCode::SERVICE_UNAVAILABLE, "{odd}");
        let second = answers(&dav, "GET /", &bobs).await;
        assert!(!second.1.contains("alices") && second.1 != "evil", "{odd}: {second:?}");
        assert_eq!(script.connections.load(Ordering::SeqCst), 2, "{odd}");
    }
    // A head has no body, whatever it says.
    let (behind, script) = scripted(&["HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nalices", HI]).await;
    let dav = dav(&world, &behind);
    assert_eq!(answers(&dav, "HEAD /", &format!("{alices}Connection: close\r\n")).await.0, StatusCode::OK);
    assert_eq!(answers(&dav, "GET /", &bobs).await.0, StatusCode::OK);
    assert_eq!(script.connections.load(Ordering::SeqCst), 2);
}

/// A session that was cut takes its connection with it.
#[tokio::test]
async fn a_connection_that_was_cut_serves_nobody_else() {
    let world = World::new().await;
    let mandate = world.account(ALICE).await;
    let issued = world.password(&mandate, "calendars,contacts").await;
    let other = basic(ALICE, world.password(&mandate, "calendars,contacts").await.secret.expose());
    let behind = Behind::that(Does::SaysAndWaits("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nBEGIN")).await;
    let dav = dav(&world, &behind);
    let mut client = Client::connect(dav.address).await;
    client.request("GET /", &basic(ALICE, issued.secret.expose())).await;
    assert_eq!(client.head().await.unwrap().0, StatusCode::OK);
    let _ = world.keeper.revoke(&mandate, issued.password.id).await.unwrap();
    timeout(SOON, behind.gone.notified()).await.expect("the server behind is let go of");
    let mut client = Client::connect(dav.address).await;
    client.request("GET /", &other).await;
    assert_eq!(client.head().await.unwrap().0, StatusCode::OK);
    assert_eq!(behind.connections.load(Ordering::SeqCst), 2);
}

/// The server closes a kept connection just as the next request is on its way.
#[tokio::test]
async fn a_request_is_sent_again_only_where_that_is_safe() {
    let world = World::new().await;
    let credentials = alice(&world).await;
    let put = format!("{credentials}Content-Length: 2\r\n\r\nhi");
    for (line, headers, says, again) in [
        ("GET /", &credentials, &[HI, ""], true),
        ("PROPFIND /", &credentials, &[HI, ""], true),
        // May have been done already.
        ("DELETE /", &credentials, &[HI, ""], false),
        ("PUT /", &put, &[HI, ""], false),
        // It has begun to answer.
        ("GET /", &credentials, &[HI, "HTTP/1.1 200"], false),
    ] {
        let says: &'static [&'static str] = says;
        let (behind, script) = scripted(says).await;
        let dav = dav(&world, &behind);
        assert_eq!(answers(&dav, "GET /first", &credentials).await.1, "hi");
        let second = answers(&dav, line, headers).await;
        let heads = script.heads.lock().unwrap().len();
        match again {
            true => assert_eq!((second.1.as_str(), heads), ("hi", 3), "{line}"),
            false => assert_eq!((second.0, heads), (StatusCode::SERVICE_UNAVAILABLE, 2), "{line} {says:?}"),
        }
    }
}

/// One that was closed meanwhile costs nobody a request, not even an upload.
#[tokio::test]
async fn a_connection_that_is_gone_is_not_used() {
    let world = World::new().await;
    let credentials = alice(&world).await;
    let behind = Behind::that(Does::SaysAndCloses(HI)).await;
    let dav = dav(&world, &behind);
    for _ in 0..5 {
        let put = format!("{credentials}Content-Length: 2\r\n\r\nhi");
        assert_eq!(answers(&dav, "PUT /", &put).await.1, "hi");
        timeout(SOON, behind.gone.notified()).await.expect("closed");
        // Its end is known here once everything that is ready has run.
        tokio::task::yield_now().await;
    }
    assert_eq!(behind.connections.load(Ordering::SeqCst), 5);
}
