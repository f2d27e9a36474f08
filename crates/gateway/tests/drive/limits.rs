//! The size limit, and files that are whole or not there.

use std::path::Path;

use futures_util::future::join_all;
use http::StatusCode;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::served::{Answer, Served};

/// What a file or a folder costs beside its octets.
const ENTRY: u64 = 4096;

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Unfinished uploads. What a broken connection left is removed by its own task:
/// the test waits for that.
async fn leftovers(served: &Served) -> Vec<String> {
    for _ in 0..200 {
        if files(&served.folder_of(".incoming")).is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    files(&served.folder_of(".incoming"))
}

#[tokio::test]
async fn a_body_that_will_not_fit_is_refused_before_it_is_sent() {
    let served = Served::with_limit(50_000).await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let head = "PUT /big HTTP/1.1\r\nHost: h\r\nContent-Length: 50000\r\nExpect: 100-continue\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = Answer::read(&mut stream).await;
    assert_eq!(answer.status, StatusCode::INSUFFICIENT_STORAGE, "and not 100 Continue");
    assert!(files(&served.folder_of("alice")).is_empty());
    assert_eq!(served.quota().await, (0, 50_000));
}

#[tokio::test]
async fn a_body_without_a_length_is_cut_at_the_limit_and_leaves_nothing() {
    let served = Served::with_limit(50_000).await;
    served.put("/old", b"as it was").await;
    let (used, _) = served.quota().await;
    for (path, lie) in [("/big", ""), ("/old", ""), ("/big", "X-Expected-Entity-Length: 5\r\n")] {
        let mut request =
            format!("PUT {path} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n{lie}\r\n").into_bytes();
        for _ in 0..10 {
            request.extend(b"2710\r\n");
            request.extend([b'x'; 10_000]);
            request.extend(b"\r\n");
        }
        request.extend(b"0\r\n\r\n");
        let answer = served.say(&request).await;
        assert_eq!(answer.status, StatusCode::INSUFFICIENT_STORAGE);
    }
    assert_eq!(files(&served.folder_of("alice")), ["old"]);
    assert_eq!(served.get("/old").await.unwrap(), "as it was");
    assert!(leftovers(&served).await.is_empty());
    assert_eq!(served.quota().await.0, used);
}

#[tokio::test]
async fn a_body_that_breaks_off_leaves_the_old_file() {
    let served = Served::with_limit(1 << 20).await;
    served.put("/a", b"as it was").await;
    let (used, _) = served.quota().await;
    for head in ["Content-Length: 90000", "Transfer-Encoding: chunked"] {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        let part = if head.starts_with('C') { "x".repeat(40_000) } else { "5\r\nhello\r\n".into() };
        let request = format!("PUT /a HTTP/1.1\r\nHost: h\r\n{head}\r\n\r\n{part}");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        assert!(!rest.starts_with(b"HTTP/1.1 2"), "{}", rest.escape_ascii());
        assert!(leftovers(&served).await.is_empty());
        assert_eq!(served.get("/a").await.unwrap(), "as it was");
    }
    assert_eq!(served.quota().await.0, used);
    assert_eq!(files(&served.folder_of("alice")), ["a"]);
}

/// While it is being written, others see the old one, and no temporary name.
#[tokio::test]
async fn a_file_appears_when_it_is_whole() {
    let served = Served::with_limit(1 << 20).await;
    served.put("/a", b"old").await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream
        .write_all(
            b"PUT /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
        )
        .await
        .unwrap();
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).await.unwrap();
    assert!(go_on.starts_with(b"HTTP/1.1 100"));
    assert_eq!(served.get("/a").await.unwrap(), "old");
    let listing = served.ask("PROPFIND /", "Depth: 1\r\n", b"").await;
    assert_eq!(String::from_utf8_lossy(&listing.body).matches("<D:href>").count(), 2, "the folder and the file");
    stream.write_all(b"new").await.unwrap();
    assert_eq!(Answer::read(&mut stream).await.status, StatusCode::NO_CONTENT);
    assert_eq!(served.get("/a").await.unwrap(), "new");
}

