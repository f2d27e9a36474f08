//! HTTP/2, spoken by hand: what its own checks and ours let through, and what
//! becomes of a connection that many requests share.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use front::{Security, Tls, self_made};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
    time_provider::TimeProvider,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    asking::basic,
    behind::{Behind, Does},
    http_sign_in::door_to,
    world::{ALICE, PRIMARY, Served, World},
};

const SOON: Duration = Duration::from_secs(10);
/// 2026-01-01, for the server's certificate and for the client's clock.
const NOW: i64 = 1_767_225_600;
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

#[derive(Debug)]
struct Fixed;

impl TimeProvider for Fixed {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(NOW.unsigned_abs())))
    }
}

/// A door that speaks HTTP/2, and who trusts it.
struct Site {
    dav: Served,
    config: Arc<ClientConfig>,
    _folder: TempDir,
}

impl Site {
    fn new(world: &World, behind: &Behind) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = self_made::ensure(folder.path(), "example.org", &[], NOW).unwrap();
        let tls = Tls::load(&made.certificate, &made.key).unwrap().with_alpn(&["h2", "http/1.1"]);
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&made.ca).unwrap()).unwrap();
        let mut config = ClientConfig::builder_with_details(Arc::new(aws_lc_rs::default_provider()), Arc::new(Fixed))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let dav = Served::new(door_to(world, behind), Security::Implicit(tls));
        Self { dav, config: Arc::new(config), _folder: folder }
    }

    async fn connect(&self) -> Client {
        let mut client = Client::over_tls(self.dav.address, self.config.clone()).await;
        client.0.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        client.frame(SETTINGS, 0, 0, &[]).await;
        client
    }
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

struct Client(TlsStream<TcpStream>);

/// What a stream is answered with.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Status(u16),
    /// The stream is taken back, or the connection ended.
    Reset,
}

impl Client {
    async fn over_tls(address: SocketAddr, config: Arc<ClientConfig>) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        Self(TlsConnector::from(config).connect(name, stream).await.unwrap())
    }

    async fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        // A server that has had enough closes while we write.
        let _ = self.0.write_all(&[&head, payload].concat()).await;
    }

    async fn read(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).await.ok()?;
        Some((head[3], head[4], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload))
    }

    async fn ask(&mut self, stream: u32, headers: &[(&str, &str)], body: &[u8]) {
        let end = if body.is_empty() { END_STREAM } else { 0 };
        self.frame(HEADERS, END_HEADERS | end, stream, &block(headers)).await;
        if !body.is_empty() {
            self.frame(DATA, END_STREAM, stream, body).await;
        }
    }

    async fn told(&mut self, stream: u32) -> Told {
        let telling = async {
            loop {
                match self.read().await {
                    None | Some((GOAWAY, ..)) => return Told::Reset,
                    Some((RST_STREAM, _, at, _)) if at == stream => return Told::Reset,
                    Some((HEADERS, _, at, block)) if at == stream => return Told::Status(status(&block)),
                    Some(_) => {}
                }
            }
        };
        timeout(SOON, telling).await.expect("an answer")
    }
}

/// Each as a literal that is in no table (RFC 7541, 6.2.2).
fn block(headers: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| {
        let mut octets = match text.len() {
            length @ 0..127 => vec![u8::try_from(length).unwrap()],
            length => vec![
                127,
                u8::try_from((length - 127) % 128 + 128).unwrap(),
                u8::try_from((length - 127) / 128).unwrap(),
            ],
        };
        octets.extend_from_slice(text.as_bytes());
        octets
    };
    headers.iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}

/// The first header, which is the status: of the static table, or in Huffman's code.
fn status(block: &[u8]) -> u16 {
    let block = if block[0] & 0xe0 == 0x20 { &block[1..] } else { block };
    match block {
        [0x88, ..] => 200,
        [0x8c, ..] => 400,
        [0x48, 0x82, 0x68, 0x01, ..] => 401,
        [0x48, 0x83, 0x68, 0x0c, 0xff, ..] => 403,
        [0x48, 0x82, 0x68, 0x41, ..] => 421,
        other => panic!("{other:x?}"),
    }
}

