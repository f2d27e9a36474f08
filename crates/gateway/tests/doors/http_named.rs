//! Several names at one address, behind a web server that ends TLS and sends the
//! requests of all names over the connections that it keeps.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use front::Security;
use gateway::{Body, Named, Pages};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};

use crate::{
    asking::{Answer, Client, basic},
    behind::{Behind, Does},
    http_sign_in::door_to,
    world::{ALICE, Served, World},
};

/// Says whose page it is, and notes what it was asked.
#[derive(Default)]
struct Portal {
    trusted: Option<IpAddr>,
    asked: Mutex<Vec<String>>,
}

#[async_trait]
impl Pages for Portal {
    async fn answer(&self, request: Request<Body>, peer: IpAddr) -> Response<Body> {
        self.asked.lock().unwrap().push(format!("{} from {peer}", request.uri()));
        let mut answer = Response::new(Full::from("the portal").map_err(Into::into).boxed_unsync());
        answer.headers_mut().insert("set-cookie", "__Host-postern=1; Path=/; Secure".parse().unwrap());
        answer
    }

    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let told = headers.get("x-forwarded-for").filter(|_| self.trusts(peer));
        told.and_then(|told| told.to_str().ok()?.parse().ok()).unwrap_or(peer)
    }

    fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted == Some(peer)
    }
}

fn site(world: &World, behind: &Behind, portal: &Arc<Portal>) -> Served {
    let named = Named::new("id.example.org", true, portal.clone(), world.keeper.clone());
    let named = named.with("Dav.Example.org", Arc::new(door_to(world, behind)));
    Served::new(named, Security::None)
}

fn trusting() -> Arc<Portal> {
    Arc::new(Portal { trusted: Some(Ipv4Addr::LOCALHOST.into()), ..Portal::default() })
}

async fn on(client: &mut Client, host: &str, line: &str, headers: &str) -> Answer {
    client.say(format!("{line} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n").as_bytes()).await;
    client.answer().await.expect("an answer")
}

#[tokio::test]
async fn each_name_gets_its_own_also_on_one_connection() {
    let world = World::new().await;
    let mandate = world.account(ALICE).await;
    let issued = world.password(&mandate, "calendars,contacts").await;
    let behind = Behind::that(Does::Says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: a=1\r\n\r\nhi")).await;
    let portal = trusting();
    let site = site(&world, &behind, &portal);
    let password = basic(ALICE, issued.secret.expose());
    let headers = format!("{password}X-Forwarded-For: 203.0.113.9\r\nCookie: __Host-postern=1\r\n");

    let mut client = Client::connect(site.address).await;
    for (host, is_portal) in [
        ("id.example.org", true),
        ("dav.example.org", false),
        ("ID.example.org.", true),
        ("DAV.example.org:443", false),
        ("id.example.org:8443", true),
    ] {
        let answer = on(&mut client, host, "GET /alice/", &headers).await;
        assert_eq!(answer.status, StatusCode::OK, "{host}");
        assert_eq!(answer.text(), if is_portal { "the portal" } else { "hi" }, "{host}");
        // What the portal says is its own affair; a door sets no cookie and gets none.
        assert_eq!(answer.headers.contains_key("set-cookie"), is_portal, "{host}");
        assert_eq!(answer.headers.contains_key("content-security-policy"), !is_portal, "{host}");
    }
    assert_eq!(behind.requests().len(), 2);
    for request in behind.requests() {
        let request = request.to_lowercase();
        assert!(request.contains("x-forwarded-for: 203.0.113.9\r\n"), "{request}");
        assert!(request.contains("x-forwarded-proto: https\r\n"), "{request}");
        assert!(!request.contains("cookie"), "{request}");
    }
    // The pages find out themselves who is behind the web server.
    assert_eq!(*portal.asked.lock().unwrap(), ["/alice/ from 127.0.0.1"; 3]);
}

#[tokio::test]
async fn another_name_is_nobodys() {
    let world = World::new().await;
    let behind = Behind::that(Does::Echoes).await;
    let portal = trusting();
    let site = site(&world, &behind, &portal);
    for host in
        ["other.example.org", "example.org", "127.0.0.1", "[::1]:8443", "xid.example.org", "id.example.org.evil"]
    {
        let mut client = Client::connect(site.address).await;
        let answer = on(&mut client, host, "GET /sign-in", "").await;
        assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST, "{host}");
        assert_eq!(answer.headers["content-security-policy"], "sandbox; default-src 'none'");
        assert!(client.is_closed().await);
    }
    // And what names two, or none.
    for (head, status) in [
        ("GET / HTTP/1.1\r\nHost: id.example.org\r\nHost: dav.example.org\r\n\r\n", StatusCode::MISDIRECTED_REQUEST),
        ("GET http://dav.example.org/ HTTP/1.1\r\nHost: id.example.org\r\n\r\n", StatusCode::MISDIRECTED_REQUEST),
        ("GET / HTTP/1.0\r\n\r\n", StatusCode::MISDIRECTED_REQUEST),
        ("GET / HTTP/1.1\r\n\r\n", StatusCode::MISDIRECTED_REQUEST),
        (
            "POST / HTTP/1.1\r\nHost: id.example.org\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            StatusCode::BAD_REQUEST,
        ),
    ] {
        let mut client = Client::connect(site.address).await;
        client.say(head.as_bytes()).await;
        assert_eq!(client.answer().await.expect("an answer").status, status, "{head}");
        assert!(client.is_closed().await);
    }
    assert!(portal.asked.lock().unwrap().is_empty() && behind.requests().is_empty());
}

#[tokio::test]
async fn in_the_clear_a_door_is_for_the_web_server_alone() {
    let world = World::new().await;
    let mandate = world.account(ALICE).await;
    let issued = world.password(&mandate, "calendars,contacts").await;
    let behind = Behind::that(Does::Echoes).await;
    let portal = Arc::new(Portal::default());
    let site = site(&world, &behind, &portal);
    let mut client = Client::connect(site.address).await;
    let password = basic(ALICE, issued.secret.expose());
    assert_eq!(on(&mut client, "id.example.org", "GET /", "").await.status, StatusCode::OK);
    assert_eq!(on(&mut client, "dav.example.org", "GET /", &password).await.status, StatusCode::FORBIDDEN);
    assert!(client.is_closed().await && behind.requests().is_empty());
}

#[tokio::test]
async fn the_end_of_a_session_cuts_what_is_under_it_and_no_page() {
    let world = World::new().await;
    let mandate = world.account(ALICE).await;
    let issued = world.password(&mandate, "calendars,contacts").await;
    let behind = Behind::that(Does::Says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")).await;
    let site = site(&world, &behind, &trusting());
    let password = basic(ALICE, issued.secret.expose());
    let mut client = Client::connect(site.address).await;
    assert_eq!(on(&mut client, "dav.example.org", "GET /", &password).await.status, StatusCode::OK);
    assert_eq!(on(&mut client, "id.example.org", "GET /", "").await.text(), "the portal");
    let _ = world.keeper.revoke(&mandate, issued.password.id).await.unwrap();
    assert_eq!(on(&mut client, "id.example.org", "GET /", "").await.text(), "the portal");
    assert_eq!(on(&mut client, "dav.example.org", "GET /", &password).await.status, StatusCode::UNAUTHORIZED);
}
