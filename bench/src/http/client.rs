//! An HTTP client that costs as little as it can.

use std::net::Ipv4Addr;

use base64::{Engine, prelude::BASE64_STANDARD};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::Outcome;

/// One connection.
pub(super) struct Client {
    stream: TlsStream<TcpStream>,
    heard: Vec<u8>,
}

/// A GET as this person.
pub(super) fn request(path: &str, login: &str, password: &str) -> Vec<u8> {
    let credentials = BASE64_STANDARD.encode(format!("{login}:{password}"));
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {credentials}\r\n\r\n").into_bytes()
}

impl Client {
    pub(super) async fn connect(port: u16, tls: TlsConnector) -> Outcome<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        stream.set_nodelay(true)?;
        let stream = tls.connect(ServerName::try_from("localhost")?, stream).await?;
        Ok(Self { stream, heard: Vec::with_capacity(1024) })
    }

    /// Asks, and reads an answer that has no body.
    pub(super) async fn ask(&mut self, request: &[u8]) -> Outcome<()> {
        self.stream.write_all(request).await?;
        self.stream.flush().await?;
        self.heard.clear();
        while !self.heard.ends_with(b"\r\n\r\n") {
            if self.stream.read_buf(&mut self.heard).await? == 0 {
                return Err("it hung up".into());
            }
        }
        if self.heard.starts_with(b"HTTP/1.1 204 ") {
            return Ok(());
        }
        Err(format!("expected 204, got {}", String::from_utf8_lossy(&self.heard)).into())
    }
}
