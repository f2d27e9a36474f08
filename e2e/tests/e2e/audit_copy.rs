//! The audit is copied elsewhere as it is committed, and shows there what the database
//! has lost.

use std::{fs, os::unix::net::UnixDatagram, path::Path, process::Command, time::Duration};

use e2e::{Running, Site, free_port, run, until};
use rustix::process::Signal;
use serde_json::Value;

fn site(more: &str) -> Site {
    Site::new(9, 9, more).unwrap()
}

fn serve(site: &Site, log: &str) -> Running {
    let running = site.spawn(log).unwrap();
    until("Postern", || running.said().contains("ready")).unwrap_or_else(|late| panic!("{late}: {}", running.said()));
    running
}

fn stop(mut running: Running) {
    running.signal(Signal::TERM);
    assert_eq!(running.wait(), Some(0), "{}", running.said());
}

fn lines(copy: &Path) -> Vec<Value> {
    let text = fs::read_to_string(copy).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect()
}

fn numbers(lines: &[Value]) -> Vec<u64> {
    lines.iter().map(|line| line["seq"].as_u64().unwrap()).collect()
}

#[test]
fn every_line_is_in_the_file_once_with_its_seal() {
    // One that Postern has confined itself to, and one line by a command before it serves.
    let site = site("[audit]\ncopy_to = \"elsewhere/audit.jsonl\"\n");
    fs::create_dir(site.path("elsewhere")).unwrap();
    let copy = site.path("elsewhere/audit.jsonl");
    site.account("alice@example.org").unwrap();
    let running = serve(&site, "log");
    let has = |login: &str| lines(&copy).iter().any(|line| line["entry"]["login"] == login);
    until("the line from before", || has("alice@example.org")).unwrap();
    site.account("bob@example.org").unwrap();
    until("the new line", || has("bob@example.org")).unwrap();

    // Moved away by whoever rotates it, and none the worse for that.
    let old = site.path("elsewhere/audit.jsonl.1");
    fs::rename(&copy, &old).unwrap();
    site.account("carol@example.org").unwrap();
    until("the line in the new file", || has("carol@example.org")).unwrap();
    stop(running);
    let again = serve(&site, "again");
    site.account("dan@example.org").unwrap();
    until("the line after a restart", || has("dan@example.org")).unwrap();
    stop(again);

    let all = [lines(&old), lines(&copy)].concat();
    let verified = site.cli(&["audit", "verify", "--json"], "").unwrap().json();
    assert_eq!(numbers(&all), (1..=verified["lines"].as_u64().unwrap()).collect::<Vec<_>>());
    assert_eq!(all.last().unwrap()["seal"], verified["head"], "what is kept elsewhere is the head");
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&copy).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn an_audit_that_has_lost_its_end_is_told_of() {
    let site = site("[audit]\ncopy_to = \"audit.jsonl\"\n");
    let copy = site.path("audit.jsonl");
    let running = serve(&site, "log");
    for login in ["alice@example.org", "eve@example.org"] {
        site.account(login).unwrap();
    }
    stop(running);
    let before = lines(&copy);
    let (count, head) = (before.len() as u64, before.last().unwrap()["seal"].clone());

    // What Eve's account left is taken out again, by who can write to the database.
    let db = rusqlite::Connection::open(site.path("data/postern.db")).unwrap();
    db.execute("DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)", []).unwrap();
    drop(db);
    assert_eq!(site.cli(&["audit", "verify"], "").unwrap().status, Some(0), "what is left is whole in itself");
    let again = serve(&site, "again");
    until("the alarm", || again.said().contains("the audit has lost its end")).unwrap();
    stop(again);
    let after = lines(&copy);
    let told = &after[before.len()];
    assert_eq!((&told["event"], &told["lines"], &told["seal"]), (&"audit-lost-its-end".into(), &count.into(), &head));
    assert_eq!(numbers(&after[before.len() + 1..])[0], 1, "copied anew");
    assert!(after[..before.len()].iter().any(|line| line["entry"]["login"] == "eve@example.org"));
}

#[test]
fn the_systems_logger_gets_each_line_and_is_waited_for() {
    let monitor = free_port().unwrap();
    let site = site(&format!("[audit]\ncopy_to = \"unix:log.sock\"\n[monitor]\nlisten = [\"127.0.0.1:{monitor}\"]\n"));
    let running = serve(&site, "log");
    site.account("alice@example.org").unwrap();
    until("the fault to be told", || running.said().contains("the audit is not copied any more")).unwrap();
    let up = || run(Command::new("curl").arg("--silent").arg(format!("http://127.0.0.1:{monitor}/metrics"))).unwrap().1;
    assert!(up().contains("postern_audit_copy_up 0"), "{}", up());

    let logger = UnixDatagram::bind(site.path("log.sock")).unwrap();
    logger.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut seen = Vec::new();
    while !seen.iter().any(|line: &Value| line["entry"]["login"] == "alice@example.org") {
        let mut octets = [0; 8192];
        let count = logger.recv(&mut octets).unwrap();
        let message = String::from_utf8(octets[..count].to_vec()).unwrap();
        let (begin, line) = message.split_once(": ").unwrap();
        assert_eq!(begin, format!("<85>postern[{}]", running.id()));
        seen.push(serde_json::from_str(line).unwrap());
    }
    assert_eq!(numbers(&seen), (1..=seen.len() as u64).collect::<Vec<_>>());
    until("it to go on", || running.said().contains("the audit is copied again")).unwrap();
    assert!(up().contains("postern_audit_copy_up 1"), "{}", up());
    assert_eq!(running.said().matches("not copied any more").count(), 1, "said once: {}", running.said());
}
