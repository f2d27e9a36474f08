//! A connection to a place: in lines, bounded, with TLS that believes everybody.

use std::{io, sync::Arc};

use rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::TlsConnector;

use super::place::{At, Cover, Place};

/// Nothing that matters here is longer.
const MOST: usize = 64 * 1024;

pub(super) trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// A connection that is read in lines.
pub(super) struct Wire {
    io: Box<dyn Io>,
    heard: Vec<u8>,
    total: usize,
}

/// Opens a connection, and does the TLS that begins with it.
pub(super) async fn connect(place: &Place) -> io::Result<Box<dyn Io>> {
    let mut io: Box<dyn Io> = match &place.at {
        At::Tcp { host, port } => Box::new(TcpStream::connect((&**host, *port)).await?),
        At::Unix(path) => Box::new(UnixStream::connect(path).await?),
    };
    if place.proxied {
        io.write_all(b"PROXY UNKNOWN\r\n").await?;
    }
    if place.cover == Cover::Implicit { start_tls(io, place.host()).await } else { Ok(io) }
}

async fn start_tls(io: Box<dyn Io>, host: &str) -> io::Result<Box<dyn Io>> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        // What is sent is worth nothing, also to whoever listens in; a place with a
        // bad certificate is a way in like any other.
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    Ok(Box::new(TlsConnector::from(Arc::new(config)).connect(name, io).await?))
}

impl Wire {
    pub(super) async fn connect(place: &Place) -> io::Result<Self> {
        Ok(Self { io: connect(place).await?, heard: Vec::new(), total: 0 })
    }

    pub(super) async fn start_tls(self, host: &str) -> io::Result<Self> {
        Ok(Self { io: start_tls(self.io, host).await?, heard: Vec::new(), total: self.total })
    }

    pub(super) async fn say(&mut self, line: &str) -> io::Result<()> {
        self.io.write_all(format!("{line}\r\n").as_bytes()).await?;
        self.io.flush().await
    }

    /// The next line, without its end.
    pub(super) async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.heard.iter().position(|octet| *octet == b'\n') {
                let line: Vec<u8> = self.heard.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            let mut octets = [0; 1024];
            match self.io.read(&mut octets).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n if self.total + n > MOST => return Err(io::Error::other("it talks on and on")),
                n => {
                    self.total += n;
                    self.heard.extend_from_slice(&octets[..n]);
                }
            }
        }
    }

    /// The first line from here that is so.
    pub(super) async fn until(&mut self, is_it: impl Fn(&str) -> bool) -> io::Result<String> {
        loop {
            let line = self.line().await?;
            if is_it(&line) {
                return Ok(line);
            }
        }
    }
}

#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
