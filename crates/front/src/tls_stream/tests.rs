use std::{pin::pin, sync::Mutex, time::Duration};

use rustls::{
    ALL_VERSIONS, ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
    time_provider::TimeProvider,
    version::{TLS12, TLS13},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, split};
use tokio_rustls::{TlsConnector, client::TlsStream as Client};

use super::*;
use crate::{Tls, self_made};

type Versions = &'static [&'static SupportedProtocolVersion];
const EACH: [Versions; 2] = [&[&TLS12], &[&TLS13]];
/// 2026-01-01.
const NOW: i64 = 1_767_225_600;

/// Both ends' configurations, for one certificate.
fn configs(versions: Versions) -> (Arc<ServerConfig>, ClientConfig) {
    #[derive(Debug)]
    struct Fixed;
    impl TimeProvider for Fixed {
        fn current_time(&self) -> Option<UnixTime> {
            Some(UnixTime::since_unix_epoch(Duration::from_secs(NOW.unsigned_abs())))
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let made = self_made::ensure(folder.path(), "example.org", &[], NOW).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&made.ca).unwrap()).unwrap();
    let client = ClientConfig::builder_with_details(Arc::new(aws_lc_rs::default_provider()), Arc::new(Fixed))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Tls::load(&made.certificate, &made.key).unwrap().config(), client)
}

fn localhost() -> ServerName<'static> {
    "localhost".try_into().unwrap()
}

/// The two ends of a connection whose pipe holds `room` octets each way.
async fn connected(
    (mut server, client): (Arc<ServerConfig>, ClientConfig),
    room: usize,
) -> (TlsStream<DuplexStream>, Client<DuplexStream>) {
    if room < 1 << 12 {
        // The client is done before they come, and would not empty its pipe.
        Arc::make_mut(&mut server).send_tls13_tickets = 0;
    }
    let (near, far) = duplex(room);
    let connector = TlsConnector::from(Arc::new(client));
    let (server, client) = tokio::join!(TlsStream::accept(near, server), connector.connect(localhost(), far));
    (server.unwrap(), client.unwrap())
}

/// What comes to the server comes octet by octet, and messages of the handshake in
/// several records.
async fn connected_by_octet(
    (server, mut client): (Arc<ServerConfig>, ClientConfig),
) -> (TlsStream<ByOctet>, Client<DuplexStream>) {
    client.max_fragment_size = Some(32 + 5);
    let (near, far) = duplex(1 << 16);
    let connector = TlsConnector::from(Arc::new(client));
    let accepting = TlsStream::accept(ByOctet(near), server);
    let (server, client) = tokio::join!(accepting, connector.connect(localhost(), far));
    (server.unwrap(), client.unwrap())
}

/// Octets that repeat nowhere near.
fn octets(count: u32) -> Vec<u8> {
    (0..count).flat_map(|number| number.wrapping_mul(2_654_435_761).to_be_bytes()).collect()
}

fn holds_nothing<T>(stream: &TlsStream<T>) -> bool {
    [&stream.incomplete, &stream.readable.octets, &stream.sendable.octets].iter().all(|kept| kept.capacity() == 0)
}

/// Polls `future` once.
async fn once<F: Future + Unpin>(mut future: F) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut future).poll(cx))).await
}

#[tokio::test]
async fn nothing_is_held_when_all_has_been_said_and_heard() {
    for versions in EACH {
        let (mut server, mut client) = connected(configs(versions), 1 << 20).await;
        client.write_all(&octets(10_000)).await.unwrap();
        client.flush().await.unwrap();
        server.read_exact(&mut [0; 40_000]).await.unwrap();
        server.write_all(&octets(10_000)).await.unwrap();
        server.flush().await.unwrap();
        assert!(holds_nothing(&server), "after a conversation");
    }
}

