//! The canary, tried at real doors and real servers.

use std::process::Command;

use e2e::{Dovecot, Output, Postern, Postfix, Radicale, Site, free_port, run, until};

const ALICE: &str = "alice@example.org";

fn doctor(postern: &Postern) -> (Output, Vec<(String, String)>) {
    let said = postern.cli(&["doctor", "--json"], "").unwrap();
    let findings = said.json();
    let ours = findings.as_array().unwrap().iter().filter(|finding| finding["check"] == "canary");
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let ours = ours.map(|finding| (text(&finding["verdict"]), text(&finding["found"]))).collect();
    (said, ours)
}

fn audit(postern: &Postern) -> String {
    postern.cli(&["audit", "list", "--limit", "1000", "--json"], "").unwrap().out
}

#[test]
fn where_all_is_well_it_is_refused_everywhere_and_leaves_no_noise() {
    let (dovecot, radicale) = (Dovecot::start().unwrap(), Radicale::start().unwrap());
    let monitor = free_port().unwrap();
    let more = format!("[monitor]\nlisten = [\"127.0.0.1:{monitor}\"]\n");
    let postern = Site::new(dovecot.port, radicale.port, &more).unwrap().serve().unwrap();
    postern.account(ALICE).unwrap();
    let (_, findings) = doctor(&postern);
    // IMAP, its STARTTLS port in the clear and after, DAV, the drive, Dovecot,
    // Radicale. Dovecot has no TLS: after STARTTLS it cannot be tried.
    let told = "refused at 7 places, with its primary, a revoked and a foreign password; \
                imap+starttls://127.0.0.1:";
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].0, "ok");
    assert!(
        findings[0].1.starts_with(told) && findings[0].1.ends_with("gave no answer: it offers no STARTTLS"),
        "{findings:?}"
    );

    let before = audit(&postern);
    assert_eq!(doctor(&postern).1[0].0, "ok");
    assert_eq!(audit(&postern), before, "the second time leaves no line of audit");
    assert!(!before.contains("back-door"), "{before}");
    let mut curl = Command::new("curl");
    let (_, numbers) = run(curl.arg("--silent").arg(format!("http://127.0.0.1:{monitor}/metrics"))).unwrap();
    assert!(numbers.contains("postern_canary_places{answer=\"refused\"} 7\n"), "{numbers}");
    assert!(numbers.contains("postern_canary_places{answer=\"let-in\"} 0\n"), "{numbers}");
    assert!(!numbers.lines().any(|line| line.contains("outcome=\"refused\"") && !line.ends_with(" 0")), "{numbers}");

    // It is nobody's, and nobody acts on it.
    let list = postern.cli(&["account", "list", "--json"], "").unwrap().json();
    assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
    for command in [&["account", "reset", "postern-canary"][..], &["app-password", "list", "postern-canary"]] {
        let refused = postern.cli(command, "").unwrap();
        assert_eq!(refused.status, Some(1), "{refused:?}");
        assert!(refused.err.contains("is Postern's own"), "{refused:?}");
    }
}

