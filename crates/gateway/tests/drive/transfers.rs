//! COPY and MOVE: what is at the destination stays until what replaces it is
//! whole, and nothing is lost to one that is refused.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::future::join_all;
use http::StatusCode;

use crate::served::Served;

const LIMIT: u64 = 1 << 20;
const ENTRY: u64 = 4096;

async fn transfer(served: &Served, line: &str, to: &str, headers: &str) -> StatusCode {
    served.ask(line, &format!("Destination: {to}\r\n{headers}"), b"").await.status
}

#[tokio::test]
async fn nothing_goes_onto_what_it_lies_in_or_into_itself() {
    let served = Served::with_limit(LIMIT).await;
    for folder in ["/p", "/p/a", "/p/a/b"] {
        served.ask(&format!("MKCOL {folder}"), "", b"").await;
    }
    for file in ["/own", "/p/one", "/p/a/two", "/p/a/b/three"] {
        served.put(file, file.as_bytes()).await;
    }
    let used = served.quota().await;
    for method in ["COPY", "MOVE"] {
        for (from, to) in [
            ("/p/a", "/p"),
            ("/p/a/", "/p/"),
            ("/p/a", "/./p//"),
            ("/p/a/b", "/p"),
            ("/p/a/two", "/p/a"),
            ("/p/one", "/p"),
            ("/own", "/"),
            ("/p", "/"),
            ("/", "/p"),
            ("/p", "/p/a"),
            ("/p", "/p/new"),
            ("/p", "/p/a/b/three"),
            ("/p", "/p"),
            ("/p", "/p/"),
            ("/own", "/own/"),
            ("/own", "/x/../own"),
        ] {
            for headers in ["", "Overwrite: T\r\n"] {
                let status = transfer(&served, &format!("{method} {from}"), to, headers).await;
                assert_eq!(status, StatusCode::FORBIDDEN, "{method} {from} {to}");
                for file in ["/own", "/p/one", "/p/a/two", "/p/a/b/three"] {
                    let there = served.get(file).await;
                    assert_eq!(there.as_deref(), Some(file.as_bytes()), "{method} {from} {to}: {file}");
                }
            }
        }
    }
    assert_eq!(served.quota().await, used);
}

/// Each waits for its turn, and none is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_come_to_their_end() {
    let served = Served::with_limit(LIMIT).await;
    served.ask("MKCOL /tree", "", b"").await;
    served.put("/tree/in", b"x").await;
    let to: Vec<String> = (0..40).map(|n| format!("/{n}")).collect();
    let copied = join_all(to.iter().map(|to| transfer(&served, "COPY /tree", to, ""))).await;
    assert!(copied.iter().all(|status| *status == StatusCode::CREATED), "{copied:?}");
    // All onto one place: one after the other, and nothing is counted twice.
    let lines: Vec<String> = to.iter().map(|from| format!("MOVE {from}")).collect();
    let moved = join_all(lines.iter().map(|line| transfer(&served, line, "/one", ""))).await;
    assert!(moved.iter().all(StatusCode::is_success), "{moved:?}");
    assert_eq!(served.quota().await.0, 4 * ENTRY + 2);
}

#[tokio::test]
async fn what_is_refused_takes_nothing_with_it() {
    let served = Served::with_limit(LIMIT).await;
    let mut deep = String::new();
    for _ in 0..40 {
        deep += "/d";
        served.ask(&format!("MKCOL {deep}"), "", b"").await;
    }
    let target = "/d".repeat(30) + "/old";
    served.ask(&format!("MKCOL {target}"), "", b"").await;
    served.put(&format!("{target}/file"), b"as it was").await;
    let mut tall = "/tall".to_owned();
    served.ask("MKCOL /tall", "", b"").await;
    for _ in 0..40 {
        tall += "/t";
        served.ask(&format!("MKCOL {tall}"), "", b"").await;
    }
    served.put("/large", &[1; 60_000]).await;
    served.put("/small", b"as it was").await;
    let used = served.quota().await;
    for (line, to, headers, refusal) in [
        ("MOVE /tall", target.as_str(), "", StatusCode::URI_TOO_LONG),
        ("COPY /tall", target.as_str(), "", StatusCode::URI_TOO_LONG),
        ("COPY /none", "/small", "", StatusCode::NOT_FOUND),
        ("MOVE /none", target.as_str(), "", StatusCode::NOT_FOUND),
        ("COPY /large", "/small", "Overwrite: F\r\n", StatusCode::PRECONDITION_FAILED),
        ("MOVE /large", target.as_str(), "Overwrite: F\r\n", StatusCode::PRECONDITION_FAILED),
        ("MOVE /large", "/none/there", "", StatusCode::CONFLICT),
        ("MOVE /large", "/small", "If-Match: \"other\"\r\n", StatusCode::PRECONDITION_FAILED),
    ] {
        assert_eq!(transfer(&served, line, to, headers).await, refusal, "{line} {to}");
        assert_eq!(served.get(&format!("{target}/file")).await.as_deref(), Some(&b"as it was"[..]), "{line} {to}");
        assert_eq!(served.get("/small").await.as_deref(), Some(&b"as it was"[..]), "{line} {to}");
        assert!(served.get("/large").await.is_some());
    }
    assert_eq!(served.quota().await, used);
}

