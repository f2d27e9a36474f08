//! A session lasts a request; a revocation cuts it.

use std::time::Duration;

use http::StatusCode;

use crate::{
    asking::{Client, ask, basic},
    behind::{Behind, Does},
    http_sign_in::dav,
    world::{ALICE, World},
};

const SOON: Duration = Duration::from_secs(5);
const BEGUN: &str = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nBEGIN";

#[tokio::test]
async fn revoking_cuts_an_answer_off_and_the_request_behind() {
    let world = World::new().await;
    let mandate = world.account(ALICE).await;
    for begun in [BEGUN, ""] {
        let issued = world.password(&mandate, "calendars,contacts").await;
        let behind = Behind::that(Does::SaysAndWaits(begun)).await;
        let dav = dav(&world, &behind);
        let mut client = Client::connect(dav.address).await;
        client.request("GET /", &basic(ALICE, issued.secret.expose())).await;
        if begun.is_empty() {
            while behind.requests().is_empty() {
                tokio::task::yield_now().await;
            }
        } else {
            assert_eq!(client.head().await.unwrap().0, StatusCode::OK);
        }
        assert_eq!(world.keeper.sessions(None).len(), 1);
        assert_eq!(world.keeper.revoke(&mandate, issued.password.id).await.unwrap(), Some(1));
        let rest = tokio::time::timeout(SOON, async {
            let mut rest = 0;
            while !client.is_closed().await {
                rest += 1;
            }
            rest
        });
        assert!(rest.await.expect("closed") <= 5, "what had left before");
        tokio::time::timeout(SOON, behind.gone.notified()).await.expect("the server behind is let go of");
        assert!(world.keeper.sessions(None).is_empty());
    }
}

#[tokio::test]
async fn a_kept_connection_is_nobodys_between_requests() {
    let world = World::new().await;
    let (alice, bob) = (world.account(ALICE).await, world.account("bob@example.org").await);
    let (alices, bobs) =
        (world.password(&alice, "calendars,contacts").await, world.password(&bob, "calendars,contacts").await);
    let behind = Behind::that(Does::Says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")).await;
    let dav = dav(&world, &behind);
    let mut client = Client::connect(dav.address).await;
    for round in 0..50 {
        for (login, issued) in [(ALICE, &alices), ("bob@example.org", &bobs)] {
            client.request("GET /", &basic(login, issued.secret.expose())).await;
            assert_eq!(client.answer().await.unwrap().text(), "hi");
            let seen = behind.requests().pop().unwrap();
            assert!(seen.contains(&format!("x-remote-user: {login}\r\n")), "{round}: {seen}");
        }
    }
    while !world.keeper.sessions(None).is_empty() {
        tokio::task::yield_now().await;
    }
    // Alice's end is nothing to a connection that she was on before.
    let _ = world.keeper.revoke(&alice, alices.password.id).await.unwrap();
    client.request("GET /", &basic("bob@example.org", bobs.secret.expose())).await;
    assert_eq!(client.answer().await.unwrap().status, StatusCode::OK);
    client.request("GET /", &basic(ALICE, alices.secret.expose())).await;
    assert_eq!(client.answer().await.unwrap().status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_turn() {
    let world = World::new().await;
    let mandate = world.account(ALICE).await;
    let issued = world.password(&mandate, "calendars,contacts").await;
    let behind = Behind::that(Does::Says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")).await;
    let dav = dav(&world, &behind);
    let mut client = Client::connect(dav.address).await;
    let one = format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", basic(ALICE, issued.secret.expose()));
    client.say(one.repeat(20).as_bytes()).await;
    for _ in 0..20 {
        let answer = tokio::time::timeout(SOON, client.answer()).await.expect("not stuck");
        assert_eq!(answer.unwrap().text(), "hi");
    }
}

#[tokio::test]
async fn shutting_down_closes_idle_connections_and_lets_answers_end() {
    let world = World::new().await;
    let behind = Behind::that(Does::Says(BEGUN)).await;
    let mut dav = dav(&world, &behind);
    let mut idle = Client::connect(dav.address).await;
    idle.request("GET /", "").await;
    assert_eq!(idle.answer().await.unwrap().status, StatusCode::UNAUTHORIZED);
    dav.shutdown.request();
    assert!(tokio::time::timeout(SOON, idle.is_closed()).await.expect("at once"));
    tokio::time::timeout(SOON, &mut dav.running).await.expect("at once").unwrap();
}

#[tokio::test]
async fn answers_without_a_body_end_the_session_too() {
    let world = World::new().await;
    let mandate = world.account(ALICE).await;
    let issued = world.password(&mandate, "calendars,contacts").await;
    let behind = Behind::that(Does::Says("HTTP/1.1 204 No Content\r\n\r\n")).await;
    let dav = dav(&world, &behind);
    for method in ["HEAD /", "DELETE /a"] {
        let answer = ask(dav.address, method, &basic(ALICE, issued.secret.expose())).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT);
        tokio::time::timeout(SOON, async {
            while !world.keeper.sessions(None).is_empty() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("over");
    }
}