#[test]
fn a_server_behind_that_lets_it_in_is_an_alarm_until_it_does_so_no_longer() {
    let port = free_port().unwrap();
    let open = Dovecot::start_open_on(port).unwrap();
    let monitor = free_port().unwrap();
    let more = format!("[monitor]\nlisten = [\"127.0.0.1:{monitor}\"]\n[canary]\nevery = \"1s\"\n");
    let postern = Site::new(port, free_port().unwrap(), &more).unwrap().serve().unwrap();
    let place = format!("imap://127.0.0.1:{port} (upstream of imap)");

    // By itself, without being asked.
    until("the alarm", || postern.said().contains("BACK DOOR")).unwrap();
    assert!(postern.said().contains(&place) && postern.said().contains("ERROR"), "{}", postern.said());
    let (said, findings) = doctor(&postern);
    assert_eq!(said.status, Some(1));
    let alarm = format!("BACK DOOR: {place} let the canary in with its primary password");
    assert_eq!(findings, [("fail".to_owned(), alarm)]);
    let numbers = || {
        let mut curl = Command::new("curl");
        run(curl.arg("--silent").arg(format!("http://127.0.0.1:{monitor}/metrics"))).unwrap().1
    };
    assert!(numbers().contains("postern_canary_places{answer=\"let-in\"} 1\n"), "{}", numbers());
    let told = audit(&postern);
    assert_eq!(told.matches("\"back-door-found\"").count(), 2, "once, told as event and as entry: {told}");
    assert!(told.contains(&place), "{told}");

    // Out of reach is not put right.
    drop(open);
    until("a run that reaches nothing", || numbers().contains("postern_canary_places{answer=\"no-answer\"} 3\n"))
        .unwrap();
    assert!(numbers().contains("postern_canary_places{answer=\"let-in\"} 1\n"));
    let _sound = Dovecot::start_on(port).unwrap();
    until("the all-clear", || postern.said().contains("this back door is closed")).unwrap();
    until("the number to fall", || numbers().contains("postern_canary_places{answer=\"let-in\"} 0\n")).unwrap();
    assert!(audit(&postern).contains("\"back-door-gone\""));
}

/// A Postfix whose Dovecot takes whoever comes sends mail for the world.
#[test]
fn a_postfix_that_lets_it_in_is_an_alarm_until_it_asks_somebody_else() {
    let open = Dovecot::start_open_on(free_port().unwrap()).unwrap();
    let asked = free_port().unwrap();
    let postfix = Postfix::asking_on(asked, &open.sasl()).unwrap();
    let more = "[canary]\nevery = \"1s\"\npublished = false\n";
    let site = Site::new(free_port().unwrap(), free_port().unwrap(), more).unwrap();
    let handover = "handover = { kind = \"master-user\", login = \"postern\", password_file = \"master.pw\" }";
    let postern = site.with_submission(postfix.port, handover).unwrap().serve().unwrap();
    let place = format!("smtp://127.0.0.1:{asked} (upstream of submission)");

    until("the alarm", || postern.said().contains("BACK DOOR")).unwrap();
    assert!(postern.said().contains(&place), "{}", postern.said());
    let (said, findings) = doctor(&postern);
    let alarm = format!("BACK DOOR: {place} let the canary in with its primary password");
    assert_eq!((said.status, findings), (Some(1), vec![("fail".to_owned(), alarm)]));
    let told = audit(&postern);
    assert!(told.contains("\"back-door-found\"") && told.contains(&place), "{told}");
    let log = postfix.log();
    assert!(log.contains("from unknown[127.0.0.1]") && !log.contains("authentication failed"), "{log}");

    drop(postfix);
    let sound = Dovecot::start().unwrap();
    let _postfix = Postfix::asking_on(asked, &sound.sasl()).unwrap();
    until("the all-clear", || postern.said().contains("this back door is closed")).unwrap();
    assert!(audit(&postern).contains("\"back-door-gone\""));
    assert_eq!(doctor(&postern).1[0].0, "ok");
}

/// POP3 and ManageSieve of a server that takes whoever comes, found as places that
/// only the configuration names.
#[test]
fn every_protocol_by_which_it_is_let_in_is_told() {
    let open = Dovecot::start_open_on(free_port().unwrap()).unwrap();
    let also = format!("\"pop3://127.0.0.1:{}\", \"sieve://127.0.0.1:{}\"", open.pop3, open.sieve);
    let more = format!("[canary]\nalso = [{also}]\n");
    let postern = Site::new(open.port, free_port().unwrap(), &more).unwrap().serve().unwrap();
    let (_, findings) = doctor(&postern);
    let places = [
        format!("imap://127.0.0.1:{} (upstream of imap)", open.port),
        format!("pop3://127.0.0.1:{} ([canary] also)", open.pop3),
        format!("sieve://127.0.0.1:{} ([canary] also)", open.sieve),
    ];
    let alarm =
        |place: &String| ("fail".to_owned(), format!("BACK DOOR: {place} let the canary in with its primary password"));
    assert_eq!(findings, places.iter().map(alarm).collect::<Vec<_>>());
}
