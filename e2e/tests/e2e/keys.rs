//! The server key is replaced while people are signed in, and the server is
//! killed while it does so.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use e2e::{Dovecot, Imap, Running, Site};
use serde_json::json;

use crate::backup::{done, logs_in, on_postgres};

const ALICE: &str = "alice@example.org";
const OLD: &str = "data/keys/server-old.key";
/// In milliseconds: long ago, and not for long.
const PAST: i64 = 1;
const FUTURE: i64 = 4_000_000_000_000;
/// In the place of a time: others may know the key.
const COMPROMISED: i64 = 0;

fn started(site: &Site, log: &str) -> Running {
    let server = site.spawn(log).unwrap();
    e2e::until("the server to be ready", || server.said().contains("ready")).unwrap();
    server
}

fn logged_in(site: &Site, login: &str, secret: &str) -> Imap {
    let mut imap = Imap::connect(site.imap, &site.ca(), false).unwrap();
    imap.line().unwrap();
    let answer = imap.command("a", &format!("LOGIN {login} \"{secret}\"")).unwrap();
    assert!(answer.last().unwrap().starts_with("a OK"), "{answer:?}");
    imap
}

fn stopped(mut server: Running) {
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(server.wait(), Some(0));
}

fn rotated_while_serving(store: &str, another: &str) {
    let dovecot = Dovecot::start().unwrap();
    let site = Site::new(dovecot.port, 9, store).unwrap();
    let server = started(&site, "first.log");
    site.account(ALICE).unwrap();
    let [kept, idle] = [(); 2].map(|()| site.app_password(ALICE, "mail", &[]).unwrap().1);
    assert!(logs_in(&site, "alice", &idle));
    let mut connected = logged_in(&site, "alice", &kept);

    let rotated = done(&site, &["key", "rotate", "--retire-after", "30d"]);
    assert_eq!((&rotated["rotated"], &rotated["seeds_resealed"]), (&json!(true), &json!(1)));
    assert_eq!(fs::metadata(site.path(OLD)).unwrap().permissions().mode() & 0o777, 0o600);
    let noop = connected.command("b", "NOOP").unwrap();
    assert!(noop.last().unwrap().starts_with("b OK"), "{noop:?}");
    assert!(logs_in(&site, "alice", &kept));
    let (_, later) = site.app_password(ALICE, "mail", &[]).unwrap();
    assert!(logs_in(&site, "alice", &later));
    let until = rotated["old_key_until"].as_str().unwrap();
    let again = site.cli(&["key", "rotate"], "").unwrap();
    assert!(again.status == Some(1) && again.err.contains(until) && again.err.contains("--compromised"), "{again:?}");
    let found = site.cli(&["doctor", "--json"], "").unwrap().json();
    assert!(found.to_string().contains(&format!("good until {until}")), "{found}");
    let folder = site.path("backup");
    let folder = folder.to_str().unwrap();
    done(&site, &["backup", folder]);
    stopped(server);

    // Into a store that is new, beside keys that are not there.
    for name in ["postern.db", "postern.db-wal", "postern.db-shm", "keys/server.key", "keys/server-old.key"] {
        let _ = fs::remove_file(site.path("data").join(name));
    }
    let config = fs::read_to_string(site.config()).unwrap();
    site.write("postern.toml", &config.replace(store, another)).unwrap();
    done(&site, &["restore", folder]);
    let server = started(&site, "second.log");
    for secret in [&kept, &idle, &later] {
        assert!(logs_in(&site, "alice", secret));
    }

    let mut connected = logged_in(&site, "alice", &later);
    let voided = done(&site, &["key", "rotate", "--compromised"]);
    assert_eq!(voided, json!({ "rotated": true, "revoked": 3, "accounts": 1 }));
    assert_eq!(connected.rest(), ["* BYE This session was ended."]);
    assert!(!site.path(OLD).exists());
    for secret in [&kept, &idle, &later] {
        assert!(!logs_in(&site, "alice", secret));
    }
    let shown = done(&site, &["account", "show", "alice"]);
    assert!(shown["known_to_administrator"].to_string().contains("second factor"), "{shown}");
    assert_eq!(shown["recovery_codes_left"], 0);
    let (_, anew) = site.app_password(ALICE, "mail", &[]).unwrap();
    assert!(logs_in(&site, "alice", &anew));
    assert_eq!(done(&site, &["audit", "verify"])["whole"], true);
    stopped(server);
    let server = started(&site, "third.log");
    assert!(logs_in(&site, "alice", &anew));
    stopped(server);
}

