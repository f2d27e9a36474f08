//! A client for IMAP, POP3 and ManageSieve that speaks in lines, with or without TLS.

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
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

/// 2026-01-01, for the server's certificate and for the client's clock.
const NOW: i64 = 1_767_225_600;

pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A certificate for `localhost`, and who trusts it.
pub(crate) struct Certificate {
    pub(crate) tls: Tls,
    config: Arc<ClientConfig>,
    _folder: TempDir,
}

#[derive(Debug)]
struct Fixed;

impl TimeProvider for Fixed {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(NOW.unsigned_abs())))
    }
}

impl Certificate {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = self_made::ensure(folder.path(), "example.org", &[], NOW).unwrap();
        let tls = Tls::load(&made.certificate, &made.key).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&made.ca).unwrap()).unwrap();
        let config = ClientConfig::builder_with_details(Arc::new(aws_lc_rs::default_provider()), Arc::new(Fixed))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { tls, config: Arc::new(config), _folder: folder }
    }

    pub(crate) fn implicit(&self) -> Security {
        Security::Implicit(self.tls.clone())
    }

    pub(crate) fn starttls(&self) -> Security {
        Security::StartTls(self.tls.clone())
    }

    async fn handshake(&self, stream: Box<dyn Stream>) -> Box<dyn Stream> {
        let name = ServerName::try_from("localhost").unwrap();
        Box::new(TlsConnector::from(self.config.clone()).connect(name, stream).await.unwrap())
    }
}

pub(crate) struct Client(BufReader<Box<dyn Stream>>);

impl Client {
    /// Connects in the clear and reads the greeting.
    pub(crate) async fn plain(address: SocketAddr) -> Self {
        let mut client = Self::ungreeted(address, None).await;
        assert!(client.line().await.starts_with("* OK [CAPABILITY IMAP4rev1 "));
        client
    }

    /// Connects with TLS and reads the greeting.
    pub(crate) async fn tls(address: SocketAddr, certificate: &Certificate) -> Self {
        let mut client = Self::ungreeted(address, Some(certificate)).await;
        assert!(client.line().await.starts_with("* OK [CAPABILITY IMAP4rev1 "));
        client
    }

    /// Connects; whatever the protocol, its greeting is yet to be read.
    pub(crate) async fn ungreeted(address: SocketAddr, certificate: Option<&Certificate>) -> Self {
        let stream: Box<dyn Stream> = Box::new(TcpStream::connect(address).await.unwrap());
        Self(BufReader::new(match certificate {
            Some(certificate) => certificate.handshake(stream).await,
            None => stream,
        }))
    }

    pub(crate) async fn start_tls(mut self, certificate: &Certificate) -> Self {
        assert!(self.ask("s STARTTLS").await.starts_with("s OK"));
        self.now_in_tls(certificate).await
    }

    pub(crate) async fn now_in_tls(self, certificate: &Certificate) -> Self {
        Self(BufReader::new(certificate.handshake(self.0.into_inner()).await))
    }

    pub(crate) async fn say(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
        self.0.flush().await.unwrap();
    }

    /// The next line, without its end; empty if the connection has ended.
    pub(crate) async fn line(&mut self) -> String {
        let mut line = String::new();
        // A reset, or an end without TLS's goodbye, is an end as well.
        let _ = self.0.read_line(&mut line).await;
        line.trim_end().to_owned()
    }

    /// Sends a line and reads one.
    pub(crate) async fn ask(&mut self, line: &str) -> String {
        self.say(&format!("{line}\r\n")).await;
        self.line().await
    }

    /// Says that there is nothing more to come.
    pub(crate) async fn half_close(&mut self) {
        self.0.shutdown().await.unwrap();
    }

    /// Everything until the end.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        self.rest_and_end().await.0
    }

    /// The same, and whether the end was said (in TLS, by `close_notify`).
    pub(crate) async fn rest_and_end(&mut self) -> (Vec<u8>, bool) {
        let mut rest = Vec::new();
        let said = self.0.read_to_end(&mut rest).await.is_ok();
        (rest, said)
    }
}
