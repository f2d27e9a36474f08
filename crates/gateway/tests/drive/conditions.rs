//! A condition holds until the file is in its place, not only when it is asked for.

use http::StatusCode;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::served::{Answer, Served};

/// A PUT that has been told to go on, and waits with its body.
struct Waiting(TcpStream);

impl Waiting {
    async fn put(served: &Served, path: &str, headers: &str) -> Self {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        let head = format!(
            "PUT {path} HTTP/1.1\r\nHost: dav.example.org\r\nConnection: close\r\nExpect: 100-continue\r\n\
             Content-Length: 3\r\n{headers}\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut go_on = [0; 25];
        stream.read_exact(&mut go_on).await.unwrap();
        assert!(go_on.starts_with(b"HTTP/1.1 100"), "{headers}: {}", go_on.escape_ascii());
        Self(stream)
    }

    async fn end(mut self, body: &[u8; 3]) -> StatusCode {
        self.0.write_all(body).await.unwrap();
        Answer::read(&mut self.0).await.status
    }
}

async fn etag(served: &Served, path: &str) -> String {
    let head = served.ask(&format!("HEAD {path}"), "", b"").await.head;
    head.split_once("etag: ").expect("an etag").1.lines().next().unwrap().to_owned()
}

#[tokio::test]
async fn of_two_writers_on_the_same_condition_one_is_told() {
    let served = Served::with_limit(1 << 20).await;
    served.put("/a", b"old").await;
    let used = served.quota().await;
    let future = "If-Unmodified-Since: Fri, 31 Dec 2100 00:00:00 GMT\r\n".to_owned();
    for condition in 0..4 {
        let etag = etag(&served, "/a").await;
        let headers = match condition {
            0 => format!("If-Match: {etag}\r\n"),
            1 => format!("If: ([{etag}])\r\n"),
            2 => "If-None-Match: \"other\"\r\n".to_owned(),
            _ => future.clone(),
        };
        let first = Waiting::put(&served, "/a", &headers).await;
        let second = Waiting::put(&served, "/a", &headers).await;
        assert_eq!(first.end(b"one").await, StatusCode::NO_CONTENT, "{headers}");
        assert_eq!(second.end(b"two").await, StatusCode::PRECONDITION_FAILED, "{headers}");
        assert_eq!(served.get("/a").await.unwrap(), "one", "{headers}");
        // Nor does what was checked come back by being deleted.
        let third = Waiting::put(&served, "/a", &headers.replace(&etag, &self::etag(&served, "/a").await)).await;
        served.ask("DELETE /a", "", b"").await;
        assert_eq!(third.end(b"two").await, StatusCode::PRECONDITION_FAILED, "{headers}");
        assert_eq!(served.put("/a", b"old").await, StatusCode::CREATED);
    }
    assert_eq!(served.quota().await, used);
}

#[tokio::test]
async fn of_two_that_make_a_file_one_is_told() {
    let served = Served::with_limit(1 << 20).await;
    for headers in ["If-None-Match: *\r\n", "If-None-Match: \"other\"\r\n"] {
        let first = Waiting::put(&served, "/a", headers).await;
        let second = Waiting::put(&served, "/a", headers).await;
        assert_eq!(first.end(b"one").await, StatusCode::CREATED);
        assert_eq!(second.end(b"two").await, StatusCode::PRECONDITION_FAILED, "{headers}");
        assert_eq!(served.get("/a").await.unwrap(), "one");
        served.ask("DELETE /a", "", b"").await;
    }
    served.put("/a", b"old").await;
    let gone = Waiting::put(&served, "/a", "If-Match: *\r\n").await;
    served.ask("DELETE /a", "", b"").await;
    assert_eq!(gone.end(b"two").await, StatusCode::PRECONDITION_FAILED);
    assert!(served.get("/a").await.is_none());
}

/// Who asks for nothing gets what WebDAV says: the last one stays.
#[tokio::test]
async fn without_a_condition_the_last_writer_wins() {
    let served = Served::with_limit(1 << 20).await;
    served.put("/a", b"old").await;
    let first = Waiting::put(&served, "/a", "").await;
    let second = Waiting::put(&served, "/a", "If-Match: *\r\n").await;
    assert_eq!(first.end(b"one").await, StatusCode::NO_CONTENT);
    assert_eq!(second.end(b"two").await, StatusCode::NO_CONTENT);
    assert_eq!(served.get("/a").await.unwrap(), "two");
}
