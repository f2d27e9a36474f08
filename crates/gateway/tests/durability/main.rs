//! What was acknowledged outlasts a power cut: each name is on the disk before
//! the answer is on its way. The machine stays on; `strace` tells the order.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

#[allow(dead_code, reason = "another test crate uses the rest of it")]
#[path = "../drive/served.rs"]
mod served;

use std::{path::PathBuf, process::Stdio};

use http::StatusCode;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use served::Served;

const CALLS: &str = "trace=mkdirat,renameat,renameat2,fsync,fdatasync,write,writev,sendto,sendmsg";

/// Looks over this process's shoulder.
struct Strace {
    child: Child,
    file: PathBuf,
}

impl Strace {
    /// `None` if there is none, or it may not.
    async fn attach(file: PathBuf) -> Option<Self> {
        let mut strace = Command::new("strace");
        strace
            .args(["-f", "-y", "-s", "12", "-e", CALLS, "-o"])
            .arg(&file)
            .arg("-p")
            .arg(std::process::id().to_string());
        let mut child = strace.stderr(Stdio::piped()).kill_on_drop(true).spawn().ok()?;
        let mut said = BufReader::new(child.stderr.take()?).lines();
        let first = said.next_line().await.ok()??;
        tokio::spawn(async move { while let Ok(Some(_)) = said.next_line().await {} });
        first.contains("attached").then_some(Self { child, file })
    }

    /// The calls until now, those of each thread as they were made.
    async fn detach(mut self) -> Vec<String> {
        let pid = rustix::process::Pid::from_raw(self.child.id().unwrap().try_into().unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        self.child.wait().await.unwrap();
        std::fs::read_to_string(&self.file).unwrap().lines().map(str::to_owned).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_are_on_the_disk_before_the_answer_is_sent() {
    let served = Served::with_limit(1 << 20).await;
    for folder in ["/d", "/e", "/tree"] {
        served.ask(&format!("MKCOL {folder}"), "", b"").await;
    }
    served.put("/d/moved", b"x").await;
    served.put("/tree/in", b"x").await;
    let mut unsynced = Vec::new();
    for (line, headers, body, names) in [
        ("PUT /d/new", "", &b"x"[..], &["alice/d"][..]),
        ("PUT /d/new", "", b"y", &["alice/d"]),
        ("LOCK /d/locked", "", served::LOCK, &["alice/d"]),
        ("MKCOL /e/made", "", b"", &["alice/e"]),
        ("MOVE /d/moved", "Destination: /e/moved\r\n", b"", &["alice/d", "alice/e"]),
        ("COPY /d/new", "Destination: /e/new\r\n", b"", &["alice/e"]),
        ("COPY /tree", "Destination: /e/tree\r\n", b"", &["alice/e"]),
        ("MOVE /tree", "Destination: /e/tree\r\n", b"", &["alice", "alice/e"]),
        ("PUT /first", "X-Account: bob\r\n", b"x", &["drive", "bob"]),
    ] {
        let Some(strace) = Strace::attach(served.outside().join("calls")).await else {
            eprintln!("not run: strace is not installed (apt install strace), or may not look at this process");
            return;
        };
        let status = served.ask(line, headers, body).await.status;
        let calls = strace.detach().await;
        assert!(status.is_success() && status != StatusCode::MULTI_STATUS, "{line}: {status}");
        let answered = calls.iter().position(|call| call.contains("\"HTTP/1.1 20")).expect("the answer was seen");
        for name in names {
            let of_this = |call: &String| call.contains(&format!("/{name}>"));
            let changes = |call: &String| (call.contains(" renameat") || call.contains(" mkdirat(")) && of_this(call);
            let changed = calls[..answered].iter().rposition(changes).expect("the change was seen");
            if !calls[changed..answered].iter().any(|call| call.contains(" fsync(") && of_this(call)) {
                unsynced.push(format!("{line}: {name}"));
            }
        }
    }
    assert!(unsynced.is_empty(), "{unsynced:#?}");
}
