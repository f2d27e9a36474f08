//! A rule that changes leaves a line of audit, however the change came.

use std::{fs, net::TcpListener};

use e2e::{Postern, Site, until};
use rustix::process::Signal;

/// The rules that changed, as the audit tells it: the name, the old value, the new one.
fn told(site: &Site) -> Vec<(String, String, String)> {
    let list = site.cli(&["audit", "list", "--limit", "1000", "--json"], "").unwrap().json();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let changes = list.as_array().unwrap().iter().filter(|line| line["event"] == "rule-changed");
    let changes = changes.map(|line| {
        let entry = &line["entry"];
        assert_eq!((&line["by"]["kind"], &line["account"]), (&"postern".into(), &serde_json::Value::Null));
        (text(&entry["rule"]), text(&entry["from"]), text(&entry["to"]))
    });
    changes.collect()
}

fn hang_up(postern: &mut Postern, nth: usize, answer: &str) {
    postern.process().signal(Signal::HUP);
    until(answer, || postern.said().matches(answer).count() >= nth)
        .unwrap_or_else(|late| panic!("{late}; it said:\n{}", postern.said()));
}

const DONE: &str = "configuration and certificates were read again";

#[test]
fn the_audit_tells_of_every_rule_that_changes() {
    let site = Site::new(9, 9, "").unwrap();
    let written = fs::read_to_string(site.config()).unwrap();
    let with = |more: &str| format!("{written}\n{more}");
    let change = |rule: &str, from: &str, to: &str| (rule.to_owned(), from.to_owned(), to.to_owned());
    let mut postern = site.serve().unwrap();
    assert_eq!(told(&postern), [], "a new site has changed nothing");

    let rules = "[cutoff]\nmode = \"observe\"\n[app_passwords]\nlimit = 5\nfirst_use_within = \"15m\"\nlock = \"watch\"\n\
                 [limits]\nconnections = 2000\n";
    postern.write("postern.toml", &with(rules)).unwrap();
    hang_up(&mut postern, 1, DONE);
    let mut changes = vec![
        change("app_passwords.first_use_within", "3600s", "900s"),
        change("app_passwords.limit", "25", "5"),
        change("app_passwords.lock", "lock", "watch"),
        change("cutoff.mode", "enforce", "observe"),
        change("limits.connections", "10000", "2000"),
    ];
    assert_eq!(told(&postern), changes);
    // Told once, and to people as well.
    hang_up(&mut postern, 2, DONE);
    let list = postern.cli(&["audit", "list"], "").unwrap().out;
    let line = list.lines().find(|line| line.contains("cutoff.mode")).unwrap();
    assert!(line.contains("rule-changed") && line.contains("enforce") && line.contains("observe"), "{list}");
    assert_eq!(list.matches("rule-changed").count(), 5, "{list}");

    // What does not come about is taken back.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let elsewhere = format!("[monitor]\nlisten = [\"{}\"]\n", taken.local_addr().unwrap());
    postern.write("postern.toml", &with(&format!("{elsewhere}{}", rules.replace("observe", "enforce")))).unwrap();
    hang_up(&mut postern, 1, "the configuration cannot be used: the old one goes on");
    changes.push(change("cutoff.mode", "observe", "enforce"));
    changes.push(change("cutoff.mode", "enforce", "observe"));
    assert_eq!(told(&postern), changes);
    assert_eq!(postern.cli(&["cutoff", "status", "--json"], "").unwrap().json()["mode"], "observe");

    // A restart hides nothing.
    postern.process().signal(Signal::TERM);
    postern.process().wait();
    postern.write("postern.toml", &with(&rules.replace("observe", "enforce"))).unwrap();
    let again = postern.spawn("again").unwrap();
    until("Postern", || again.said().contains("ready")).unwrap();
    changes.push(change("cutoff.mode", "observe", "enforce"));
    assert_eq!(told(&postern), changes);
    assert_eq!(postern.cli(&["audit", "verify"], "").unwrap().status, Some(0));
}
