//! An HTTP client that can say anything.

use std::net::SocketAddr;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{HeaderName, HeaderValue, StatusCode};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// An answer, taken apart.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Vec<u8>,
    /// The body ended as its framing says.
    pub(crate) whole: bool,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// An `Authorization` header.
pub(crate) fn basic(login: &str, secret: &str) -> String {
    format!("Authorization: Basic {}\r\n", BASE64_STANDARD.encode(format!("{login}:{secret}")))
}

/// One connection.
pub(crate) struct Client(TcpStream);

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    pub(crate) async fn say(&mut self, octets: &[u8]) {
        // Who refuses early closes while we write.
        let _ = self.0.write_all(octets).await;
    }

    pub(crate) async fn request(&mut self, line: &str, headers: &str) {
        self.say(format!("{line} HTTP/1.1\r\nHost: dav.example.org\r\n{headers}\r\n").as_bytes()).await;
    }

    /// Reads one answer. `None` if the connection ends before it.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        let (status, headers) = self.head().await?;
        let mut answer = Answer { status, headers, body: Vec::new(), whole: true };
        let length = answer.headers.get("content-length").map(|v| v.to_str().unwrap().parse::<usize>().unwrap());
        if let Some(length) = length {
            let mut body = vec![0; length];
            let mut read = 0;
            while read < length {
                match self.0.read(&mut body[read..]).await {
                    Ok(n) if n > 0 => read += n,
                    _ => break,
                }
            }
            body.truncate(read);
            (answer.whole, answer.body) = (read == length, body);
        } else if answer.headers.contains_key("transfer-encoding") {
            answer.whole = self.chunks(&mut answer.body).await.is_some();
        }
        Some(answer)
    }

    /// Reads a head, up to and with its empty line.
    pub(crate) async fn head(&mut self) -> Option<(StatusCode, http::HeaderMap)> {
        let status = self.line().await?;
        let mut headers = http::HeaderMap::new();
        loop {
            let line = self.line().await?;
            let Some((name, value)) = line.split_once(": ") else { break };
            headers.append(HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value).unwrap());
        }
        Some((status[9..12].parse().unwrap(), headers))
    }

    async fn chunks(&mut self, body: &mut Vec<u8>) -> Option<()> {
        loop {
            let length = usize::from_str_radix(&self.line().await?, 16).unwrap();
            let mut chunk = vec![0; length];
            self.0.read_exact(&mut chunk).await.ok()?;
            body.extend(chunk);
            self.line().await?;
            if length == 0 {
                return Some(());
            }
        }
    }

    pub(crate) async fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.push(self.0.read_u8().await.ok()?);
        }
        Some(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    /// All that comes until the other end closes.
    pub(crate) async fn read_to_the_end(&mut self) -> std::io::Result<Vec<u8>> {
        let mut octets = Vec::new();
        self.0.read_to_end(&mut octets).await.map(|_| octets)
    }

    /// True if the other end closes without another word.
    pub(crate) async fn is_closed(&mut self) -> bool {
        self.0.read_u8().await.is_err()
    }
}

/// One request on a connection of its own.
pub(crate) async fn ask(address: SocketAddr, line: &str, headers: &str) -> Answer {
    let mut client = Client::connect(address).await;
    client.request(line, headers).await;
    client.answer().await.expect("an answer")
}
