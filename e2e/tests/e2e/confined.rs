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

/// Root opens what only root can, and is then nobody in particular.
#[test]
fn root_becomes_the_owner_of_the_data_folder() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    // Debian's nobody. Its files have to lie where it can get to them.
    let nobody = 65_534;
    let dovecot = Dovecot::start().unwrap();
    let site = Site::new(dovecot.port, 9, "").unwrap();
    let port = (900..1000).find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap();
    let config = fs::read_to_string(site.config()).unwrap();
    let config = config.replacen(&format!("127.0.0.1:{}", site.drive), &format!("127.0.0.1:{port}"), 1);
    fs::write(site.config(), config).unwrap();
    fs::create_dir(site.path("data")).unwrap();
    for (path, mode) in [("", 0o755), ("data", 0o700)] {
        fs::set_permissions(site.path(path), std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    }
    std::os::unix::fs::chown(site.path("data"), Some(nobody), Some(nobody)).unwrap();
    let mut postern = site.serve().unwrap();
    let status = fs::read_to_string(format!("/proc/{}/status", postern.process().id())).unwrap();
    let ids = |line: &str| {
        let found = status.lines().find_map(|found| found.strip_prefix(line)).unwrap();
        found.split_whitespace().map(|id| id.parse::<u32>().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!((ids("Uid:"), ids("Gid:")), (vec![nobody; 4], vec![nobody; 4]), "{status}");
    assert!(status.contains("CapEff:\t0000000000000000"), "{status}");
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok(), "{}", postern.said());
    // Root's own commands go through the server that runs.
    postern.account("alice@example.org").unwrap();
    let (_, secret) = postern.app_password("alice@example.org", "mail", &[]).unwrap();
    assert!(logs_in(&postern, "alice", &secret));
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
