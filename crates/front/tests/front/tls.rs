use std::{fs, time::Duration};

use front::{Limits, Security, self_made};
use rustls::{
    HandshakeKind, ProtocolVersion,
    pki_types::{PrivateKeyDer, pem::PemObject},
    version::TLS12,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::site::{Certificates, Client, NOW, Site, endpoint, handshake, is_closed, speaking, trusting};

#[tokio::test]
async fn a_client_that_trusts_the_ca_gets_in_under_every_name() {
    let made = Certificates::new();
    let site = Site::start(vec![endpoint(Security::Implicit(made.tls.clone()))]);
    // An address is no name that is asked for (RFC 6066 section 3).
    for (name, asked_for) in [
        ("localhost", "localhost"),
        ("127.0.0.1", "none"),
        ("::1", "none"),
        ("mail.example.org", "mail.example.org"),
        ("MAIL.example.org", "mail.example.org"),
    ] {
        let stream = handshake(site.connect_raw().await, trusting(&made.ca), name).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(ProtocolVersion::TLSv1_3));
        let mut client = Client::new(stream);
        let introduction = client.line().await;
        let told = format!("encrypted=true starttls=false name={asked_for}");
        assert!(introduction.ends_with(&told), "{introduction}");
        assert_eq!(client.ask("hello").await, "hello");
    }
    let other = handshake(site.connect_raw().await, trusting(&made.ca), "other.example.org").await;
    assert!(other.unwrap_err().to_string().contains("not valid for name"));
}

#[tokio::test]
async fn tls_1_2_is_still_spoken() {
    let made = Certificates::new();
    let site = Site::start(vec![endpoint(Security::Implicit(made.tls.clone()))]);
    let config = speaking(&made.ca, &[&TLS12]);
    let stream = handshake(site.connect_raw().await, config, "localhost").await.unwrap();
    assert_eq!(stream.get_ref().1.protocol_version(), Some(ProtocolVersion::TLSv1_2));
    let introduction = Client::new(stream).line().await;
    assert!(introduction.ends_with("encrypted=true starttls=false name=localhost"), "{introduction}");
}

#[tokio::test]
async fn starttls_turns_encryption_on() {
    let made = Certificates::new();
    let site = Site::start(vec![endpoint(Security::StartTls(made.tls.clone()))]);
    let mut client = site.connect().await;
    assert!(client.line().await.contains("encrypted=false starttls=true"));
    assert_eq!(client.ask("STARTTLS").await, "go");
    let stream = handshake(client.into_inner(), trusting(&made.ca), "localhost").await.unwrap();
    assert!(Client::new(stream).line().await.contains("encrypted=true"));
}