fn request<'a>(authorization: &'a str, change: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let usual = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "dav.example.org"),
        (":path", "/a"),
        ("authorization", authorization),
    ];
    let mut headers: Vec<_> =
        usual.into_iter().filter(|(name, _)| !change.iter().any(|(other, _)| other == name)).collect();
    let pseudo = change.iter().filter(|(name, _)| name.starts_with(':'));
    let plain = change.iter().filter(|(name, _)| !name.starts_with(':'));
    headers.splice(0..0, pseudo.copied());
    headers.extend(plain.copied());
    headers.retain(|(_, value)| *value != "-");
    headers
}

async fn world() -> (World, authority::AppPasswordId, keeper::FreshMandate, String) {
    let world = World::new().await;
    let mandate = world.account(ALICE).await;
    let issued = world.password(&mandate, "calendars,contacts").await;
    let header = value(&basic(ALICE, issued.secret.expose()));
    (world, issued.password.id, mandate, header)
}

fn value(header: &str) -> String {
    header.trim().trim_start_matches("Authorization: ").to_owned()
}

/// Headers in place of the usual ones, `-` for none; and a body.
type Row<'a> = (Vec<(&'a str, &'a str)>, &'a [u8]);

#[tokio::test]
async fn what_is_decided_on_gets_through_and_no_tricks_with_it() {
    let (world, _, _, good) = world().await;
    let behind = Behind::that(Does::Says(OK)).await;
    let site = Site::new(&world, &behind);
    let wrong = value(&basic(ALICE, PRIMARY));
    let rows: Vec<Row<'_>> = vec![
        // Its own pseudo-headers: once each, first, known, and fit.
        (vec![(":path", "-")], b""),
        (vec![(":method", "-")], b""),
        (vec![(":scheme", "-")], b""),
        (vec![(":authority", "-")], b""),
        (vec![(":path", "/a"), (":path", "/b")], b""),
        (vec![(":method", "GET"), (":method", "PUT")], b""),
        (vec![(":authority", "dav.example.org"), (":authority", "other.example.org")], b""),
        (vec![(":evil", "x")], b""),
        (vec![(":status", "200")], b""),
        (vec![(":protocol", "websocket"), (":method", "CONNECT")], b""),
        (vec![(":method", "CONNECT")], b""),
        (vec![(":method", "TRACE")], b""),
        (vec![(":scheme", "http")], b""),
        (vec![(":scheme", "ftp")], b""),
        (vec![(":path", "")], b""),
        (vec![(":path", "a")], b""),
        (vec![(":path", "*")], b""),
        (vec![(":path", "https://other.example.org/a")], b""),
        (vec![(":path", "/a HTTP/1.1\r\nHost: x\r\n\r\nGET /b")], b""),
        (vec![(":path", "/a b")], b""),
        (vec![(":path", "/a\0")], b""),
        (vec![(":method", "GET /b HTTP/1.1\r\nX:")], b""),
        (vec![(":method", "G T")], b""),
        (vec![(":authority", "dav.example.org\r\nX-Remote-User: bob")], b""),
        (vec![(":authority", "bob@dav.example.org")], b""),
        (vec![(":authority", "")], b""),
        // Two names for the server.
        (vec![("host", "other.example.org")], b""),
        (vec![("host", "dav.example.org"), ("host", "other.example.org")], b""),
        // What would be another line, or another message, in HTTP/1.1.
        (vec![("x", "a\r\nx-remote-user: bob")], b""),
        (vec![("x", "a\nb")], b""),
        (vec![("x", "a\0b")], b""),
        (vec![("x\r\nx-remote-user", "bob")], b""),
        (vec![("x: y\r\nz", "bob")], b""),
        (vec![("x y", "bob")], b""),
        (vec![("X-Upper", "bob")], b""),
        (vec![("", "bob")], b""),
        (vec![("transfer-encoding", "chunked")], b"0\r\n\r\nGET /b HTTP/1.1\r\n\r\n"),
        (vec![("connection", "close")], b""),
        (vec![("connection", "x-forwarded-for")], b""),
        (vec![("keep-alive", "1")], b""),
        (vec![("proxy-connection", "1")], b""),
        (vec![("upgrade", "h2c")], b""),
        (vec![("te", "gzip")], b""),
        // Lengths that are not those of what is sent.
        (vec![("content-length", "5")], b""),
        (vec![("content-length", "1")], b"GET /b HTTP/1.1"),
        (vec![("content-length", "99")], b"short"),
        (vec![("content-length", "+5")], b"short"),
        (vec![("content-length", "5"), ("content-length", "4")], b"short"),
        (vec![("authorization", &good), ("authorization", &wrong)], b""),
        (vec![("authorization", &wrong)], b""),
    ];
    for (change, body) in &rows {
        let mut client = site.connect().await;
        client.ask(1, &request(&good, change), body).await;
        let told = client.told(1).await;
        assert_ne!(told, Told::Status(200), "{change:?}");
        assert!(behind.requests().is_empty(), "{change:?}: {:?}", behind.requests());
    }
    // A pseudo-header behind the others.
    let mut client = site.connect().await;
    let mut late = request(&good, &[]);
    late.rotate_left(1);
    client.ask(1, &late, b"").await;
    assert_ne!(client.told(1).await, Told::Status(200));
    assert!(behind.requests().is_empty());

    for (change, body, line) in [
        (vec![], &b""[..], "GET /a HTTP/1.1"),
        (
            vec![("host", "dav.example.org"), ("te", "trailers"), ("x-remote-user", "bob"), ("cookie", "a=b")],
            b"",
            "GET /a HTTP/1.1",
        ),
        (vec![(":method", "PUT"), (":path", "/b?c"), ("content-length", "3")], b"abc", "PUT /b?c HTTP/1.1"),
        (vec![(":method", "PUT")], b"abc", "PUT /a HTTP/1.1"),
    ] {
        let mut client = site.connect().await;
        client.ask(1, &request(&good, &change), body).await;
        assert_eq!(client.told(1).await, Told::Status(200), "{change:?}");
        let seen = behind.requests().pop().unwrap();
        assert!(seen.starts_with(&format!("{line}\r\n")), "{seen}");
        assert!(
            seen.contains("host: dav.example.org\r\n") && seen.contains("x-remote-user: alice@example.org\r\n"),
            "{seen}"
        );
        assert!(!seen.contains("bob") && !seen.contains("cookie") && !seen.contains("te:"), "{seen}");
        assert!(body.is_empty() || seen.contains("abc"), "{seen}");
    }
    assert_eq!(behind.requests().len(), 4);
}