#[tokio::test]
async fn a_copy_without_room_leaves_what_is_there() {
    let served = Served::with_limit(20 * ENTRY).await;
    served.put("/large", &[1; 50_000]).await;
    served.put("/old", b"as it was").await;
    served.ask("MKCOL /tree", "", b"").await;
    served.put("/tree/file", b"as it was").await;
    let used = served.quota().await;
    for to in ["/old", "/tree"] {
        for depth in ["", "Depth: 0\r\n", "Depth: infinity\r\n"] {
            let status = transfer(&served, "COPY /large", to, &format!("Overwrite: T\r\n{depth}")).await;
            assert_eq!(served.get("/old").await.as_deref(), Some(&b"as it was"[..]), "{to} {depth}");
            assert_eq!(served.get("/tree/file").await.as_deref(), Some(&b"as it was"[..]), "{to} {depth}");
            assert_eq!(status, StatusCode::INSUFFICIENT_STORAGE, "{to} {depth}");
        }
    }
    assert_eq!(served.quota().await, used);
    // A folder without what is in it costs an entry, whatever is in it.
    served.ask("MKCOL /heavy", "", b"").await;
    transfer(&served, "MOVE /large", "/heavy/large", "").await;
    assert_eq!(transfer(&served, "COPY /heavy", "/light", "Depth: 0\r\n").await, StatusCode::CREATED);
    assert_eq!(served.quota().await.0, used.0 + 2 * ENTRY);
}

/// Looks at a place all the time, as another client would.
struct Watcher(std::thread::JoinHandle<usize>, Arc<AtomicBool>);

impl Watcher {
    fn of(place: PathBuf) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let until = over.clone();
        let looking = move || {
            let mut missed = 0;
            while !until.load(Ordering::Relaxed) {
                missed += usize::from(!place.exists());
            }
            missed
        };
        Self(std::thread::spawn(looking), over)
    }

    fn missed(self) -> usize {
        self.1.store(true, Ordering::Relaxed);
        self.0.join().unwrap()
    }
}

/// "Write beside it, then move over it" is how careful programs save.
#[tokio::test]
async fn what_is_replaced_is_there_until_its_successor_is() {
    let served = Served::with_limit(LIMIT).await;
    let folder = served.folder_of("alice");
    served.put("/file", b"old").await;
    served.ask("MKCOL /tree", "", b"").await;
    served.put("/tree/in", b"old").await;
    served.ask("MKCOL /other", "", b"").await;
    served.put("/other/in", b"new").await;
    let used = served.quota().await.0;
    let watchers = [Watcher::of(folder.join("file")), Watcher::of(folder.join("tree/in"))];
    for _ in 0..100 {
        served.put("/new", b"new").await;
        assert_eq!(transfer(&served, "COPY /new", "/file", "").await, StatusCode::NO_CONTENT);
        assert_eq!(transfer(&served, "MOVE /new", "/file", "").await, StatusCode::NO_CONTENT);
        assert_eq!(transfer(&served, "COPY /other", "/tree", "").await, StatusCode::NO_CONTENT);
        assert_eq!(transfer(&served, "COPY /other", "/third", "").await, StatusCode::CREATED);
        assert_eq!(transfer(&served, "MOVE /third", "/tree", "").await, StatusCode::NO_CONTENT);
    }
    assert_eq!(watchers.map(Watcher::missed), [0, 0]);
    assert_eq!(served.quota().await.0, used);
    assert_eq!(std::fs::read_dir(served.folder_of(".incoming")).unwrap().count(), 0);
}

/// RFC 4918, 9.8.4: what is there does not shine through.
#[tokio::test]
async fn kinds_replace_each_other_whole() {
    let served = Served::with_limit(LIMIT).await;
    for method in ["COPY", "MOVE"] {
        served.ask("MKCOL /a", "", b"").await;
        served.put("/a/new", b"1").await;
        served.ask("MKCOL /b", "", b"").await;
        served.put("/b/old", b"22").await;
        served.put("/c", b"333").await;
        // A folder over a folder, a file over that, a folder over that again.
        assert_eq!(transfer(&served, &format!("{method} /a"), "/b", "").await, StatusCode::NO_CONTENT);
        assert!(served.get("/b/new").await.is_some() && served.get("/b/old").await.is_none());
        let unsaid = transfer(&served, &format!("{method} /c"), "/b", "").await;
        assert_eq!(unsaid, StatusCode::FORBIDDEN, "into it, perhaps");
        assert!(served.get("/b/new").await.is_some() && served.get("/c").await.is_some());
        let said = transfer(&served, &format!("{method} /c"), "/b", "Overwrite: T\r\n").await;
        assert_eq!(said, StatusCode::NO_CONTENT);
        assert_eq!(served.get("/b").await.unwrap(), "333");
        served.ask("MKCOL /d", "", b"").await;
        served.put("/d/in", b"4444").await;
        assert_eq!(transfer(&served, &format!("{method} /d"), "/b", "").await, StatusCode::NO_CONTENT);
        assert_eq!(served.get("/b/in").await.unwrap(), "4444");
        for rest in ["/a", "/b", "/c", "/d"] {
            served.ask(&format!("DELETE {rest}"), "", b"").await;
        }
        assert_eq!(served.quota().await.0, 0, "{method}");
    }
}