#[tokio::test]
async fn plain_bytes_on_a_tls_port_get_an_alert_and_nothing_else() {
    let made = Certificates::new();
    let site = Site::start(vec![endpoint(Security::Implicit(made.tls.clone()))]);
    let mut client = site.connect_raw().await;
    client.write_all(b"a1 CAPABILITY\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = client.read_to_end(&mut answer).await;
    // An alert record (21), or a reset that overtook it.
    assert!(answer.is_empty() || answer[0] == 21, "{answer:?}");
}

#[tokio::test]
async fn a_slow_handshake_is_cut() {
    let made = Certificates::new();
    let limits = Limits { handshake: Duration::from_millis(50), ..Limits::default() };
    for security in [Security::Implicit(made.tls.clone()), Security::StartTls(made.tls.clone())] {
        let starttls = matches!(security, Security::StartTls(_));
        let site = Site::start(vec![front::Endpoint { limits: limits.clone(), ..endpoint(security) }]);
        let mut client = site.connect().await;
        if starttls {
            client.line().await;
            client.ask("STARTTLS").await;
        }
        let mut client = client.into_inner();
        // The beginning of a record, and no more.
        client.write_all(b"\x16\x03\x01").await.unwrap();
        assert!(is_closed(&mut client).await);
    }
}

#[tokio::test]
async fn reload_gives_the_new_certificate_to_new_connections_only() {
    let made = Certificates::new();
    let site = Site::start(vec![
        endpoint(Security::Implicit(made.tls.with_alpn(&["imap"]))),
        endpoint(Security::Implicit(made.tls.clone())),
    ]);
    // One configuration, so that it would resume the session if it could.
    let config = trusting(&made.ca);
    let connect = async || {
        let stream = handshake(site.connect_raw().await, config.clone(), "localhost").await.unwrap();
        let session = stream.get_ref().1;
        let certificate = session.peer_certificates().unwrap()[0].clone();
        let kind = session.handshake_kind().unwrap();
        let mut client = Client::new(stream);
        client.line().await;
        (client, certificate, kind)
    };
    let (mut open, old, _) = connect().await;
    let (_, _, kind) = connect().await;
    assert_eq!(kind, HandshakeKind::Resumed);

    let later = NOW + 380 * 24 * 60 * 60;
    let names = ["mail.example.org".to_owned()];
    let renewed = self_made::ensure(made.folder.path(), "example.org", &names, later).unwrap();
    assert!(renewed.new_certificate && !renewed.new_ca);
    let (_, before, _) = connect().await;
    assert_eq!(before, old);

    // The renewed one is not valid at the client's time: make it so again.
    fs::remove_file(&renewed.certificate).unwrap();
    self_made::ensure(made.folder.path(), "example.org", &names, NOW).unwrap();
    made.tls.reload().unwrap();
    let (_, new, kind) = connect().await;
    assert_eq!(kind, HandshakeKind::Full);
    assert_ne!(new, old);
    assert_eq!(open.ask("still here").await, "still here");
}

#[tokio::test]
async fn a_failed_reload_keeps_the_old_certificate() {
    let made = Certificates::new();
    let site = Site::start(vec![endpoint(Security::Implicit(made.tls.clone()))]);
    fs::write(made.folder.path().join("server.pem"), "half a fi").unwrap();
    let error = made.tls.reload().unwrap_err().to_string();
    assert!(error.contains("no certificate in"), "{error}");
    handshake(site.connect_raw().await, trusting(&made.ca), "localhost").await.unwrap();
}

#[tokio::test]
async fn a_browser_cannot_be_led_to_a_mail_door() {
    let made = Certificates::new();
    let site = Site::start(vec![endpoint(Security::Implicit(made.tls.with_alpn(&["imap"])))]);
    for (asks, admitted) in [(vec!["h2", "http/1.1"], false), (vec!["imap"], true), (vec![], true)] {
        let mut config = trusting(&made.ca);
        config.alpn_protocols = asks.iter().map(|id| id.as_bytes().to_vec()).collect();
        let done = handshake(site.connect_raw().await, config, "localhost").await;
        assert_eq!(done.is_ok(), admitted, "{asks:?}");
    }
}

#[tokio::test]
async fn a_large_answer_arrives_whole_through_tls() {
    let made = Certificates::new();
    let site = Site::start(vec![endpoint(Security::Implicit(made.tls.clone()))]);
    let stream = handshake(site.connect_raw().await, trusting(&made.ca), "localhost").await.unwrap();
    let mut client = Client::new(stream);
    client.line().await;
    // More than the session and both sockets hold at once.
    let long = "0123456789abcdef".repeat(512 * 1024);
    assert!(client.ask(&long).await == long);
}

#[test]
fn nothing_printed_of_it_shows_the_key() {
    let made = Certificates::new();
    let pem = fs::read(made.folder.path().join("server-key.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(&pem).unwrap();
    let printed = format!("{:?} {:?}", made.tls, Security::Implicit(made.tls.clone()));
    // As bytes and as a list of numbers, whichever a derived Debug would print.
    let secret = &key.secret_der()[40..60];
    let numbers = format!("{secret:?}");
    assert!(!printed.contains(numbers.trim_matches(['[', ']'])), "{printed}");
    assert!(!printed.contains("PRIVATE KEY"), "{printed}");
}
