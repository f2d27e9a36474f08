//! More sessions than a password may have: every door says "try later", none
//! says "wrong password".

use authority::{Protocol, Secret};
use gateway::{MailDoor, MasterUser};
use http::StatusCode;
use keeper::{LiveSession, SignIn, SignInAttempt};

use crate::{
    asking::{ask, basic},
    behind::{Behind, Does},
    http_sign_in::dav,
    imap_behind::{Imap, ImapBehind},
    imap_client::{Certificate, Client},
    world::{ALICE, PORTAL, Served, World, door},
};

/// Takes all places but one.
async fn crowd(world: &World, secret: &Secret, protocol: Protocol) -> Vec<LiveSession> {
    let door = door("elsewhere", protocol, "mail");
    let mut held = Vec::new();
    for _ in 1..64 {
        let from = [192, 0, 2, 1].into();
        match world
            .keeper
            .sign_in(SignInAttempt {
                login: ALICE,
                acting_as: None,
                secret,
                door: &door,
                from,
                client: authority::Client::Unseen,
            })
            .await
        {
            SignIn::Admitted(_, session) => held.push(session),
            other => panic!("{other:?}"),
        }
    }
    held
}

#[tokio::test]
async fn imap_says_that_there_is_a_limit() {
    let world = World::new().await;
    let mandate = world.account(ALICE).await;
    let issued = world.password(&mandate, "mail").await;
    let _others = crowd(&world, &issued.secret, Protocol::Imap).await;
    let behind = ImapBehind::that(Imap::Serves).await;
    let certificate = Certificate::new();
    let master = MasterUser { login: "postern".into(), password: Secret::new("master".into()), separator: None };
    let at = door("imap", Protocol::Imap, "mail");
    let served = MailDoor::new(world.keeper.clone(), at, behind.upstream(), gateway::Imap(master), PORTAL);
    let served = Served::new(served, certificate.implicit());
    let login = format!("a LOGIN alice {}", issued.secret.expose());

    let mut last = Client::tls(served.address, &certificate).await;
    assert_eq!(last.ask(&login).await, "a OK [CAPABILITY IMAP4rev1 IDLE] Logged in");
    let mut more = Client::tls(served.address, &certificate).await;
    let told = more.ask(&login).await;
    assert!(told.starts_with("* BYE [LIMIT] Too many connections"), "{told}");
    assert_eq!(more.line().await, "");
    assert_eq!(last.ask("b NOOP").await, "b OK done", "who was there stays");
}

#[tokio::test]
async fn http_says_try_later() {
    let world = World::new().await;
    let mandate = world.account(ALICE).await;
    let issued = world.password(&mandate, "mail,calendars,contacts").await;
    let behind = Behind::that(Does::Says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")).await;
    let dav = dav(&world, &behind);
    let authorization = basic(ALICE, issued.secret.expose());

    let mut others = crowd(&world, &issued.secret, Protocol::Imap).await;
    others.extend(crowd(&world, &issued.secret, Protocol::Http).await);
    assert_eq!(ask(dav.address, "GET /", &authorization).await.status, StatusCode::OK, "the last place");
    while world.keeper.sessions(None).len() > others.len() {
        tokio::task::yield_now().await;
    }
    let door = door("elsewhere", Protocol::Http, "mail");
    let from = [192, 0, 2, 1].into();
    let attempt = SignInAttempt {
        login: ALICE,
        acting_as: None,
        secret: &issued.secret,
        door: &door,
        from,
        client: authority::Client::Unseen,
    };
    let SignIn::Admitted(_, _taken) = world.keeper.sign_in(attempt).await else { panic!("the last place is free") };
    let answer = ask(dav.address, "GET /", &authorization).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers.contains_key("retry-after") && !answer.headers.contains_key("www-authenticate"));
    assert_eq!(behind.requests().len(), 1, "nothing of it reaches the server behind");
}
