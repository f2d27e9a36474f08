//! Locks: whom they keep out, how long, and how many there are.

use std::time::Duration;

use futures_util::future::join_all;
use http::StatusCode;

use crate::served::{Answer, Served};

const LIMIT: u64 = 1 << 20;
/// Locks of one account at a time.
const MOST: usize = 100;

fn lockinfo(scope: &str, owner: &str) -> String {
    format!("<lockinfo xmlns=\"DAV:\"><lockscope><{scope}/></lockscope><locktype><write/></locktype>{owner}</lockinfo>")
}

async fn lock(served: &Served, path: &str, scope: &str, headers: &str) -> Answer {
    served.ask(&format!("LOCK {path}"), headers, lockinfo(scope, "").as_bytes()).await
}

/// `<urn:uuid:...>` of a lock that was granted.
fn token(answer: &Answer) -> String {
    assert!(answer.status.is_success(), "{}", answer.status);
    let (_, token) = answer.head.split_once("lock-token: ").expect("a token");
    token.lines().next().unwrap().to_owned()
}

async fn unlock(served: &Served, path: &str, token: &str) -> StatusCode {
    served.ask(&format!("UNLOCK {path}"), &format!("Lock-Token: {token}\r\n"), b"").await.status
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_nobody_refreshes_ends() {
    let served = Served::with_limit(LIMIT).await;
    let locked = lock(&served, "/a", "exclusive", "Timeout: Infinite\r\n").await;
    assert_eq!(locked.status, StatusCode::CREATED);
    let condition = format!("If: ({})\r\n", token(&locked));
    assert_eq!(served.put("/a", b"no").await, StatusCode::LOCKED);
    tokio::time::advance(Duration::from_secs(599)).await;
    let refreshed = served.ask("LOCK /a", &format!("Timeout: Infinite\r\n{condition}"), b"").await;
    assert_eq!(refreshed.status, StatusCode::OK);
    assert!(String::from_utf8_lossy(&refreshed.body).contains("Second-600"));
    tokio::time::advance(Duration::from_secs(599)).await;
    assert_eq!(served.put("/a", b"no").await, StatusCode::LOCKED, "it was refreshed");
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(served.put("/a", b"yes").await, StatusCode::NO_CONTENT);
    let short = lock(&served, "/a", "shared", "Timeout: Second-5\r\n").await;
    assert!(String::from_utf8_lossy(&short.body).contains("Second-5<"));
    tokio::time::advance(Duration::from_secs(6)).await;
    assert_eq!(served.put("/a", b"yes").await, StatusCode::NO_CONTENT);
}

#[tokio::test(start_paused = true)]
async fn all_of_the_folder_can_be_locked_and_opened_again() {
    let served = Served::with_limit(LIMIT).await;
    for depth in ["0", "infinity"] {
        let headers = format!("Depth: {depth}\r\n");
        let held = token(&lock(&served, "/", "exclusive", &headers).await);
        assert_eq!(served.put("/a", b"x").await.is_success(), depth == "0");
        assert_eq!(unlock(&served, "/", &held).await, StatusCode::NO_CONTENT);
        assert!(served.put("/a", b"x").await.is_success());
        // One that ends by itself.
        token(&lock(&served, "/", "exclusive", &headers).await);
        tokio::time::advance(Duration::from_secs(601)).await;
        assert!(served.put("/a", b"x").await.is_success());
        assert_eq!(served.ask("PROPFIND /", "Depth: 1\r\n", b"").await.status, StatusCode::MULTI_STATUS);
    }
}

#[tokio::test]
async fn locks_keep_out_whom_they_should() {
    let served = Served::with_limit(LIMIT).await;
    for folder in ["/d", "/d/e", "/de"] {
        served.ask(&format!("MKCOL {folder}"), "", b"").await;
    }
    let deep = token(&lock(&served, "/d", "exclusive", "").await);
    assert_eq!(served.put("/d/e/f", b"x").await, StatusCode::LOCKED);
    assert_eq!(served.put("/de/f", b"x").await, StatusCode::CREATED, "a longer name is another name");
    for (path, scope) in [("/d", "exclusive"), ("/d/e", "shared"), ("/", "exclusive"), ("/", "shared")] {
        assert_eq!(lock(&served, path, scope, "").await.status, StatusCode::LOCKED, "{scope} {path}");
    }
    let flat = token(&lock(&served, "/", "exclusive", "Depth: 0\r\n").await);
    let by = |token: &str| format!("If: ({token})\r\n");
    assert!(served.ask("PUT /d/e/f", &by(&deep), b"x").await.status.is_success());
    assert_eq!(served.ask("MOVE /de/f", "Destination: /d/g\r\n", b"").await.status, StatusCode::LOCKED);
    // What holds a lock does not go without it.
    assert_eq!(served.ask("DELETE /d", "", b"").await.status, StatusCode::LOCKED);
    assert_eq!(unlock(&served, "/de", &deep).await, StatusCode::CONFLICT);
    assert_eq!(unlock(&served, "/d/e", &deep).await, StatusCode::NO_CONTENT, "anything under it names it");
    assert_eq!(unlock(&served, "/d", &deep).await, StatusCode::CONFLICT);
    assert_eq!(unlock(&served, "/", &flat).await, StatusCode::NO_CONTENT);
    // Either holder of a shared one may write, others may not.
    let one = token(&lock(&served, "/d", "shared", "").await);
    let two = token(&lock(&served, "/d", "shared", "").await);
    assert_ne!(one, two);
    for token in [&one, &two] {
        assert!(served.ask("PUT /d/e/f", &by(token), b"x").await.status.is_success());
    }
    assert_eq!(served.put("/d/e/f", b"x").await, StatusCode::LOCKED);
    assert_eq!(lock(&served, "/d/e/f", "exclusive", "").await.status, StatusCode::LOCKED);
}

/// Careful programs lock what they save, write beside it and move over it.
#[tokio::test]
async fn a_lock_at_the_destination_stays_and_one_at_the_source_goes() {
    let served = Served::with_limit(LIMIT).await;
    served.put("/new", b"new").await;
    served.put("/file", b"old").await;
    let file = token(&lock(&served, "/file", "exclusive", "").await);
    let new = token(&lock(&served, "/new", "exclusive", "").await);
    let headers = format!(
        "Destination: /file\r\nIf: <http://dav.example.org/new> ({new}) <http://dav.example.org/file> ({file})\r\n"
    );
    assert_eq!(served.ask("MOVE /new", &headers, b"").await.status, StatusCode::NO_CONTENT);
    assert_eq!(served.put("/file", b"no").await, StatusCode::LOCKED);
    assert_eq!(unlock(&served, "/file", &file).await, StatusCode::NO_CONTENT);
    assert_eq!(unlock(&served, "/new", &new).await, StatusCode::CONFLICT);
    assert_eq!(served.put("/new", b"yes").await, StatusCode::CREATED);
}

#[tokio::test]
async fn locks_that_came_to_nothing_do_not_count() {
    let served = Served::with_limit(LIMIT).await;
    let long = format!("/{}", "a".repeat(300));
    let deep = "/a".repeat(4000);
    for _ in 0..2 * MOST {
        for (path, refusal) in [
            ("/none/there", StatusCode::CONFLICT),
            (long.as_str(), StatusCode::URI_TOO_LONG),
            (deep.as_str(), StatusCode::URI_TOO_LONG),
            ("/a%5cb", StatusCode::FORBIDDEN),
        ] {
            assert_eq!(lock(&served, path, "exclusive", "").await.status, refusal, "{path:.20}");
        }
        // Gone with what it was on.
        let held = token(&lock(&served, "/a", "exclusive", "").await);
        let gone = served.ask("DELETE /a", &format!("If: ({held})\r\n"), b"").await;
        assert_eq!(gone.status, StatusCode::NO_CONTENT);
    }
    assert!(lock(&served, "/b", "exclusive", "").await.status.is_success());
}

#[tokio::test(start_paused = true)]
async fn there_are_so_many_and_their_owners_are_short() {
    let served = Served::with_limit(LIMIT).await;
    served.put("/a", b"x").await;
    let href = "<owner><href>https://example.org/alice</href></owner>";
    let named = served.ask("LOCK /a", "", lockinfo("shared", href).as_bytes()).await;
    assert!(String::from_utf8_lossy(&named.body).contains("https://example.org/alice"));
    for owner in ["x".repeat(60_000), "x".repeat(1500), "<a/>".repeat(100)] {
        let answer = served.ask("LOCK /a", "", lockinfo("shared", &format!("<owner>{owner}</owner>")).as_bytes()).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    }
    for _ in 1..MOST {
        token(&lock(&served, "/a", "shared", "").await);
    }
    assert_eq!(lock(&served, "/a", "shared", "").await.status, StatusCode::INSUFFICIENT_STORAGE);
    assert_eq!(lock(&served, "/b", "exclusive", "").await.status, StatusCode::INSUFFICIENT_STORAGE);
    assert!(served.get("/b").await.is_none());
    tokio::time::advance(Duration::from_secs(601)).await;
    assert!(lock(&served, "/b", "exclusive", "").await.status.is_success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_are_no_more() {
    let served = Served::with_limit(LIMIT).await;
    served.put("/a", b"x").await;
    let granted = join_all((0..2 * MOST).map(|_| lock(&served, "/a", "shared", ""))).await;
    let granted = granted.iter().filter(|answer| answer.status.is_success()).count();
    assert_eq!(granted, MOST);
}
