//! Two servers that read the same octets differently let a request hide in
//! another. For each way that is known: the server behind gets, octet for octet,
//! what was decided on, or nothing at all.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use http::StatusCode;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::timeout,
};

use crate::{
    asking::{Client, basic},
    behind::{Behind, Does},
    http_sign_in::dav,
    world::{ALICE, Served, World},
};

const SOON: Duration = Duration::from_secs(10);

/// Records every octet, and answers whatever looks like a request to it.
struct Recorder {
    behind: Behind,
    octets: Arc<Mutex<Vec<u8>>>,
}

impl Recorder {
    async fn start() -> Self {
        let mut behind = Behind::that(Does::Echoes).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        behind.address = listener.local_addr().unwrap();
        let octets = Arc::<Mutex<Vec<u8>>>::default();
        let record = octets.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let record = record.clone();
                tokio::spawn(async move {
                    let (mut heard, mut buffer) = (Vec::new(), [0; 4096]);
                    while let Ok(n @ 1..) = stream.read(&mut buffer).await {
                        record.lock().unwrap().extend_from_slice(&buffer[..n]);
                        heard.extend_from_slice(&buffer[..n]);
                        while let Some(end) = end_of_request(&heard) {
                            heard.drain(..end);
                            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
                        }
                    }
                });
            }
        });
        Self { behind, octets }
    }

    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.octets.lock().unwrap())
    }
}

/// Where the first request ends, if it is whole.
fn end_of_request(octets: &[u8]) -> Option<usize> {
    let find = |what: &[u8], from: usize| {
        octets[from..].windows(what.len()).position(|w| w == what).map(|at| from + at + what.len())
    };
    let head = find(b"\r\n\r\n", 0)?;
    let text = String::from_utf8_lossy(&octets[..head]).to_ascii_lowercase();
    if text.contains("\r\ntransfer-encoding: chunked\r\n") {
        return if octets[head..].starts_with(b"0\r\n\r\n") { Some(head + 5) } else { find(b"\r\n0\r\n\r\n", head) };
    }
    let length =
        text.split("\r\ncontent-length: ").nth(1).map_or(0, |rest| rest.split("\r\n").next().unwrap().parse().unwrap());
    (octets.len() >= head + length).then_some(head + length)
}

