//! A drive behind real sockets, and a client that can say anything.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use gateway::drive::{Drive, Standing};
use http::{Request, StatusCode};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use testkit::Seeded;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// A session that is ended after it was asked for so often.
struct Ending(AtomicUsize);

impl Standing for Ending {
    fn stands(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }
}

/// Requests are alice's, or those of the account that `X-Account` names. Their
/// session is ended after `X-Stands` looks at it.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    folder: TempDir,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) head: String,
    pub(crate) body: Bytes,
}

impl Served {
    pub(crate) async fn with_limit(limit: u64) -> Self {
        // Not under /tmp, which may be a file system without attributes.
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let drive = Arc::new(Drive::new(folder.path().join("drive"), limit, Box::new(Seeded::new(1))).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = drive;
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let drive = Arc::clone(&served);
                let service = service_fn(move |request: Request<Incoming>| {
                    let drive = Arc::clone(&drive);
                    async move {
                        let account = request.headers().get("x-account").map_or("alice", |id| id.to_str().unwrap());
                        let account = account.to_owned();
                        let stands = request.headers().get("x-stands").map(|n| n.to_str().unwrap().parse().unwrap());
                        let standing = Arc::new(Ending(AtomicUsize::new(stands.unwrap_or(usize::MAX))));
                        Ok::<_, std::convert::Infallible>(drive.answer(&account, standing, request).await)
                    }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, folder }
    }

    /// Where the drive keeps an account's files.
    pub(crate) fn folder_of(&self, account: &str) -> PathBuf {
        self.folder.path().join("drive").join(account)
    }

    /// A place of the operator's, outside the drive.
    pub(crate) fn outside(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    pub(crate) async fn ask(&self, line: &str, headers: &str, body: &[u8]) -> Answer {
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let head = format!("{line} HTTP/1.1\r\nHost: dav.example.org\r\nConnection: close\r\n{length}{headers}\r\n");
        self.say(&[head.as_bytes(), body].concat()).await
    }

    pub(crate) async fn put(&self, path: &str, body: &[u8]) -> StatusCode {
        self.ask(&format!("PUT {path}"), "", body).await.status
    }

    pub(crate) async fn get(&self, path: &str) -> Option<Bytes> {
        let answer = self.ask(&format!("GET {path}"), "", b"").await;
        (answer.status == StatusCode::OK).then_some(answer.body)
    }

    /// Sends these octets and reads what comes until the end.
    pub(crate) async fn say(&self, octets: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // A server that refuses early closes while we write.
        let _ = stream.write_all(octets).await;
        Answer::read(&mut stream).await
    }

    /// Used and left, as the drive reports them.
    pub(crate) async fn quota(&self) -> (u64, u64) {
        let answer = self.ask("PROPFIND /", "Depth: 0\r\n", QUOTA.as_bytes()).await;
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        let number = |name: &str| {
            let (_, rest) = text.split_once(&format!("<D:{name}>")).unwrap_or_else(|| panic!("{text}"));
            rest.split_once('<').unwrap().0.parse().unwrap()
        };
        (number("quota-used-bytes"), number("quota-available-bytes"))
    }
}

/// An exclusive lock, please.
pub(crate) const LOCK: &[u8] =
    br#"<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>"#;

const QUOTA: &str = r#"<propfind xmlns="DAV:"><prop><quota-used-bytes/><quota-available-bytes/></prop></propfind>"#;

impl Answer {
    pub(crate) async fn read(stream: &mut TcpStream) -> Self {
        let mut octets = Vec::new();
        let _ = stream.read_to_end(&mut octets).await;
        let end = octets.windows(4).position(|w| w == b"\r\n\r\n").expect("an answer");
        let head = String::from_utf8_lossy(&octets[..end]).into_owned();
        let status = head[9..12].parse().unwrap();
        let mut body = octets[end + 4..].to_vec();
        if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
            body = unchunked(&body);
        }
        Self { status, head, body: body.into() }
    }
}

fn unchunked(mut octets: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(at) = octets.windows(2).position(|w| w == b"\r\n") {
        let length = usize::from_str_radix(std::str::from_utf8(&octets[..at]).unwrap(), 16).unwrap();
        if length == 0 {
            break;
        }
        body.extend_from_slice(&octets[at + 2..at + 2 + length]);
        octets = &octets[at + 4 + length..];
    }
    body
}
