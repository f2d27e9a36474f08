//! The serving process can do less than its user.

use std::fs;

use e2e::{Dovecot, Site, until};

use crate::backup::{done, logs_in};

#[test]
fn it_starts_no_program_in_any_thread_and_gains_nothing_by_one() {
    let dovecot = Dovecot::start().unwrap();
    let mut postern = Site::new(dovecot.port, 9, "").unwrap().serve().unwrap();
    let pid = postern.process().id();
    let threads: Vec<_> =
        fs::read_dir(format!("/proc/{pid}/task")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(threads.len() > 1);
    for thread in threads {
        let status = fs::read_to_string(thread.join("status")).unwrap();
        let has = |line: &str| status.lines().any(|found| found == line);
        assert!(has("NoNewPrivs:\t1") && has("Seccomp:\t2"), "{}: {status}", thread.display());
    }
    assert!(postern.said().contains("confined by seccomp"), "{}", postern.said());
    assert!(postern.said().contains("confined by Landlock to the site's own files"), "{}", postern.said());
}

/// `data/drive` is a link that leads out: its user could follow it.
#[test]
fn it_opens_nothing_outside_its_folder() {
    let elsewhere = tempfile::tempdir().unwrap();
    let site = Site::new(9, 9, "").unwrap();
    fs::create_dir(site.path("data")).unwrap();
    fs::set_permissions(site.path("data"), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), site.path("data/drive")).unwrap();
    let mut running = site.spawn("log").unwrap();
    until("the server to end", || running.has_ended()).unwrap();
    assert!(running.said().contains("Permission denied") && running.said().contains("drive"), "{}", running.said());
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}

#[test]
fn a_backup_goes_where_the_server_could_not_write() {
    let dovecot = Dovecot::start().unwrap();
    let postern = Site::new(dovecot.port, 9, "").unwrap().serve().unwrap();
    postern.account("alice@example.org").unwrap();
    let (_, secret) = postern.app_password("alice@example.org", "mail", &[]).unwrap();
    assert!(logs_in(&postern, "alice", &secret));
    // Two places: one within reach of a rename, one on another file system.
    for base in [tempfile::tempdir().unwrap(), tempfile::tempdir_in("/dev/shm").unwrap()] {
        let folder = base.path().join("new/backup");
        let answer = done(&postern, &["backup", folder.to_str().unwrap()]);
        assert_eq!(answer["backup"], folder.to_str().unwrap());
        assert!(folder.join("postern.db").is_file() && folder.join("keys").is_dir());
        assert_eq!(fs::read_dir(postern.path("data/outgoing")).unwrap().count(), 0);
    }
}
