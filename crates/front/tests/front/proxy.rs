use std::time::Duration;

use front::{Endpoint, Limits, Security};
use proxy_header::{ProxiedAddress, ProxyHeader};
use tokio::io::AsyncWriteExt;

use crate::site::{Certificates, Client, Site, endpoint, handshake, is_closed, trusting};

fn behind_proxy(security: Security) -> Endpoint {
    Endpoint {
        proxy_from: vec!["127.0.0.0/8".parse().unwrap()],
        limits: Limits { handshake: Duration::from_millis(100), ..Limits::default() },
        ..endpoint(security)
    }
}

fn v2(source: &str, destination: &str) -> Vec<u8> {
    let addresses = ProxiedAddress::stream(source.parse().unwrap(), destination.parse().unwrap());
    let mut header = Vec::new();
    ProxyHeader::with_address(addresses).encode_v2(&mut header).unwrap();
    header
}

#[tokio::test]
async fn a_trusted_proxy_names_the_client() {
    let site = Site::start(vec![behind_proxy(Security::None)]);
    for (header, expected) in [
        (b"PROXY TCP4 192.0.2.1 198.51.100.9 4711 993\r\n".to_vec(), "peer=192.0.2.1 port=4711 local=198.51.100.9:993"),
        (v2("[2001:db8::1]:4711", "[2001:db8::9]:993"), "peer=2001:db8::1 port=4711 local=[2001:db8::9]:993"),
        // As a dual-stack proxy may write it.
        (
            b"PROXY TCP6 ::ffff:192.0.2.1 ::ffff:198.51.100.9 4711 993\r\n".to_vec(),
            "peer=192.0.2.1 port=4711 local=198.51.100.9:993",
        ),
        (b"PROXY UNKNOWN\r\n".to_vec(), "peer=127.0.0.1"),
    ] {
        let mut stream = site.connect_raw().await;
        // In one piece with what follows, which must not be swallowed.
        stream.write_all(&[&header[..], b"hello\n"].concat()).await.unwrap();
        let mut client = Client::new(stream);
        let introduction = client.line().await;
        assert!(introduction.starts_with(expected), "{introduction}");
        assert_eq!(client.line().await, "hello");
    }
}

#[tokio::test]
async fn tls_begins_right_behind_the_header() {
    let made = Certificates::new();
    let site =
        Site::start(vec![Endpoint { limits: Limits::default(), ..behind_proxy(Security::Implicit(made.tls.clone())) }]);
    for header in [b"PROXY TCP4 192.0.2.1 198.51.100.9 4711 993\r\n".to_vec(), v2("192.0.2.1:4711", "198.51.100.9:993")]
    {
        let mut stream = site.connect_raw().await;
        stream.write_all(&header).await.unwrap();
        let stream = handshake(stream, trusting(&made.ca), "localhost").await.unwrap();
        let introduction = Client::new(stream).line().await;
        assert!(introduction.starts_with("peer=192.0.2.1 port=4711"), "{introduction}");
        assert!(introduction.contains("encrypted=true"), "{introduction}");
    }
}

#[tokio::test]
async fn a_trusted_proxy_gets_no_further_without_a_header() {
    let site = Site::start(vec![behind_proxy(Security::None)]);
    for bytes in [
        &b""[..],
        b"PROXY TCP4 192.0.2.1",
        b"a1 CAPABILITY\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PROXY TCP4 192.0.2.1 nonsense 1 2\r\n",
    ] {
        let mut stream = site.connect_raw().await;
        stream.write_all(bytes).await.unwrap();
        assert!(is_closed(&mut stream).await, "{bytes:?}");
    }
}

#[tokio::test]
async fn from_anyone_else_the_header_is_broken_protocol() {
    let mut untrusting = behind_proxy(Security::None);
    untrusting.proxy_from = vec!["192.0.2.0/24".parse().unwrap()];
    let site = Site::start(vec![untrusting]);
    let mut stream = site.connect_raw().await;
    stream.write_all(b"PROXY TCP4 203.0.113.1 198.51.100.9 4711 993\r\n").await.unwrap();
    let mut client = Client::new(stream);
    assert!(client.line().await.starts_with("peer=127.0.0.1 "));
    // It reaches the service as what it is: a line nobody asked for.
    assert_eq!(client.line().await, "PROXY TCP4 203.0.113.1 198.51.100.9 4711 993");
}

#[tokio::test]
async fn a_proxy_may_come_by_a_unix_socket_and_carry_tls() {
    let made = Certificates::new();
    let address = format!("unix:{}", made.folder.path().join("talk.sock").display());
    let site = Site::start(vec![Endpoint {
        address: address.parse().unwrap(),
        limits: Limits::default(),
        ..behind_proxy(Security::Implicit(made.tls.clone()))
    }]);
    let mut client = site.connect_unix().await;
    client.send("PROXY TCP4 192.0.2.1 198.51.100.9 4711 993\r\n").await;
    let stream = handshake(client.into_inner(), trusting(&made.ca), "localhost").await.unwrap();
    let introduction = Client::new(stream).line().await;
    assert!(introduction.starts_with("peer=192.0.2.1 port=4711 local=198.51.100.9:993"), "{introduction}");
    assert!(introduction.contains("encrypted=true"), "{introduction}");
}

#[tokio::test]
async fn header_and_handshake_share_one_deadline() {
    let made = Certificates::new();
    let site = Site::start(vec![behind_proxy(Security::Implicit(made.tls.clone()))]);
    let mut stream = site.connect_raw().await;
    stream.write_all(b"PROXY TCP4 192.0.2.1 198.51.100.9 4711 993\r\n").await.unwrap();
    assert!(is_closed(&mut stream).await);
}