/// A fence closes a connection as a whole.
#[tokio::test]
async fn a_connection_is_one_persons_and_ends_with_their_password() {
    let (world, id, mandate, good) = world().await;
    let bob = world.account("bob@example.org").await;
    let bobs = value(&basic("bob@example.org", world.password(&bob, "calendars,contacts").await.secret.expose()));
    let behind = Behind::that(Does::SaysAndWaits("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nBEGIN")).await;
    let site = Site::new(&world, &behind);
    let mut client = site.connect().await;
    // A refusal is nobody's.
    client.ask(1, &request(&value(&basic(ALICE, PRIMARY)), &[]), b"").await;
    assert_eq!(client.told(1).await, Told::Status(401));
    client.ask(3, &request(&good, &[]), b"").await;
    assert_eq!(client.told(3).await, Told::Status(200));
    client.ask(5, &request(&bobs, &[]), b"").await;
    assert_eq!(client.told(5).await, Told::Status(421));
    client.ask(7, &request(&good, &[]), b"").await;
    assert_eq!(client.told(7).await, Told::Status(200));
    assert_eq!(behind.requests().len(), 2, "Bob's was not passed on");
    let sessions = world.keeper.sessions(None);
    assert_eq!(sessions.len(), 1, "{sessions:?}");

    assert_eq!(world.keeper.revoke(&mandate, id).await.unwrap(), Some(1));
    let rest = async { while client.read().await.is_some() {} };
    timeout(SOON, rest).await.expect("closed");
    for _ in 0..2 {
        timeout(SOON, behind.gone.notified()).await.expect("the server behind is let go of");
    }
    while !world.keeper.sessions(None).is_empty() {
        tokio::task::yield_now().await;
    }
}

/// CVE-2023-44487: streams that are opened and taken back cost nothing for long.
#[tokio::test]
async fn a_client_that_takes_back_what_it_asks_is_sent_away() {
    let (world, _, _, good) = world().await;
    let behind = Behind::that(Does::SaysAndWaits("")).await;
    let site = Site::new(&world, &behind);
    let mut client = site.connect().await;
    for stream in (1..4001).step_by(2) {
        client.ask(stream, &request(&good, &[]), b"").await;
        client.frame(RST_STREAM, 0, stream, &8u32.to_be_bytes()).await;
    }
    let end = async {
        loop {
            match client.read().await {
                None | Some((GOAWAY, ..)) => return,
                Some(_) => {}
            }
        }
    };
    timeout(SOON, end).await.expect("it is sent away");
}
