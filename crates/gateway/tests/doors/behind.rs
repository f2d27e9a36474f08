//! Servers behind that misbehave as no real one could be made to.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use gateway::Upstream;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

/// What a server does with each request it has read the head of.
#[derive(Clone, Copy)]
pub(crate) enum Does {
    /// Says this and keeps the connection.
    Says(&'static str),
    /// Says this and closes.
    SaysAndCloses(&'static str),
    /// Says this, then nothing, for ever.
    SaysAndWaits(&'static str),
    /// Answers with what it was sent.
    Echoes,
}

pub(crate) struct Behind {
    pub(crate) address: SocketAddr,
    pub(crate) connections: Arc<AtomicUsize>,
    /// Notified when a client has gone.
    pub(crate) gone: Arc<Notify>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Behind {
    pub(crate) async fn that(does: Does) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let behind = Self {
            address: listener.local_addr().unwrap(),
            connections: Arc::default(),
            gone: Arc::default(),
            requests: Arc::default(),
        };
        let (connections, requests, gone) = (behind.connections.clone(), behind.requests.clone(), behind.gone.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let (requests, gone) = (requests.clone(), gone.clone());
                tokio::spawn(async move {
                    let _ = serve(stream, does, &requests).await;
                    gone.notify_one();
                });
            }
        });
        behind
    }

    pub(crate) fn upstream(&self) -> Upstream {
        Upstream::parse(&format!("http://{}", self.address), "http").unwrap()
    }

    /// The requests it has read, heads and bodies.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, does: Does, requests: &Mutex<Vec<String>>) -> std::io::Result<()> {
    loop {
        let request = read_request(&mut stream).await?;
        let body = request.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
        requests.lock().unwrap().push(request);
        match does {
            Does::Says(answer) => stream.write_all(answer.as_bytes()).await?,
            Does::SaysAndCloses(answer) => return stream.write_all(answer.as_bytes()).await,
            Does::SaysAndWaits(answer) => {
                stream.write_all(answer.as_bytes()).await?;
                // Until the other end closes.
                stream.read_u8().await?;
            }
            Does::Echoes => {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
                stream.write_all((head + &body).as_bytes()).await?;
            }
        }
    }
}

/// One request, its body as it came, chunks and all.
async fn read_request(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut octets = Vec::new();
    while !octets.ends_with(b"\r\n\r\n") {
        octets.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&octets).to_ascii_lowercase();
    if let Some((_, rest)) = head.split_once("content-length: ") {
        let length: usize = rest.split("\r\n").next().unwrap().parse().unwrap();
        let at = octets.len();
        octets.resize(at + length, 0);
        stream.read_exact(&mut octets[at..]).await?;
    } else if head.contains("transfer-encoding: chunked") {
        while !octets.ends_with(b"\r\n0\r\n\r\n") {
            octets.push(stream.read_u8().await?);
        }
    }
    Ok(String::from_utf8_lossy(&octets).into_owned())
}