/// A client that waits for its socket, and not for its TLS, hears the first piece and
/// takes it for all there is.
#[tokio::test]
async fn tickets_go_out_with_the_greeting_in_one_piece() {
    for (versions, of_tickets) in [(EACH[0], 0), (EACH[1], 1)] {
        let (server, client) = configs(versions);
        let (near, far) = duplex(1 << 16);
        let written = Arc::default();
        let accepting = TlsStream::accept(Pieces(near, Arc::clone(&written)), server);
        let connecting = TlsConnector::from(Arc::new(client));
        let (server, client) = tokio::join!(accepting, connecting.connect(localhost(), far));
        let (mut server, mut client) = (server.unwrap(), client.unwrap());
        let handshake = written.lock().unwrap().len();
        server.write_all(b"* OK ready\r\n").await.unwrap();
        client.read_exact(&mut [0; 12]).await.unwrap();
        let written = written.lock().unwrap();
        let [greeting] = &written[handshake..] else { panic!("{} pieces", written.len() - handshake) };
        assert_eq!(records(greeting), of_tickets + 1);
        assert!(holds_nothing(&server));
    }
}

#[tokio::test]
async fn the_hello_is_told_once_and_whole_however_it_came() {
    for versions in EACH {
        let (mut server, _client) = connected_by_octet(configs(versions)).await;
        let records = server.take_hello().unwrap();
        let (mut rest, mut message) = (&records[..], vec![]);
        while let [22, 3, _, high, low, fragment @ ..] = rest {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            message.extend_from_slice(&fragment[..length]);
            rest = &fragment[length..];
        }
        assert!(rest.is_empty(), "only handshake records");
        let [1, a, b, c, hello @ ..] = &message[..] else { panic!("no hello: {message:?}") };
        assert_eq!(hello.len(), usize::try_from(u32::from_be_bytes([0, *a, *b, *c])).unwrap());
        assert!(hello.windows(9).any(|name| name == b"localhost"));
        assert_eq!(server.take_hello(), None);
    }
}

#[tokio::test]
async fn a_conversation_in_single_octets_is_understood() {
    for versions in EACH {
        let (mut server, mut client) = connected_by_octet(configs(versions)).await;
        let talk = async {
            client.write_all(b"a1 CAPABILITY\r\n").await.unwrap();
            client.flush().await.unwrap();
            client.read_exact(&mut [0; 4]).await.unwrap();
        };
        let answer = async {
            let mut heard = [0; 15];
            server.read_exact(&mut heard).await.unwrap();
            assert_eq!(&heard, b"a1 CAPABILITY\r\n");
            server.write_all(b"a1 O").await.unwrap();
            server.flush().await.unwrap();
        };
        tokio::join!(talk, answer);
        assert!(holds_nothing(&server));
    }
}

#[tokio::test]
async fn large_transfers_both_ways_at_once_arrive_whole() {
    for (versions, room, piece, reading) in
        [(EACH[0], 4_099, 70_001, 1), (EACH[1], 7, 100_003, 333), (EACH[1], 65_537, 16_385, 100_003)]
    {
        let (server, client) = connected(configs(versions), room).await;
        let sent = octets(50_000);
        let (mut from_client, mut to_client) = split(server);
        let (mut from_server, mut to_server) = split(client);
        let say = async |to: &mut (dyn AsyncWrite + Unpin + Send)| {
            for piece in sent.chunks(piece) {
                to.write_all(piece).await.unwrap();
            }
            to.shutdown().await.unwrap();
        };
        let hear = async |from: &mut (dyn AsyncRead + Unpin + Send)| {
            let (mut all, mut piece) = (Vec::new(), vec![0; reading]);
            loop {
                match from.read(&mut piece).await.unwrap() {
                    0 => return assert!(all == sent),
                    count => all.extend_from_slice(&piece[..count]),
                }
            }
        };
        tokio::join!(say(&mut to_client), say(&mut to_server), hear(&mut from_client), hear(&mut from_server));
    }
}

#[tokio::test]
async fn many_small_writes_arrive_in_order() {
    let (mut server, mut client) = connected(configs(ALL_VERSIONS), 100).await;
    let talk = async {
        for number in 0..10_000_u32 {
            server.write_all(&number.to_be_bytes()[1..]).await.unwrap();
        }
        server.shutdown().await.unwrap();
    };
    let mut heard = Vec::new();
    let (_, read) = tokio::join!(talk, client.read_to_end(&mut heard));
    read.unwrap();
    let expected: Vec<u8> = (0..10_000_u32).flat_map(|number| number.to_be_bytes()[1..].to_vec()).collect();
    assert!(heard == expected);
}

