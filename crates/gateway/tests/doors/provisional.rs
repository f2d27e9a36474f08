//! A client that has signed in and has yet to show which app it is.

use authority::LockMode;
use keeper::IssuedSecret;

use crate::{
    imap::at,
    imap_behind::{Imap, ImapBehind},
    imap_client::{Certificate, Client},
    world::{ALICE, Served, World},
};

struct Scene {
    world: World,
    issued: IssuedSecret,
    behind: ImapBehind,
    certificate: Certificate,
    imap: Served,
}

impl Scene {
    async fn new(lock: LockMode) -> Self {
        let world = World::new().await;
        let mandate = world.account(ALICE).await;
        let issued = world.password_in(lock, &mandate, "mail").await;
        let behind = ImapBehind::that(Imap::Serves).await;
        let certificate = Certificate::new();
        let imap = at(&world, behind.upstream(), certificate.implicit());
        Self { world, issued, behind, certificate, imap }
    }

    /// Signed in, in an app that writes LOGIN so.
    async fn signed_in(&self, login: &str) -> Client {
        let mut client = Client::tls(self.imap.address, &self.certificate).await;
        let answer = client.ask(&format!("a {login} {ALICE} {}", self.issued.secret.expose())).await;
        assert!(answer.starts_with("a OK"), "{answer}");
        client
    }
}

#[tokio::test]
async fn another_app_is_turned_away_at_its_first_command_for_mail() {
    let scene = Scene::new(LockMode::Lock).await;
    let mut own = scene.signed_in("LOGIN").await;
    assert_eq!(own.ask("b LIST \"\" \"*\"").await, "b OK done");
    assert_eq!(own.ask("c SELECT INBOX").await, "c OK done", "and then as it comes");

    let mut other = scene.signed_in("login").await;
    for (command, answer) in [("b NOOP", "b OK done"), ("c ENABLE CONDSTORE", "c OK done")] {
        assert_eq!(other.ask(command).await, answer, "it touches no mail");
    }
    other.say("d LIST \"\" \"*\"\r\ne SELECT INBOX\r\n").await;
    assert!(other.line().await.starts_with("* NO [ALERT] Use an app password"));
    assert!(other.line().await.starts_with("d NO [AUTHENTICATIONFAILED] Use an app password"));
    assert!(other.line().await.starts_with("* BYE "));
    assert_eq!(other.line().await, "");
    let heard = scene.behind.heard();
    assert_eq!(heard, ["b LIST \"\" \"*\"", "c SELECT INBOX", "b NOOP", "c ENABLE CONDSTORE"]);
}

#[tokio::test]
async fn the_state_is_read_again_when_the_client_has_shown_itself() {
    let scene = Scene::new(LockMode::Lock).await;
    let mandate = scene.world.mandate(ALICE).await;
    let mut client = scene.signed_in("LOGIN").await;
    assert_eq!(scene.world.keeper.revoke(&mandate, scene.issued.password.id).await.unwrap(), Some(1));
    assert!(client.line().await.starts_with("* BYE "), "the session was one, if a provisional one");
    assert!(scene.behind.heard().is_empty());
}

#[tokio::test]
async fn where_nothing_is_compared_nothing_is_held() {
    let scene = Scene::new(LockMode::Off).await;
    for login in ["LOGIN", "login"] {
        let mut client = scene.signed_in(login).await;
        assert_eq!(client.ask("b LIST \"\" \"*\"").await, "b OK done");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_show_itself_is_let_go() {
    let scene = Scene::new(LockMode::Lock).await;
    let mut client = scene.signed_in("LOGIN").await;
    let begun = tokio::time::Instant::now();
    assert!(client.line().await.starts_with("* BYE "));
    assert_eq!(begun.elapsed().as_secs(), 300);
}
