//! A client that does as little as it can: its work is not what is measured.

use std::net::Ipv4Addr;

use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{Peer, Protocol, protocol::Step};
use crate::Outcome;

/// One connection.
pub(super) struct Client {
    stream: TlsStream<TcpStream>,
    /// Heard, and not yet looked at.
    heard: Vec<u8>,
    protocol: Protocol,
}

impl Client {
    /// Connects. Sources differ, or the machine runs out of ports.
    async fn connect(peer: &Peer, source: u8, tls: &TlsConnector) -> Outcome<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(([127, 0, 0, source], 0).into())?;
        let stream = socket.connect((Ipv4Addr::LOCALHOST, peer.port).into()).await?;
        stream.set_nodelay(true)?;
        let stream = tls.connect(ServerName::try_from("localhost")?, stream).await?;
        Ok(Self { stream, heard: vec![], protocol: peer.protocol })
    }

    /// Connects and signs in.
    pub(super) async fn signed_in(
        peer: &Peer,
        source: u8,
        tls: &TlsConnector,
        (login, password): &(String, String),
    ) -> Outcome<Self> {
        let mut client = Self::connect(peer, source, tls).await?;
        client.hear(peer.protocol.greeting()).await?;
        client.go_through(&peer.protocol.sign_in(login, password)).await?;
        Ok(client)
    }

    /// One step after the other.
    pub(super) async fn go_through(&mut self, steps: &[Step]) -> Outcome<()> {
        for (words, wanted) in steps {
            self.say(words).await?;
            self.hear(wanted).await?;
        }
        Ok(())
    }

    pub(super) async fn say(&mut self, text: &str) -> Outcome<()> {
        self.stream.write_all(text.as_bytes()).await?;
        Ok(self.stream.flush().await?)
    }

    /// Reads to the line that begins like this.
    pub(super) async fn hear(&mut self, begin: &str) -> Outcome<()> {
        loop {
            while let Some(end) = self.heard.iter().position(|&byte| byte == b'\n') {
                let line = String::from_utf8_lossy(&self.heard[..end]).into_owned();
                self.heard.drain(..=end);
                if line.starts_with(begin) {
                    return Ok(());
                }
                if self.protocol.refuses(&line, begin) {
                    return Err(format!("expected {begin:?}, heard {line:?}").into());
                }
            }
            let mut octets = [0; 1024];
            match self.stream.read(&mut octets).await? {
                0 => return Err(format!("expected {begin:?}, and the connection was closed").into()),
                n => self.heard.extend_from_slice(&octets[..n]),
            }
        }
    }

    /// Reads up to these octets, which are the last ones to come; how many came.
    pub(super) async fn swallow(&mut self, last: &[u8], room: &mut [u8]) -> Outcome<u64> {
        let (mut swallowed, mut tail) = (0, vec![]);
        while !tail.ends_with(last) {
            let n = self.stream.read(room).await?;
            if n == 0 {
                return Err("the connection was closed".into());
            }
            swallowed += n as u64;
            tail.extend_from_slice(&room[n.saturating_sub(last.len())..n]);
            tail.drain(..tail.len().saturating_sub(last.len()));
        }
        Ok(swallowed)
    }

    /// What comes until the other side closes.
    pub(super) async fn rest(mut self) -> Vec<u8> {
        let mut octets = [0; 512];
        while let Ok(n @ 1..) = self.stream.read(&mut octets).await {
            self.heard.extend_from_slice(&octets[..n]);
        }
        self.heard
    }

    /// Says goodbye and waits for the other side to close.
    pub(super) async fn leave(mut self) -> Outcome<()> {
        self.say(self.protocol.goodbye()).await?;
        let mut octets = [0; 512];
        // Some close without TLS's goodbye.
        while self.stream.read(&mut octets).await.is_ok_and(|n| n > 0) {}
        Ok(())
    }
}