#[test]
fn rotated_while_serving_from_sqlite() {
    rotated_while_serving("# SQLite\n", "# SQLite\n");
}

#[test]
fn rotated_while_serving_from_postgres() {
    rotated_while_serving(&on_postgres(), &on_postgres());
}

/// As a crash, or time, leaves the file.
fn put_aside(site: &Site, millis: i64, key: &[u8]) {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(site.path(OLD)).unwrap();
    file.write_all(&[&millis.to_be_bytes(), key].concat()).unwrap();
}

fn key(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap()
}

#[test]
fn a_crash_within_a_rotation_leaves_what_opens() {
    let dovecot = Dovecot::start().unwrap();
    let site = Site::new(dovecot.port, 9, "").unwrap();
    let server = started(&site, "first.log");
    site.account(ALICE).unwrap();
    let [kept, idle] = [(); 2].map(|()| site.app_password(ALICE, "mail", &[]).unwrap().1);
    assert!(logs_in(&site, "alice", &kept) && logs_in(&site, "alice", &idle));
    let folder = site.path("backup");
    let folder = folder.to_str().unwrap();
    done(&site, &["backup", folder]);
    stopped(server);
    let current = site.path("data/keys/server.key");
    let first = key(&current);

    // The old one is put aside, and the new one not in its place.
    for retiring in [FUTURE, COMPROMISED] {
        put_aside(&site, retiring, &first);
        fs::write(site.path("data/keys/server.unfinished"), [7; 20]).unwrap();
        let server = started(&site, "second.log");
        assert!(logs_in(&site, "alice", &kept));
        let left: Vec<_> =
            fs::read_dir(site.path("data/keys")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!((left.len(), key(&current)), (2, first.clone()), "{left:?}");
        stopped(server);
    }
    // The new one is there, and nothing moved over.
    put_aside(&site, FUTURE, &first);
    fs::write(&current, [7; 32]).unwrap();
    let server = started(&site, "third.log");
    assert!(logs_in(&site, "alice", &kept));
    stopped(server);
    // A backup from before it belongs to the old one.
    for name in ["postern.db", "postern.db-wal", "postern.db-shm"] {
        let _ = fs::remove_file(site.path("data").join(name));
    }
    done(&site, &["restore", folder]);
    let server = started(&site, "restored.log");
    assert!(logs_in(&site, "alice", &kept));
    stopped(server);
    // Its time has come while nobody served.
    put_aside(&site, PAST, &first);
    let server = started(&site, "fourth.log");
    assert!(!site.path(OLD).exists(), "it is still there");
    assert!(logs_in(&site, "alice", &kept), "moved over");
    assert!(!logs_in(&site, "alice", &idle));
    stopped(server);
    // The new one is there, and of what stood on the known one nothing is revoked.
    put_aside(&site, COMPROMISED, &key(&current));
    fs::write(&current, [8; 32]).unwrap();
    let server = started(&site, "fifth.log");
    assert!(!logs_in(&site, "alice", &kept));
    let listed = done(&site, &["app-password", "list", "alice"]);
    assert!(listed.as_array().unwrap().iter().all(|one| one["state"] == "revoked"), "{listed}");
    assert!(!site.path(OLD).exists(), "it is still there");
    stopped(server);
}
