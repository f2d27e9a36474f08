//! What whoever watches over a site is shown.

use std::process::Command;

use e2e::{Dovecot, Imap, PRIMARY, Postern, Site, free_port, run};

const ALICE: &str = "alice@example.org";

fn ask(monitor: u16, path: &str) -> String {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--include"]).arg(format!("http://127.0.0.1:{monitor}{path}"));
    run(&mut curl).unwrap().1
}

/// The value of a series.
fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in\n{text}")).parse().unwrap()
}

fn sign_in(postern: &Postern, secret: &str) -> Imap {
    let mut imap = Imap::connect(postern.imap, &postern.ca(), false).unwrap();
    imap.line().unwrap();
    imap.command("a", &format!("LOGIN alice \"{secret}\"")).unwrap();
    imap
}

#[test]
fn the_numbers_follow_what_happens_and_name_nobody() {
    let (dovecot, monitor) = (Dovecot::start().unwrap(), free_port().unwrap());
    let more = format!("[monitor]\nlisten = [\"127.0.0.1:{monitor}\"]\n");
    let postern = Site::new(dovecot.port, free_port().unwrap(), &more).unwrap().serve().unwrap();
    postern.account(ALICE).unwrap();
    let (_, secret) = postern.app_password(ALICE, "mail,calendars,contacts", &[]).unwrap();
    let _stays = sign_in(&postern, &secret);
    let _is_refused = sign_in(&postern, PRIMARY);
    // Nobody is behind that door.
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--cacert"]).arg(postern.ca()).arg("--user").arg(format!("{ALICE}:{secret}"));
    run(curl.arg(format!("https://localhost:{}/", postern.dav))).unwrap();

    let text = ask(monitor, "/metrics");
    assert!(text.to_lowercase().contains("content-type: application/openmetrics-text; version=1.0.0"), "{text}");
    let at_imap = |outcome: &str, reason: &str| {
        value(&text, &format!("postern_sign_ins_total{{door=\"imap\",outcome=\"{outcome}\",reason=\"{reason}\"}}"))
    };
    assert_eq!(at_imap("admitted", ""), 1.0);
    assert_eq!(at_imap("refused", "not-an-app-password"), 1.0);
    assert_eq!(at_imap("refused", "revoked"), 0.0);
    assert_eq!(value(&text, "postern_live_sessions{door=\"imap\"}"), 1.0);
    assert_eq!(value(&text, "postern_handover_failures_total{door=\"dav\"}"), 1.0);
    assert_eq!(value(&text, "postern_handover_failures_total{door=\"imap\"}"), 0.0);
    assert_eq!(value(&text, "postern_store_up"), 1.0);
    let at = format!("listener=\"imap\",address=\"127.0.0.1:{}\"", postern.imap);
    assert!(value(&text, &format!("postern_connections_total{{{at},outcome=\"accepted\"}}")) >= 2.0);
    assert!(value(&text, "postern_certificate_expiry_timestamp_seconds") > 1.7e9);
    assert!(!text.contains("alice") && !text.contains("example.org"), "{text}");

    assert!(ask(monitor, "/healthz").ends_with("up\n"));
    assert!(ask(monitor, "/readyz").ends_with("ready\n"));
    assert!(ask(monitor, "/").contains("404"));
}
