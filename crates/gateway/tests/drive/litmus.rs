//! A foreign suite: all of litmus.

use std::process::Stdio;

use tokio::process::Command;

use crate::served::Served;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn litmus_passes_all_its_tests() {
    let served = Served::with_limit(1 << 30).await;
    let folder = tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let run = Command::new("litmus")
        .args(["-k", &format!("http://{}/", served.address)])
        .current_dir(&folder)
        .stdin(Stdio::null())
        .output()
        .await;
    let output = match run {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("not run: litmus is not installed (apt install litmus)");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let text = String::from_utf8_lossy(&output.stdout);
    for suite in ["basic", "copymove", "props", "locks", "http"] {
        let summary = text.lines().find(|line| line.contains(&format!("summary for `{suite}'")));
        assert!(summary.is_some_and(|line| line.contains(" 0 failed")), "{suite}: {text}");
    }
    assert!(output.status.success() && !text.contains("FAIL"), "{text}");
}
