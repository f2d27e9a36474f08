//! Half an hour of apps of all kinds at once: memory stays what it was, nothing
//! fails, and no session is lost.

use std::{fs, io::Write, process::Command};

use e2e::{Dovecot, Postfix, Radicale, Running, Site, until};
use serde_json::{Value, json};

/// Minutes of load with `--full`, unless POSTERN_LOAD_MINUTES says otherwise.
const MINUTES: u64 = 30;
/// In CI, in seconds: that it runs at all.
const GLANCE: u64 = 6;

#[test]
fn memory_stays_flat_and_no_session_is_lost_under_mixed_load() {
    let asked = std::env::var("POSTERN_LOAD_MINUTES").ok().and_then(|text| text.parse::<u64>().ok());
    let full = std::env::var_os("POSTERN_FULL").map(|_| MINUTES);
    let seconds = asked.or(full).map_or(GLANCE, |minutes| minutes * 60);

    let (dovecot, radicale, postfix) =
        (Dovecot::start().unwrap(), Radicale::start().unwrap(), Postfix::start().unwrap());
    let mailboxes = dovecot.mailboxes().unwrap();
    let site = Site::new(dovecot.port, radicale.port, &mailboxes.config).unwrap();
    let site = site.with_submission(postfix.port, "handover = { kind = \"xclient\" }").unwrap();
    let mut postern = site.serve().unwrap();
    let people: Vec<Value> = (0..4)
        .map(|at| {
            let login = format!("person{at}@example.org");
            postern.account(&login).unwrap();
            dovecot.deliver(&login, "Hello").unwrap();
            let scopes = "mail,mail:send,calendars,contacts,files";
            json!([login, postern.app_password(&login, scopes, &[]).unwrap().1])
        })
        .collect();
    let mut load = Command::new("python3");
    load.arg("-c").arg(include_str!("mixed_load/load.py"));
    load.env("CA", postern.ca()).env("PEOPLE", Value::from(people).to_string()).env("SECONDS", seconds.to_string());
    load.env("PACE", "0.5");
    for (name, port) in [
        ("IMAP", postern.imap),
        ("SUBMISSION_STARTTLS", postern.submission_starttls),
        ("POP3", mailboxes.pop3),
        ("DAV", postern.dav),
        ("DRIVE", postern.drive),
    ] {
        load.env(name, port.to_string());
    }
    let mut load = Running::start(&mut load, &postern.path("load.log")).unwrap();
    let pid = postern.process().id();
    let mut resident = vec![];
    let rounds = seconds / 6 + 30;
    for _ in 0..rounds {
        if until("the load to end", || load.has_ended()).is_ok() {
            break;
        }
        resident.push(resident_kib(pid));
    }
    let said = load.said();
    let told: Value =
        serde_json::from_str(said.lines().last().unwrap_or_default()).unwrap_or_else(|_| panic!("{said}"));
    let _ = writeln!(std::io::stdout(), "{told}\nresident, KiB: {resident:?}");
    assert_eq!(told["failed"], 0, "{told}\n{}", postern.said());
    assert_eq!(told["done"]["session that stayed to the end"], 20, "{told}");
    for kind in ["imap", "send", "pop3", "calendar", "file put", "file get", "refused"] {
        assert!(told["done"][kind].as_u64() > Some(0), "{kind}: {told}");
    }
    // Warm after a fifth of the time; in CI that is not long enough to tell.
    if seconds >= 300 {
        let warm = resident[resident.len() / 5];
        let last = *resident.last().unwrap();
        assert!(last <= warm + warm / 10, "it grew from {warm} to {last} KiB: {resident:?}");
    }
}

fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