/// What becomes of some octets. `{A}` stands for good credentials.
enum Fate {
    /// The answer has this status, and nothing gets through.
    Stopped(u16),
    /// One request gets through: its first line, the headers that are not ours,
    /// sorted, and its body as it comes.
    Passed(&'static str, &'static [&'static str], &'static str),
    /// It breaks off: what gets through is no whole request.
    Broken,
}

use Fate::{Broken, Passed, Stopped};

const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: dav.example.org\r\n{A}\r\n";

fn table() -> Vec<(&'static str, Fate)> {
    vec![
        // Where a body ends: two answers, or none.
        ("PUT /a HTTP/1.1\r\n{H}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{S}", Stopped(400)),
        ("PUT /a HTTP/1.1\r\n{H}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n{S}", Stopped(400)),
        ("PUT /a HTTP/1.1\r\n{H}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc{S}", Stopped(400)),
        ("PUT /a HTTP/1.1\r\n{H}Content-Length: 3\r\nContent-Length: 0\r\n\r\nabc{S}", Stopped(400)),
        ("PUT /a HTTP/1.1\r\n{H}Content-Length: 3, 3\r\n\r\nabc{S}", Stopped(400)),
        ("PUT /a HTTP/1.1\r\n{H}Content-Length: +3\r\n\r\nabc{S}", Stopped(400)),
        ("PUT /a HTTP/1.1\r\n{H}Content-Length: -3\r\n\r\nabc{S}", Stopped(400)),
        ("PUT /a HTTP/1.1\r\n{H}Content-Length: 0x3\r\n\r\nabc{S}", Stopped(400)),
        ("PUT /a HTTP/1.1\r\n{H}Content-Length: 3 0\r\n\r\nabc{S}", Stopped(400)),
        ("PUT /a HTTP/1.1\r\n{H}Content-Length:\r\n\r\n{S}", Stopped(400)),
        ("PUT /a HTTP/1.1\r\n{H}Content-Length: 18446744073709551619\r\n\r\nabc{S}", Stopped(400)),
        ("PUT /a HTTP/1.1\r\n{H}Content-Length : 3\r\n\r\nabc{S}", Stopped(400)),
        ("PUT /a HTTP/1.1\r\n{H}Content-Length\t: 3\r\n\r\nabc{S}", Stopped(400)),
        ("PUT /a HTTP/1.1\r\n{H}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n{S}", Stopped(400)),
        ("PUT /a HTTP/1.1\r\n{H}Transfer-Encoding: identity\r\n\r\n{S}", Stopped(400)),
        ("PUT /a HTTP/1.1\r\n{H}Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n{S}", Stopped(400)),
        ("PUT /a HTTP/1.1\r\n{H}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{S}", Stopped(400)),
        ("PUT /a HTTP/1.1\r\n{H}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n{S}", Stopped(400)),
        ("PUT /a HTTP/1.1\r\n{H}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n{S}", Stopped(400)),
        ("PUT /a HTTP/1.1\r\n{H}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{S}", Stopped(400)),
        ("PUT /a HTTP/1.1\r\n{H}Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n{S}", Stopped(400)),
        ("PUT /a HTTP/1.1\r\n{H}Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n{S}", Stopped(400)),
        ("PUT /a HTTP/1.1\r\n{H}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n{S}", Stopped(400)),
        ("PUT /a HTTP/1.1\r\n{H}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n{S}", Stopped(400)),
        (
            "PUT /a HTTP/1.1\r\n{H}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n{S}",
            Stopped(400),
        ),
        ("PUT /a HTTP/1.0\r\n{H}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{S}", Stopped(400)),
        (
            "PUT /a HTTP/1.1\r\n{H}Transfer_Encoding: chunked\r\nContent_Length: 9\r\nContent-Length: 3\r\n\r\nabc",
            Passed("PUT /a HTTP/1.1", &["content-length: 3"], "abc"),
        ),
        (
            "PUT /a HTTP/1.1\r\n{H}X: chunked\r\nContent-Length:  3 \r\n\r\nabc",
            Passed("PUT /a HTTP/1.1", &["content-length: 3", "x: chunked"], "abc"),
        ),
        (
            "PUT /a HTTP/1.1\r\n{H}Transfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            Passed("PUT /a HTTP/1.1", &["transfer-encoding: chunked"], "3\r\nabc\r\n0\r\n\r\n"),
        ),
        (
            "GET /a HTTP/1.1\r\n{H}Connection: content-length, transfer-encoding\r\nContent-Length: 3\r\n\r\nabc",
            Passed("GET /a HTTP/1.1", &["content-length: 3"], "abc"),
        ),
        // Chunks: what is in them is written anew, without what comes along.
        (
            "PUT /a HTTP/1.1\r\n{H}Transfer-Encoding: chunked\r\n\r\n3;name=\"value\"\r\nabc\r\n0;last\r\nX-Remote-User: bob\r\nContent-Length: 9\r\n\r\n",
            Passed("PUT /a HTTP/1.1", &["transfer-encoding: chunked"], "3\r\nabc\r\n0\r\n\r\n"),
        ),
        (
            "PUT /a HTTP/1.1\r\n{H}Transfer-Encoding: chunked\r\n\r\n003\r\nabc\r\n0000\r\n\r\n",
            Passed("PUT /a HTTP/1.1", &["transfer-encoding: chunked"], "3\r\nabc\r\n0\r\n\r\n"),
        ),
        ("PUT /a HTTP/1.1\r\n{H}Transfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n{S}", Broken),
        ("PUT /a HTTP/1.1\r\n{H}Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n{S}", Broken),
        ("PUT /a HTTP/1.1\r\n{H}Transfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n{S}", Broken),
        ("PUT /a HTTP/1.1\r\n{H}Transfer-Encoding: chunked\r\n\r\n\r\nabc\r\n0\r\n\r\n{S}", Broken),
        ("PUT /a HTTP/1.1\r\n{H}Transfer-Encoding: chunked\r\n\r\n3\nabc\n0\n\n{S}", Broken),
        ("PUT /a HTTP/1.1\r\n{H}Transfer-Encoding: chunked\r\n\r\n3;a\nb\r\nabc\r\n0\r\n\r\n{S}", Broken),
        ("PUT /a HTTP/1.1\r\n{H}Transfer-Encoding: chunked\r\n\r\n3\rXabc\r\n0\r\n\r\n{S}", Broken),
        ("PUT /a HTTP/1.1\r\n{H}Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n{S}", Broken),
        ("PUT /a HTTP/1.1\r\n{H}Transfer-Encoding: chunked\r\n\r\n3\r\nabc0\r\n\r\n{S}", Broken),
        ("PUT /a HTTP/1.1\r\n{H}Transfer-Encoding: chunked\r\n\r\n10000000000000003\r\nabc\r\n0\r\n\r\n{S}", Broken),
        ("PUT /a HTTP/1.1\r\n{H}Transfer-Encoding: chunked\r\n\r\n3 3\r\nabc\r\n0\r\n\r\n{S}", Broken),
        // Lines.
        ("GET /a HTTP/1.1\n{H}\r\n{S}", Stopped(400)),
        ("GET /a HTTP/1.1\r\n{H}X: y\nContent-Length: 90\r\n\r\n{S}", Stopped(400)),
        ("GET /a HTTP/1.1\r\n{H}X: y\n\n{S}", Stopped(400)),
        ("\nGET /a HTTP/1.1\r\n{H}\r\n{S}", Stopped(400)),
        ("GET /a HTTP/1.1\r\n{H}X: y\rContent-Length: 90\r\n\r\n{S}", Stopped(400)),
        ("GET /a HTTP/1.1\r\n{H}X: a\r\n b\r\n\r\n{S}", Stopped(400)),
        ("GET /a HTTP/1.1\r\n{H}X: a\r\n\tb\r\n\r\n{S}", Stopped(400)),
        ("GET /a HTTP/1.1\r\n X: a\r\n{H}\r\n{S}", Stopped(400)),
        ("GET /a HTTP/1.1\r\n{H}no colon\r\n\r\n{S}", Stopped(400)),
        ("GET /a HTTP/1.1\r\n{H}: no name\r\n\r\n{S}", Stopped(400)),
        ("GET /a HTTP/1.1\r\n{H}X: a\0b\r\n\r\n{S}", Stopped(400)),
        ("GET /a HTTP/1.1\r\n{H}X\0: a\r\n\r\n{S}", Stopped(400)),
        ("GET /a HTTP/1.1\r\n{H}X(y): a\r\n\r\n{S}", Stopped(400)),
        ("GET /a HTTP/1.1\r\n{H}T\u{e9}: a\r\n\r\n{S}", Stopped(400)),
        ("GET /a HTTP/1.1\r\n{H}X: t\u{e9}\r\n\r\n", Passed("GET /a HTTP/1.1", &["x: t\u{e9}"], "")),
        ("\r\nGET /a HTTP/1.1\r\n{H}\r\n", Passed("GET /a HTTP/1.1", &[], "")),
        // The first line.
        ("GET  /a HTTP/1.1\r\n{H}\r\n{S}", Stopped(400)),
        ("GET /a  HTTP/1.1\r\n{H}\r\n{S}", Stopped(400)),
        ("GET\t/a\tHTTP/1.1\r\n{H}\r\n{S}", Stopped(400)),
        ("GET /a b HTTP/1.1\r\n{H}\r\n{S}", Stopped(400)),
        ("GET /a HTTP/1.1 \r\n{H}\r\n{S}", Stopped(400)),
        ("GET /a\r\n{H}\r\n{S}", Stopped(400)),
        ("GET /a HTTP/0.9\r\n{H}\r\n{S}", Stopped(400)),
        ("GET /a HTTP/1.2\r\n{H}\r\n{S}", Stopped(400)),
        ("GET /a HTTP/2.0\r\n{H}\r\n{S}", Stopped(400)),
        ("GET /a http/1.1\r\n{H}\r\n{S}", Stopped(400)),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{S}", Stopped(400)),
        ("G(T /a HTTP/1.1\r\n{H}\r\n{S}", Stopped(400)),
        ("GET a HTTP/1.1\r\n{H}\r\n{S}", Stopped(400)),
        ("GET /a\0 HTTP/1.1\r\n{H}\r\n{S}", Stopped(400)),
        // Whom it is for.
        ("GET http://dav.example.org/a?b HTTP/1.1\r\n{H}\r\n", Passed("GET /a?b HTTP/1.1", &[], "")),
        ("GET http://other.example.org/a HTTP/1.1\r\n{H}\r\n{S}", Stopped(400)),
        ("GET http://dav.example.org:81/a HTTP/1.1\r\n{H}\r\n{S}", Stopped(400)),
        ("GET http://dav.example.org@evil.example.org/a HTTP/1.1\r\n{H}\r\n{S}", Stopped(400)),
        ("GET dav.example.org:80 HTTP/1.1\r\n{H}\r\n{S}", Stopped(400)),
        ("GET * HTTP/1.1\r\n{H}\r\n{S}", Stopped(400)),
        ("OPTIONS * HTTP/1.1\r\n{H}\r\n{S}", Stopped(400)),
        ("CONNECT dav.example.org:80 HTTP/1.1\r\n{H}\r\n{S}", Stopped(400)),
        ("TRACE /a HTTP/1.1\r\n{H}\r\n{S}", Stopped(400)),
        ("GET /a HTTP/1.1\r\n{H}Host: dav.example.org\r\n\r\n{S}", Stopped(400)),
        ("GET /a HTTP/1.1\r\n{H}Host: other.example.org\r\n\r\n{S}", Stopped(400)),
        ("GET /a HTTP/1.1\r\n{A}\r\n{S}", Stopped(400)),
        ("GET /a HTTP/1.1\r\nHost:\r\n{A}\r\n{S}", Stopped(400)),
        ("GET /a HTTP/1.1\r\nHost: dav.example.org/b\r\n{A}\r\n{S}", Stopped(400)),
        ("GET /a HTTP/1.1\r\nHost: bob@dav.example.org\r\n{A}\r\n{S}", Stopped(400)),
        ("GET /a HTTP/1.1\r\nHost: dav.example.org, evil.example.org\r\n{A}\r\n{S}", Stopped(400)),
        // Who is there.
        ("GET /a HTTP/1.1\r\n{H}{A}\r\n{S}", Stopped(400)),
        (
            "GET /a HTTP/1.1\r\n{H}Proxy-Authorization: Basic Ym9iOng=\r\nX-Remote-User: bob\r\nX_Remote_User: bob\r\n\r\n",
            Passed("GET /a HTTP/1.1", &[], ""),
        ),
        (
            "GET /a HTTP/1.1\r\n{H}Connection: x-remote-user, x-forwarded-for, host, authorization\r\n\r\n",
            Passed("GET /a HTTP/1.1", &[], ""),
        ),
        // Another protocol within.
        (
            "GET /a HTTP/1.1\r\n{H}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
            Passed("GET /a HTTP/1.1", &[], ""),
        ),
        ("GET /a HTTP/1.1\r\n{H}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", Passed("GET /a HTTP/1.1", &[], "")),
    ]
}

const OURS: [&str; 6] = [
    "forwarded: ",
    "host: dav.example.org",
    "x-forwarded-for: ",
    "x-forwarded-host: ",
    "x-forwarded-proto: ",
    "x-remote-user: alice@example.org",
];

/// All that was said back, to the end of the connection or of patience.
async fn status_of(dav: &Served, octets: &[u8]) -> Option<StatusCode> {
    let mut client = Client::connect(dav.address).await;
    client.say(octets).await;
    timeout(SOON, client.head()).await.expect("an answer or the end").map(|(status, _)| status)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_gets_through_is_what_was_decided_on() {
    let world = World::new().await;
    let mandate = world.account(ALICE).await;
    let credentials = basic(ALICE, world.password(&mandate, "calendars,contacts").await.secret.expose());
    let recorder = Recorder::start().await;
    let dav = dav(&world, &recorder.behind);
    for (text, fate) in table() {
        let octets = text
            .replace("{S}", SMUGGLED)
            .replace("{H}", &format!("Host: dav.example.org\r\n{credentials}"))
            .replace("{A}", &credentials);
        let status = status_of(&dav, octets.as_bytes()).await;
        let seen = String::from_utf8(recorder.take()).unwrap();
        match fate {
            Stopped(want) => {
                assert_eq!(status.map(|status| status.as_u16()), Some(want), "{text:?}");
                assert_eq!(seen, "", "{text:?}");
            }
            Passed(line, headers, body) => {
                assert_eq!(status, Some(StatusCode::OK), "{text:?}");
                let (head, sent) = seen.split_once("\r\n\r\n").unwrap();
                assert!(!head.replace("\r\n", "").contains(['\r', '\n', '\0']), "{head:?}");
                let mut lines = head.split("\r\n");
                assert_eq!(lines.next().unwrap(), line, "{text:?}");
                let (ours, mut others): (Vec<_>, Vec<_>) =
                    lines.partition(|line| OURS.iter().any(|ours| line.starts_with(ours)));
                assert_eq!(ours.len(), OURS.len(), "each once: {ours:?}");
                others.sort_unstable();
                assert_eq!(others, headers, "{text:?}");
                assert_eq!(sent, body, "{text:?}");
            }
            Broken => {
                assert_ne!(status, Some(StatusCode::OK), "{text:?}");
                assert!(!seen.contains("smuggled") && end_of_request(seen.as_bytes()).is_none(), "{text:?}: {seen:?}");
            }
        }
    }
}