#[tokio::test]
async fn folders_copies_and_moves_are_counted() {
    let limit = 20 * ENTRY;
    let served = Served::with_limit(limit).await;
    served.ask("MKCOL /tree", "", b"").await;
    served.put("/tree/a", &[1; 10_000]).await;
    served.put("/tree/b", &[1; 10_000]).await;
    let tree = 3 * ENTRY + 20_000;
    assert_eq!(served.quota().await, (tree, limit - tree));
    // A tree that fits, then one that does not: the latter is not begun.
    assert_eq!(served.ask("COPY /tree", "Destination: /one\r\n", b"").await.status, StatusCode::CREATED);
    assert_eq!(served.quota().await.0, 2 * tree);
    for overwritten in ["/two", "/one"] {
        let copy = served.ask("COPY /tree", &format!("Destination: {overwritten}\r\n"), b"").await;
        assert_eq!(copy.status, StatusCode::INSUFFICIENT_STORAGE);
    }
    assert_eq!(files(&served.folder_of("alice")), ["one", "tree"]);
    assert_eq!(served.get("/one/a").await.unwrap().len(), 10_000);
    // Moving costs nothing, replacing gives back, deleting gives all back.
    assert_eq!(served.ask("MOVE /one/a", "Destination: /one/b\r\n", b"").await.status, StatusCode::NO_CONTENT);
    assert_eq!(served.quota().await.0, 2 * tree - ENTRY - 10_000);
    assert_eq!(served.put("/one/b", b"short").await, StatusCode::NO_CONTENT);
    assert_eq!(served.quota().await.0, tree + 2 * ENTRY + 5);
    served.ask("DELETE /one", "", b"").await;
    assert_eq!(served.quota().await.0, tree);
    let mut made = 0;
    while served.ask(&format!("MKCOL /{made}"), "", b"").await.status == StatusCode::CREATED {
        made += 1;
    }
    assert_eq!(made, (limit - tree) / ENTRY);
    assert_eq!(served.ask("MKCOL /more", "", b"").await.status, StatusCode::INSUFFICIENT_STORAGE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_at_once_do_not_exceed_the_limit_together() {
    let served = Served::with_limit(100_000).await;
    let body = vec![7; 20_000];
    let paths: Vec<String> = (0..12).map(|n| format!("/{n}")).collect();
    let written = join_all(paths.iter().map(|path| served.put(path, &body))).await;
    let kept = written.iter().filter(|status| status.is_success()).count();
    let fits = usize::try_from(100_000 / (20_000 + ENTRY)).unwrap();
    assert!((1..=fits).contains(&kept), "{kept}");
    assert!(written.iter().all(|s| s.is_success() || *s == StatusCode::INSUFFICIENT_STORAGE), "{written:?}");
    assert_eq!(files(&served.folder_of("alice")).len(), kept);
    assert_eq!(served.quota().await.0, kept as u64 * (20_000 + ENTRY));
}

#[tokio::test]
async fn what_was_there_before_a_restart_is_counted() {
    let served = Served::with_limit(1 << 20).await;
    let folder = served.folder_of("alice");
    std::fs::create_dir_all(folder.join("d")).unwrap();
    std::fs::write(folder.join("d/f"), [0; 1000]).unwrap();
    // An upload that a crash cut off.
    std::fs::write(served.folder_of(".incoming").join("7"), [0; 1000]).unwrap();
    assert_eq!(served.quota().await.0, 2 * ENTRY + 1000);
    drop(gateway::drive::Drive::new(served.outside().join("drive"), 1, Box::new(testkit::Seeded::new(1))).unwrap());
    assert!(leftovers(&served).await.is_empty());
}

/// Other programs make deeper folders than can be asked for here.
#[tokio::test]
async fn what_lies_deep_is_counted_too() {
    let served = Served::with_limit(1 << 20).await;
    let mut folder = served.folder_of("alice");
    for _ in 0..100 {
        folder.push("d");
    }
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("f"), [0; 1000]).unwrap();
    assert_eq!(served.quota().await.0, 101 * ENTRY + 1000);
}

/// Renaming one name of a file to another name of it does nothing (POSIX).
#[tokio::test]
async fn a_file_moved_onto_itself_stays_counted() {
    let served = Served::with_limit(1 << 20).await;
    served.put("/a", &[1; 10_000]).await;
    std::fs::hard_link(served.folder_of("alice").join("a"), served.folder_of("alice").join("b")).unwrap();
    let used = served.quota().await;
    assert_eq!(served.ask("MOVE /a", "Destination: /b\r\n", b"").await.status, StatusCode::NO_CONTENT);
    assert_eq!(served.get("/b").await.unwrap().len(), 10_000);
    assert_eq!(served.quota().await, used);
}
