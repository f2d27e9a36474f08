//! The IMAP door.

use std::time::Duration;

use authority::{Protocol, Secret};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use front::Security;
use gateway::{MailDoor, MasterUser, Upstream};

use crate::{
    imap_behind::{After, Imap, ImapBehind},
    imap_client::{Certificate, Client},
    world::{ALICE, PORTAL, PRIMARY, Served, World, door},
};

const SOON: Duration = Duration::from_secs(5);

pub(crate) fn at(world: &World, upstream: Upstream, security: Security) -> Served {
    let master = MasterUser { login: "postern".into(), password: Secret::new("master".into()), separator: None };
    let speaks = gateway::Imap(master);
    let door = MailDoor::new(world.keeper.clone(), door("imap", Protocol::Imap, "mail"), upstream, speaks, PORTAL);
    Served::new(door.with_handover_timeout(Duration::from_millis(500)), security)
}

#[tokio::test]
async fn an_app_password_opens_the_mailbox_on_both_kinds_of_tls() {
    let world = World::new().await;
    let mandate = world.account(ALICE).await;
    let issued = world.password(&mandate, "mail").await;
    let secret = issued.secret.expose();
    let behind = ImapBehind::that(Imap::Serves).await;
    let certificate = Certificate::new();
    let implicit = at(&world, behind.upstream(), certificate.implicit());
    let starttls = at(&world, behind.upstream(), certificate.starttls());

    let mut client = Client::tls(implicit.address, &certificate).await;
    // The command sent ahead is answered by the server behind, once it is there.
    client.say(&format!("a LOGIN alice {secret}\r\nb NOOP\r\n")).await;
    assert_eq!(client.line().await, "a OK [CAPABILITY IMAP4rev1 IDLE] Logged in");
    assert_eq!(client.line().await, "b OK done");
    assert_eq!(world.keeper.sessions(None).len(), 1);
    client.half_close().await;
    assert_eq!(client.line().await, "* OK half closed");
    assert_eq!(client.line().await, "");

    let client = Client::plain(starttls.address).await;
    let mut client = client.start_tls(&certificate).await;
    let plain = BASE64_STANDARD.encode(format!("\0{ALICE}\0{secret}"));
    assert_eq!(
        client.ask(&format!("a AUTHENTICATE PLAIN {plain}")).await,
        "a OK [CAPABILITY IMAP4rev1 IDLE] Logged in"
    );
    assert_eq!(client.ask("b NOOP").await, "b OK done");
    client.say("c GO\r\n").await;
    assert_eq!(client.line().await, "", "the server behind has ended it");

    assert_eq!(behind.handed_over(), [format!("{ALICE}\0postern\0master"), format!("{ALICE}\0postern\0master")]);
    tokio::time::timeout(SOON, async {
        while !world.keeper.sessions(None).is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("both are over");
}

#[tokio::test]
async fn every_refusal_is_the_same_and_leaves_the_connection_usable() {
    let world = World::new().await;
    let mandate = world.account(ALICE).await;
    let (good, narrow) = (world.password(&mandate, "mail").await, world.password(&mandate, "files").await);
    let revoked = world.password(&mandate, "mail").await;
    let _ = world.keeper.revoke(&mandate, revoked.password.id).await.unwrap();
    let behind = ImapBehind::that(Imap::Serves).await;
    let certificate = Certificate::new();
    let imap = at(&world, behind.upstream(), certificate.implicit());
    let attempts = [
        (ALICE, "aaaa-aaaa-aaaa-aaaa-aaaa-aaaa"),
        (ALICE, PRIMARY),
        (ALICE, revoked.secret.expose()),
        (ALICE, narrow.secret.expose()),
        ("nobody", PRIMARY),
    ];
    let tried = attempts.map(|(login, secret)| {
        let (certificate, address, good) = (&certificate, imap.address, good.secret.expose());
        async move {
            let mut client = Client::tls(address, certificate).await;
            let told = [client.ask(&format!("a LOGIN {login} \"{secret}\"")).await, client.line().await];
            let then = client.ask(&format!("b LOGIN {ALICE} {good}")).await;
            assert!(then.starts_with("b OK"), "{then}");
            told
        }
    });
    for told in futures_util::future::join_all(tried).await {
        let text = format!("Use an app password, not your account password: {PORTAL}");
        assert_eq!(told, [format!("* NO [ALERT] {text}"), format!("a NO [AUTHENTICATIONFAILED] {text}")]);
    }
}

#[tokio::test]
async fn nobody_signs_in_in_the_clear_or_hides_commands_behind_starttls() {
    let world = World::new().await;
    let mandate = world.account(ALICE).await;
    let issued = world.password(&mandate, "mail").await;
    let behind = ImapBehind::that(Imap::Serves).await;
    let certificate = Certificate::new();
    let imap = at(&world, behind.upstream(), certificate.starttls());
    let mut client = Client::plain(imap.address).await;
    let told = client.ask(&format!("a LOGIN {ALICE} {}", issued.secret.expose())).await;
    assert!(told.starts_with("a NO [PRIVACYREQUIRED]"), "{told}");
    let mut client = Client::plain(imap.address).await;
    let told = client.ask("a STARTTLS\r\nb NOOP").await;
    assert!(told.starts_with("* BYE"), "{told}");
    assert_eq!(client.line().await, "");
}

#[tokio::test]
async fn trouble_behind_is_an_outage_and_never_a_wrong_password() {
    let world = World::new().await;
    let mandate = world.account(ALICE).await;
    let issued = world.password(&mandate, "mail").await;
    let certificate = Certificate::new();
    let sign_in = format!("a LOGIN {ALICE} {}", issued.secret.expose());
    for does in [
        Imap::Greets("", After::Closes),
        Imap::Greets("", After::Waits),
        Imap::Greets("* OK [CAPABILITY IMAP4r", After::Closes),
        Imap::Greets("* OK [CAPABILITY IMAP4r", After::Waits),
        Imap::Greets("* BYE too busy\r\n", After::Closes),
        Imap::Greets("* PREAUTH come in\r\n", After::Waits),
        Imap::Greets("220 smtp\r\n", After::Waits),
        Imap::Answers("TAG NO [AUTHENTICATIONFAILED] no\r\n", After::Waits),
        Imap::Answers("* BYE restarting\r\n", After::Closes),
        Imap::Answers("", After::Closes),
        Imap::Answers("TAG OK [CAPABILITY", After::Waits),
    ] {
        let behind = ImapBehind::that(does).await;
        let imap = at(&world, behind.upstream(), certificate.implicit());
        let mut client = Client::tls(imap.address, &certificate).await;
        let told = client.ask(&sign_in).await;
        assert!(told.starts_with("* BYE [UNAVAILABLE] "), "{does:?}: {told}");
        assert_eq!(client.line().await, "", "{does:?}");
        assert!(world.keeper.sessions(None).is_empty());
    }
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let imap = at(&world, Upstream::parse(&format!("imap://{closed}"), "imap").unwrap(), certificate.implicit());
    let told = Client::tls(imap.address, &certificate).await.ask(&sign_in).await;
    assert!(told.starts_with("* BYE [UNAVAILABLE] "), "{told}");
    world.store.set_available(false);
    let told = Client::tls(imap.address, &certificate).await.ask(&sign_in).await;
    assert!(told.starts_with("* BYE [UNAVAILABLE] "), "{told}");
}

#[tokio::test]
async fn revoking_ends_an_idle_session_with_a_word() {
    let world = World::new().await;
    let mandate = world.account(ALICE).await;
    let issued = world.password(&mandate, "mail").await;
    let behind = ImapBehind::that(Imap::Serves).await;
    let certificate = Certificate::new();
    let imap = at(&world, behind.upstream(), certificate.implicit());
    let mut client = Client::tls(imap.address, &certificate).await;
    assert!(client.ask(&format!("a LOGIN {ALICE} {}", issued.secret.expose())).await.starts_with("a OK"));
    assert_eq!(client.ask("b NOOP").await, "b OK done");
    assert_eq!(world.keeper.revoke(&mandate, issued.password.id).await.unwrap(), Some(1));
    let told = tokio::time::timeout(SOON, client.line()).await.expect("at once");
    assert!(told.starts_with("* BYE "), "{told}");
    assert_eq!(client.line().await, "");
    tokio::time::timeout(SOON, behind.gone.notified()).await.expect("the server behind is let go of");
}

/// A client that does not read is not waited for, and gets nothing more.
#[tokio::test]
async fn revoking_ends_a_session_whose_client_does_not_listen() {
    let world = World::new().await;
    let mandate = world.account(ALICE).await;
    let issued = world.password(&mandate, "mail").await;
    let behind = ImapBehind::that(Imap::Serves).await;
    let certificate = Certificate::new();
    let imap = at(&world, behind.upstream(), certificate.implicit());
    let mut client = Client::tls(imap.address, &certificate).await;
    assert!(client.ask(&format!("a LOGIN {ALICE} {}", issued.secret.expose())).await.starts_with("a OK"));
    client.say("b FLOOD\r\n").await;
    behind.is_stuck().await;
    let revoked = tokio::time::timeout(SOON, world.keeper.revoke(&mandate, issued.password.id)).await;
    assert_eq!(revoked.expect("waits for nobody").unwrap(), Some(1));
    tokio::time::timeout(SOON, behind.gone.notified()).await.expect("the server behind is let go of");
    let (rest, said) = tokio::time::timeout(SOON, client.rest_and_end()).await.expect("an end");
    assert!(rest.iter().all(|&octet| octet == b'x'), "no word of ours among those of the server behind");
    assert!(!said, "the end of TLS comes behind what was held back, and has pushed it on");
}

#[tokio::test]
async fn revoking_ends_a_session_that_is_being_handed_over() {
    let world = World::new().await;
    let mandate = world.account(ALICE).await;
    let issued = world.password(&mandate, "mail").await;
    let behind = ImapBehind::that(Imap::Answers("", After::Waits)).await;
    let certificate = Certificate::new();
    let imap = at(&world, behind.upstream(), certificate.implicit());
    let mut client = Client::tls(imap.address, &certificate).await;
    client.say(&format!("a LOGIN {ALICE} {}\r\n", issued.secret.expose())).await;
    while behind.handed_over().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.keeper.revoke(&mandate, issued.password.id).await.unwrap(), Some(1));
    assert_eq!(client.rest().await, b"");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_nothing_is_let_go() {
    let world = World::new().await;
    let behind = ImapBehind::that(Imap::Serves).await;
    let imap = at(&world, behind.upstream(), Certificate::new().starttls());
    let mut client = Client::plain(imap.address).await;
    let begun = tokio::time::Instant::now();
    assert!(client.line().await.starts_with("* BYE "));
    assert_eq!(client.line().await, "");
    assert_eq!(begun.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_talks_on_without_signing_in_is_let_go() {
    let world = World::new().await;
    let behind = ImapBehind::that(Imap::Serves).await;
    let imap = at(&world, behind.upstream(), Certificate::new().starttls());
    let mut client = Client::plain(imap.address).await;
    let begun = tokio::time::Instant::now();
    let last = loop {
        match tokio::time::timeout(std::time::Duration::from_secs(7), client.line()).await {
            Ok(unasked) => break unasked,
            Err(_) => assert!(client.ask("a NOOP").await.contains("a OK")),
        }
    };
    assert!(last.starts_with("* BYE "), "{last:?} after {:?}", begun.elapsed());
    assert_eq!(begun.elapsed().as_secs(), 300);
}

#[tokio::test]
async fn shutting_down_says_goodbye() {
    let world = World::new().await;
    let mandate = world.account(ALICE).await;
    let issued = world.password(&mandate, "mail").await;
    let behind = ImapBehind::that(Imap::Serves).await;
    let certificate = Certificate::new();
    let mut imap = at(&world, behind.upstream(), certificate.implicit());
    let mut waiting = Client::tls(imap.address, &certificate).await;
    let mut signed_in = Client::tls(imap.address, &certificate).await;
    assert!(signed_in.ask(&format!("a LOGIN {ALICE} {}", issued.secret.expose())).await.starts_with("a OK"));
    imap.shutdown.request();
    for client in [&mut waiting, &mut signed_in] {
        let told = tokio::time::timeout(SOON, client.line()).await.expect("at once");
        assert!(told.starts_with("* BYE "), "{told}");
    }
    tokio::time::timeout(SOON, &mut imap.running).await.expect("nobody holds it up").unwrap();
}

/// Clients work through the mechanisms with one wrong password, and several of
/// them at once: that is one guess, and keeps nobody out. Eleven are eleven.
#[tokio::test]
async fn one_wrong_password_by_every_mechanism_is_one_guess() {
    let behind = ImapBehind::that(Imap::Serves).await;
    let certificate = Certificate::new();
    for (same, admitted) in [(true, true), (false, false)] {
        let world = World::observing().await;
        world.account_without_second_factor(ALICE).await;
        let imap = at(&world, behind.upstream(), certificate.implicit());
        let tried = (0..11).map(|n| {
            let wrong = if same { "last year's".to_owned() } else { format!("guess number {n}") };
            let (certificate, address) = (&certificate, imap.address);
            async move {
                let mut client = Client::tls(address, certificate).await;
                let encode = |text: &str| BASE64_STANDARD.encode(text);
                let plain = encode(&format!("\0{ALICE}\0{wrong}"));
                let login = format!("b AUTHENTICATE LOGIN\r\n{}\r\n{}\r\n", encode(ALICE), encode(&wrong));
                for attempt in
                    [format!("a AUTHENTICATE PLAIN {plain}\r\n"), login, format!("c LOGIN {ALICE} \"{wrong}\"\r\n")]
                {
                    client.say(&attempt).await;
                    let mut told = client.line().await;
                    while told.starts_with(['+', '*']) {
                        told = client.line().await;
                    }
                    assert!(told.contains(" NO [AUTHENTICATIONFAILED] "), "{told}");
                }
            }
        });
        futures_util::future::join_all(tried).await;
        let mut client = Client::tls(imap.address, &certificate).await;
        let told = client.ask(&format!("a LOGIN {ALICE} \"{PRIMARY}\"")).await;
        assert_eq!(told.starts_with("a OK"), admitted, "{told}");
    }
}
