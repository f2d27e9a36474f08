//! A backup is made while the server serves, and restored into a site of either
//! kind. Nothing that was revoked since comes back.

use std::fs;

use e2e::{Dovecot, Imap, Postern, Site};
use testkit::Postgres;

const ALICE: &str = "alice@example.org";
const BOB: &str = "bob@example.org";

pub(crate) fn on_postgres() -> String {
    format!("[store]\nurl = \"{}\"\n", Postgres::shared().database())
}

pub(crate) fn logs_in(site: &Site, login: &str, secret: &str) -> bool {
    let mut imap = Imap::connect(site.imap, &site.ca(), false).unwrap();
    imap.line().unwrap();
    let answer = imap.command("a", &format!("LOGIN {login} \"{secret}\"")).unwrap();
    let last = answer.last().unwrap();
    assert!(last.starts_with("a OK") || last.starts_with("a NO [AUTHENTICATIONFAILED]"), "{answer:?}");
    last.starts_with("a OK")
}

pub(crate) fn done(site: &Site, arguments: &[&str]) -> serde_json::Value {
    let arguments = [arguments, &["--json"]].concat();
    let output = site.cli(&arguments, "").unwrap();
    assert_eq!(output.status, Some(0), "{arguments:?}: {}", output.err);
    output.json()
}

fn backed_up_and_restored(before: &str, after: &str) {
    let dovecot = Dovecot::start().unwrap();
    let mut postern = Site::new(dovecot.port, 9, before).unwrap().serve().unwrap();
    for login in [ALICE, BOB] {
        postern.account(login).unwrap();
    }
    let (_, kept) = postern.app_password(ALICE, "mail", &[]).unwrap();
    let (revoked, dead) = postern.app_password(ALICE, "mail", &[]).unwrap();
    let (_, bobs) = postern.app_password(BOB, "mail", &[]).unwrap();
    assert!(logs_in(&postern, "alice", &kept) && logs_in(&postern, "alice", &dead) && logs_in(&postern, "bob", &bobs));

    let folder = postern.path("backup");
    let folder = folder.to_str().unwrap();
    assert_eq!(done(&postern, &["backup", folder])["accounts"], 2);
    let twice = postern.cli(&["backup", folder], "").unwrap();
    assert_eq!((twice.status, twice.err.contains("is there already")), (Some(1), true), "{}", twice.err);

    done(&postern, &["app-password", "revoke", &revoked]);
    done(&postern, &["account", "suspend", BOB]);
    let (_, later) = postern.app_password(ALICE, "mail", &[]).unwrap();
    let running = postern.cli(&["restore", folder], "").unwrap();
    assert!(running.err.contains("stop it first"), "{}", running.err);
    postern.process().signal(rustix::process::Signal::TERM);
    assert_eq!(postern.process().wait(), Some(0));

    // The disk that held the database is new; what lay beside it was elsewhere.
    for name in ["postern.db", "postern.db-wal", "postern.db-shm"] {
        let _ = fs::remove_file(postern.path("data").join(name));
    }
    let config = fs::read_to_string(postern.config()).unwrap();
    postern.write("postern.toml", &config.replace(before, after)).unwrap();
    assert_eq!(done(&postern, &["restore", folder])["suspended"], serde_json::json!([BOB]));
    let again = postern.cli(&["restore", folder], "").unwrap();
    assert_eq!(again.status, Some(1), "{}", again.err);

    let mut server = postern.spawn("again.log").unwrap();
    e2e::until("the server to be back", || server.said().contains("ready")).unwrap();
    assert!(logs_in(&postern, "alice", &kept));
    assert!(!logs_in(&postern, "alice", &dead), "revoked since");
    assert!(!logs_in(&postern, "alice", &later), "made since");
    assert!(!logs_in(&postern, "bob", &bobs), "suspended since");
    done(&postern, &["account", "resume", BOB]);
    assert!(logs_in(&postern, "bob", &bobs));
    assert_eq!(done(&postern, &["audit", "verify"])["whole"], true);
    // The store goes on from there: numbers do not meet those that were restored.
    assert!(logs_in(&postern, "alice", &postern.app_password(ALICE, "mail", &[]).unwrap().1));
    postern.account("carol@example.org").unwrap();
    server.signal(rustix::process::Signal::TERM);
    server.wait();
}

#[test]
fn from_sqlite_to_sqlite() {
    backed_up_and_restored("# SQLite\n", "# SQLite\n");
}

#[test]
fn from_sqlite_to_postgres() {
    backed_up_and_restored("# SQLite\n", &on_postgres());
}

#[test]
fn from_postgres_to_postgres() {
    backed_up_and_restored(&on_postgres(), &on_postgres());
}

#[test]
fn from_postgres_to_sqlite() {
    backed_up_and_restored(&on_postgres(), "# SQLite\n");
}

#[test]
fn without_the_revocations_everybody_waits() {
    let dovecot = Dovecot::start().unwrap();
    let mut postern = Postern::start(dovecot.port, 9).unwrap();
    postern.account(ALICE).unwrap();
    let (_, secret) = postern.app_password(ALICE, "mail", &[]).unwrap();
    let folder = postern.path("backup");
    let folder = folder.to_str().unwrap();
    done(&postern, &["backup", folder]);
    postern.process().signal(rustix::process::Signal::TERM);
    postern.process().wait();
    fs::rename(postern.path("data"), postern.path("gone")).unwrap();

    let refused = postern.cli(&["restore", folder], "").unwrap();
    assert_eq!(refused.status, Some(3), "{}", refused.err);
    assert!(refused.err.contains("--without-revocations"), "{}", refused.err);
    assert!(!postern.path("data/postern.db").exists(), "nothing was put in place");
    let restored = done(&postern, &["restore", folder, "--without-revocations"]);
    assert_eq!(restored["suspended"], serde_json::json!([ALICE]));
    let mut server = postern.spawn("again.log").unwrap();
    e2e::until("the server to be back", || server.said().contains("ready")).unwrap();
    assert!(!logs_in(&postern, "alice", &secret));
    done(&postern, &["account", "resume", ALICE]);
    assert!(logs_in(&postern, "alice", &secret));
    server.signal(rustix::process::Signal::TERM);
    server.wait();

    // The file alone is lost: the store that is there opens, and everybody waits again.
    fs::remove_file(postern.path("data/revocations")).unwrap();
    let refused = postern.cli(&["account", "list"], "").unwrap();
    assert!(refused.status == Some(3) && refused.err.contains("--without-revocations"), "{}", refused.err);
    let opened = done(&postern, &["restore", "--without-revocations"]);
    assert_eq!(opened["suspended"], serde_json::json!([ALICE]));
    assert_eq!(done(&postern, &["account", "list"])[0]["standing"], "suspended");
}