#[tokio::test]
async fn who_has_said_all_can_still_hear() {
    for versions in EACH {
        let (mut server, mut client) = connected(configs(versions), 1 << 16).await;
        client.write_all(b"question").await.unwrap();
        client.shutdown().await.unwrap();
        let mut heard = Vec::new();
        server.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, b"question");
        assert_eq!(server.read(&mut [0; 1]).await.unwrap(), 0, "the end stays the end");
        server.write_all(b"answer").await.unwrap();
        server.shutdown().await.unwrap();
        heard.clear();
        client.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, b"answer");

        let (mut server, mut client) = connected(configs(versions), 1 << 16).await;
        server.shutdown().await.unwrap();
        assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);
        client.write_all(b"late").await.unwrap();
        client.flush().await.unwrap();
        server.read_exact(&mut [0; 4]).await.unwrap();
        assert_eq!(server.write(b"later still").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}

#[tokio::test]
async fn an_end_that_the_client_did_not_speak_is_no_end() {
    for versions in EACH {
        // Between two records, and within one.
        for cut in [0, 1, 5, 20] {
            let (mut server, client) = connected(configs(versions), 1 << 16).await;
            let (mut pipe, mut client) = client.into_inner();
            client.writer_write(b"A1 LOGOUT, or perhaps more");
            let record = client.record();
            pipe.write_all(&record[..cut]).await.unwrap();
            drop(pipe);
            let error = server.read(&mut [0; 64]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{error}");
        }
    }
}

#[tokio::test]
async fn garbage_gets_an_alert_and_then_nothing() {
    for versions in EACH {
        let (mut server, client) = connected(configs(versions), 1 << 16).await;
        let (mut pipe, mut client) = client.into_inner();
        client.writer_write(b"good");
        let mut record = client.record();
        // Broken in its last octet, and behind one that is whole.
        client.writer_write(b"bad");
        record.extend(client.record());
        *record.last_mut().unwrap() ^= 1;
        pipe.write_all(&record).await.unwrap();
        let error = server.read(&mut [0; 64]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        server.read(&mut [0; 64]).await.unwrap_err();
        server.write(b"more").await.unwrap_err();
        server.shutdown().await.unwrap();
        drop(server);
        let mut answer = Vec::new();
        pipe.read_to_end(&mut answer).await.unwrap();
        client.read_tls(&mut &answer[..]).unwrap();
        let told = client.process_new_packets().unwrap_err();
        assert_eq!(told, rustls::Error::AlertReceived(rustls::AlertDescription::BadRecordMac));
    }
}

#[tokio::test]
async fn a_handshake_with_nonsense_in_it_is_refused() {
    let (config, _) = configs(ALL_VERSIONS);
    for nonsense in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[22, 3, 1, 0xff, 0xff, 1], &[22, 3, 1, 0, 4, 1, 0, 0, 0], &[]] {
        let (near, mut far) = duplex(1 << 16);
        far.write_all(nonsense).await.unwrap();
        far.shutdown().await.unwrap();
        TlsStream::accept(near, config.clone()).await.unwrap_err();
        let mut answer = Vec::new();
        far.read_to_end(&mut answer).await.unwrap();
        // An alert, where there was something to complain about.
        assert_eq!(answer.first(), (!nonsense.is_empty()).then_some(&21), "{nonsense:?}");
    }
    // A message of the handshake without an end.
    let (near, mut far) = duplex(1 << 10);
    let endless = async {
        let mut record = vec![22, 3, 1, 0x40, 0, 1, 0, 0xff, 0xff];
        record.resize(5 + 0x4000, 0);
        while far.write_all(&record).await.is_ok() {
            record[5..9].fill(0);
        }
    };
    let (accepted, ()) = tokio::join!(TlsStream::accept(near, config), endless);
    accepted.unwrap_err();
}

#[tokio::test]
async fn keys_change_in_the_middle_of_a_conversation() {
    let (mut server, mut client) = connected(configs(EACH[1]), 1 << 16).await;
    for round in 0..20_u8 {
        client.get_mut().1.refresh_traffic_keys().unwrap();
        client.write_all(&[round]).await.unwrap();
        client.flush().await.unwrap();
        assert_eq!(server.read_u8().await.unwrap(), round);
        // The first that is said under new keys of ours.
        server.write_all(&[round]).await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), round);
        assert!(holds_nothing(&server));
    }
}

