//! A front with a small talkative service behind it, and its clients.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use fingerprint::tls::ClientHello;
use front::{
    Address, Connection, Endpoint, Limits, Security, Server, Service, Shutdown, ShutdownHandle, Stream, Tls, self_made,
};
use rustls::{
    ALL_VERSIONS, ClientConfig, RootCertStore, SupportedProtocolVersion,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
    time_provider::TimeProvider,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpStream, UnixStream},
    task::JoinHandle,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// 2026-01-01, for the server's certificate and for the client's clock.
pub(crate) const NOW: i64 = 1_767_225_600;

/// Introduces the client to itself, then answers lines: `STARTTLS` gets `go`,
/// turns TLS on and introduces again; `LINGER` gets `lingering` and stays,
/// whatever is requested; anything else is echoed. Says `bye` on shutdown.
pub(crate) struct Talk;

#[async_trait]
impl Service for Talk {
    async fn serve(&self, connection: Connection) {
        let Connection { mut stream, peer, local, tls, shutdown, seat } = connection;
        let introduction = |stream: &mut Stream| {
            let local = local.map_or("none".to_owned(), |local| local.to_string());
            let (encrypted, offered) = (stream.is_encrypted(), tls.is_some());
            let hello = stream.take_client_hello().map(|records| ClientHello::read(&records).unwrap());
            let name = hello.as_ref().and_then(ClientHello::server_name).unwrap_or("none");
            format!(
                "peer={} port={} local={local} encrypted={encrypted} starttls={offered} name={name}\n",
                peer.address, peer.port
            )
        };
        let mut text = introduction(&mut stream);
        let mut stream = BufReader::new(stream);
        loop {
            if stream.write_all(text.as_bytes()).await.is_err() || stream.flush().await.is_err() {
                return;
            }
            text.clear();
            tokio::select! {
                read = stream.read_line(&mut text) => if !matches!(read, Ok(1..)) { return },
                () = shutdown.requested() => {
                    let _ = stream.write_all(b"bye\n").await;
                    let _ = stream.shutdown().await;
                    return;
                }
            }
            // Whoever speaks is somebody.
            seat.settle();
            match text.as_str() {
                "STARTTLS\n" => {
                    // The client waits for this: sent at once, its hello could be read as a line.
                    if stream.write_all(b"go\n").await.is_err() || stream.flush().await.is_err() {
                        return;
                    }
                    let Ok(mut encrypted) = stream.into_inner().start_tls(tls.as_ref().unwrap()).await else {
                        return;
                    };
                    text = introduction(&mut encrypted);
                    stream = BufReader::new(encrypted);
                }
                "LINGER\n" => {
                    let _ = stream.write_all(b"lingering\n").await;
                    std::future::pending().await
                }
                "PANIC\n" => panic!("asked to"),
                _ => {}
            }
        }
    }
}

/// A running front; stopped when dropped.
pub(crate) struct Site {
    pub(crate) addresses: Vec<Address>,
    pub(crate) shutdown: ShutdownHandle,
    pub(crate) running: JoinHandle<()>,
}

impl Site {
    pub(crate) fn start(endpoints: Vec<Endpoint>) -> Self {
        Self::start_with_grace(endpoints, Duration::from_secs(10))
    }

    pub(crate) fn start_with_grace(endpoints: Vec<Endpoint>, grace: Duration) -> Self {
        let endpoints = endpoints.into_iter().map(|endpoint| (endpoint, Arc::new(Talk) as Arc<dyn Service>)).collect();
        let server = Server::bind(endpoints).unwrap().with_grace(grace);
        let (shutdown, heard) = Shutdown::pair();
        Self { addresses: server.addresses(), shutdown, running: tokio::spawn(server.run(heard)) }
    }

    pub(crate) async fn connect(&self) -> Client<TcpStream> {
        Client::new(self.connect_raw().await)
    }

    pub(crate) async fn connect_raw(&self) -> TcpStream {
        let Address::Tcp(address) = &self.addresses[0] else { panic!("not TCP") };
        TcpStream::connect(address).await.unwrap()
    }

    pub(crate) async fn connect_unix(&self) -> Client<UnixStream> {
        let Address::Unix(path) = &self.addresses[0] else { panic!("not a Unix socket") };
        Client::new(UnixStream::connect(path).await.unwrap())
    }
}

/// An endpoint on a port of the system's choice.
pub(crate) fn endpoint(security: Security) -> Endpoint {
    Endpoint {
        name: "talk".to_owned(),
        address: "127.0.0.1:0".parse().unwrap(),
        security,
        proxy_from: Vec::new(),
        limits: Limits::default(),
    }
}

/// A folder with a CA and a certificate for `localhost` and mail.example.org.
pub(crate) struct Certificates {
    pub(crate) folder: TempDir,
    pub(crate) ca: PathBuf,
    pub(crate) tls: Tls,
}

impl Certificates {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let names = ["mail.example.org".to_owned()];
        let made = self_made::ensure(folder.path(), "example.org", &names, NOW).unwrap();
        let tls = Tls::load(&made.certificate, &made.key).unwrap();
        Self { folder, ca: made.ca, tls }
    }
}

/// A client that speaks in lines.
pub(crate) struct Client<S>(BufReader<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self(BufReader::new(stream))
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
        self.0.flush().await.unwrap();
    }

    /// The next line, without its end; empty if the connection has ended.
    pub(crate) async fn line(&mut self) -> String {
        let mut line = String::new();
        // A reset is an end as well.
        let _ = self.0.read_line(&mut line).await;
        line.trim_end().to_owned()
    }

    pub(crate) async fn ask(&mut self, text: &str) -> String {
        self.send(&format!("{text}\n")).await;
        self.line().await
    }

    pub(crate) fn into_inner(self) -> S {
        self.0.into_inner()
    }
}

/// True if the other end closes without a word.
pub(crate) async fn is_closed(stream: &mut (impl AsyncRead + Unpin)) -> bool {
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    rest.is_empty()
}

/// Trusts the CA in this file and nothing else, and has the tests' clock.
pub(crate) fn trusting(ca: &Path) -> ClientConfig {
    speaking(ca, ALL_VERSIONS)
}

/// The same with these versions of TLS only.
pub(crate) fn speaking(ca: &Path, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
    #[derive(Debug)]
    struct Fixed;
    impl TimeProvider for Fixed {
        fn current_time(&self) -> Option<UnixTime> {
            Some(UnixTime::since_unix_epoch(Duration::from_secs(NOW.unsigned_abs())))
        }
    }
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    ClientConfig::builder_with_details(Arc::new(aws_lc_rs::default_provider()), Arc::new(Fixed))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

pub(crate) async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    config: ClientConfig,
    name: &'static str,
) -> std::io::Result<TlsStream<S>> {
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(name).unwrap(), stream).await
}
