//! What a client's connection goes through: answers ahead of their time, clients that
//! leave, and last words that have to be heard.

use std::time::Duration;

use http::StatusCode;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::timeout,
};

use crate::{
    asking::{Client, ask, basic},
    behind::{Behind, Does},
    http_sign_in::dav,
    world::{ALICE, World},
};

const SOON: Duration = Duration::from_secs(10);

async fn alice(world: &World) -> String {
    let mandate = world.account(ALICE).await;
    basic(ALICE, world.password(&mandate, "calendars,contacts").await.secret.expose())
}

/// Whoever leaves waits for nothing: the request behind ends too, and its session.
#[tokio::test]
async fn a_client_that_leaves_lets_go_of_what_is_behind() {
    let world = World::new().await;
    let credentials = alice(&world).await;
    let behind = Behind::that(Does::SaysAndWaits("")).await;
    let dav = dav(&world, &behind);
    let mut client = Client::connect(dav.address).await;
    client.request("GET /", &credentials).await;
    while behind.requests().is_empty() {
        tokio::task::yield_now().await;
    }
    drop(client);
    timeout(SOON, behind.gone.notified()).await.expect("let go of");
    while !world.keeper.sessions(None).is_empty() {
        tokio::task::yield_now().await;
    }
}

/// A server may know from the head that it will not have the body.
#[tokio::test]
async fn an_answer_may_come_ahead_of_the_body() {
    let world = World::new().await;
    let credentials = alice(&world).await;
    let mut behind = Behind::that(Does::Echoes).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    behind.address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut heard = Vec::new();
        while !heard.ends_with(b"\r\n\r\n") {
            heard.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno").await.unwrap();
        // What else comes is the body, and then the end: this is no connection to keep.
        let _ = stream.read_to_end(&mut heard).await;
    });
    let dav = dav(&world, &behind);
    let mut client = Client::connect(dav.address).await;
    client.request("PUT /a", &format!("{credentials}Content-Length: 1000000\r\n")).await;
    let answer = timeout(SOON, client.answer()).await.expect("not held back").unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (StatusCode::PAYLOAD_TOO_LARGE, "no"));
    assert!(timeout(SOON, client.is_closed()).await.expect("what follows is no request"));
    timeout(SOON, server).await.expect("let go of").unwrap();
}

/// A socket that is closed over unread octets takes back what was said last.
#[tokio::test]
async fn a_refusal_is_heard_by_who_is_still_sending() {
    let world = World::new().await;
    let _alice = alice(&world).await;
    let behind = Behind::that(Does::Echoes).await;
    let dav = dav(&world, &behind);
    for _ in 0..10 {
        let mut client = Client::connect(dav.address).await;
        let body = vec![b'x'; 200_000];
        client.request("PUT /a", &format!("Content-Length: {}\r\n", body.len())).await;
        client.say(&body).await;
        let answer = timeout(SOON, client.answer()).await.expect("an answer").expect("that is heard");
        assert_eq!((answer.status, answer.whole), (StatusCode::UNAUTHORIZED, true));
        assert_eq!(timeout(SOON, client.read_to_the_end()).await.expect("closed").expect("not torn down"), b"");
    }
    assert!(behind.requests().is_empty());
}

/// Nobody is told to send what nobody will read.
#[tokio::test]
async fn who_is_refused_is_not_told_to_go_ahead() {
    let world = World::new().await;
    let credentials = alice(&world).await;
    let behind = Behind::that(Does::Echoes).await;
    let dav = dav(&world, &behind);
    let mut client = Client::connect(dav.address).await;
    client.request("PUT /a", "Expect: 100-continue\r\nContent-Length: 3\r\n").await;
    assert_eq!(client.answer().await.unwrap().status, StatusCode::UNAUTHORIZED);
    assert!(timeout(SOON, client.is_closed()).await.expect("the body may come, or the next request"));
    // A short one that came along is no reason to hang up.
    let mut client = Client::connect(dav.address).await;
    client.say(b"PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc").await;
    assert_eq!(client.answer().await.unwrap().status, StatusCode::UNAUTHORIZED);
    client.say(format!("PUT /a HTTP/1.1\r\nHost: h\r\n{credentials}Content-Length: 3\r\n\r\nabc").as_bytes()).await;
    assert_eq!(client.answer().await.unwrap().text(), "abc");
}

/// Chunks are nothing to a client of HTTP/1.0: its answer ends with the connection.
#[tokio::test]
async fn an_old_client_is_answered_as_it_understands() {
    let world = World::new().await;
    let credentials = alice(&world).await;
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
    let behind = Behind::that(Does::Says(chunked)).await;
    let dav = dav(&world, &behind);
    let mut client = Client::connect(dav.address).await;
    client.say(format!("GET / HTTP/1.0\r\nHost: h\r\n{credentials}\r\n").as_bytes()).await;
    let (status, headers) = client.head().await.unwrap();
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers["connection"], "close");
    assert!(!headers.contains_key("transfer-encoding") && !headers.contains_key("content-length"));
    assert_eq!(timeout(SOON, client.read_to_the_end()).await.expect("closed").unwrap(), b"hi");
}

/// What a head says of a body that does not come is passed on.
#[tokio::test]
async fn a_head_has_its_length_and_no_body() {
    let world = World::new().await;
    let credentials = alice(&world).await;
    let behind = Behind::that(Does::Says("HTTP/1.1 200 OK\r\nContent-Length: 7\r\nDate: then\r\n\r\n")).await;
    let dav = dav(&world, &behind);
    let mut client = Client::connect(dav.address).await;
    for _ in 0..2 {
        client.request("HEAD /", &credentials).await;
        let (status, headers) = timeout(SOON, client.head()).await.expect("no body is waited for").unwrap();
        assert_eq!(
            (status, &headers["content-length"], &headers["date"]),
            (StatusCode::OK, &"7".parse().unwrap(), &"then".parse().unwrap())
        );
    }
    // Ours are dated, too.
    assert!(ask(dav.address, "GET /", "").await.headers.contains_key("date"));
}