#[tokio::test]
async fn it_can_speak_while_what_it_hears_is_incomplete() {
    for versions in EACH {
        let (mut server, client) = connected(configs(versions), 1_000).await;
        let (mut pipe, mut client) = client.into_inner();
        if versions[0].version == rustls::ProtocolVersion::TLSv1_3 {
            client.refresh_traffic_keys().unwrap();
        }
        client.writer_write(b"whole");
        for octet in client.record() {
            pipe.write_all(&[octet]).await.unwrap();
            let mut heard = [0; 5];
            let mut read = pin!(server.read_exact(&mut heard));
            if let Poll::Ready(read) = once(&mut read).await {
                read.unwrap();
                assert_eq!(&heard, b"whole");
                break;
            }
            server.write_all(b"!").await.unwrap();
            let mut said = [0; 256];
            let count = pipe.read(&mut said).await.unwrap();
            client.read_tls(&mut &said[..count]).unwrap();
            client.process_new_packets().unwrap();
            assert_eq!(io::Read::read(&mut client.reader(), &mut [0; 8]).unwrap(), 1);
        }
        assert!(holds_nothing(&server));
    }
}

#[tokio::test]
async fn what_is_held_back_is_pushed_on_by_writers_alone() {
    let (mut server, client) = connected(configs(ALL_VERSIONS), 1_000).await;
    let (mut pipe, _) = client.into_inner();
    // Its pipe takes a part, and the rest is held.
    assert_eq!(server.write(&[0; 10_000]).await.unwrap(), 10_000);
    let mut taken = Vec::new();
    pipe.read_buf(&mut taken).await.unwrap();
    // A session that has ended reads no more and writes no more; even a reading moves nothing.
    assert!(once(pin!(server.read(&mut [0; 8]))).await.is_pending());
    drop(server);
    pipe.read_to_end(&mut taken).await.unwrap();
    assert_eq!(taken.len(), 1_000);
}

/// A network that carries one octet at a time.
struct ByOctet(DuplexStream);

impl AsyncRead for ByOctet {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut octet = into.take(1);
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut octet))?;
        let count = octet.filled().len();
        into.set_filled(into.filled().len() + count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ByOctet {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, &octets[..octets.len().min(1)])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// A network that remembers in which pieces things were given to it.
struct Pieces(DuplexStream, Arc<Mutex<Vec<Vec<u8>>>>);

impl AsyncRead for Pieces {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, into)
    }
}

impl AsyncWrite for Pieces {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.0).poll_write(cx, octets))?;
        self.1.lock().unwrap().push(octets[..count].to_vec());
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// How many records these octets are.
fn records(mut octets: &[u8]) -> usize {
    let mut count = 0;
    while let [_, 3, 3, high, low, rest @ ..] = octets {
        octets = &rest[usize::from(u16::from_be_bytes([*high, *low]))..];
        count += 1;
    }
    assert!(octets.is_empty(), "no whole record: {octets:?}");
    count
}

/// A client taken apart, to send what no client would.
trait TakenApart {
    fn writer_write(&mut self, octets: &[u8]);
    fn record(&mut self) -> Vec<u8>;
}

impl TakenApart for ClientConnection {
    fn writer_write(&mut self, octets: &[u8]) {
        io::Write::write_all(&mut self.writer(), octets).unwrap();
    }

    fn record(&mut self) -> Vec<u8> {
        let mut record = Vec::new();
        while self.wants_write() {
            self.write_tls(&mut record).unwrap();
        }
        record
    }
}
