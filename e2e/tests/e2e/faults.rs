//! What clients and administrators see when something is missing.

use std::{
    io::{Read, Write},
    net::TcpListener,
    process::Command,
};

use e2e::{Dovecot, Imap, Postern, Radicale, Site, free_port, run, until};
use testkit::Postgres;

const ALICE: &str = "alice@example.org";
const TRY_LATER: &str = "* BYE [UNAVAILABLE] This service cannot answer right now, try again later.";

fn login(postern: &Postern, secret: &str) -> Vec<String> {
    let mut imap = Imap::connect(postern.imap, &postern.ca(), false).unwrap();
    imap.line().unwrap();
    imap.command("a", &format!("LOGIN alice \"{secret}\"")).unwrap()
}

/// What curl makes of the calendars: its exit status, and all that came.
fn propfind(postern: &Postern, secret: &str) -> (Option<i32>, String) {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--include", "--request", "PROPFIND", "--header", "Depth: 0", "--cacert"]).arg(postern.ca());
    curl.arg("--user").arg(format!("alice:{secret}")).arg(format!("https://localhost:{}/", postern.dav));
    run(&mut curl).unwrap()
}

#[test]
fn a_server_behind_that_is_down_is_try_later_and_never_a_wrong_password() {
    let (imap, dav) = (free_port().unwrap(), free_port().unwrap());
    let postern = Postern::start(imap, dav).unwrap();
    postern.account(ALICE).unwrap();
    let (_, secret) = postern.app_password(ALICE, "mail,calendars,contacts", &[]).unwrap();
    assert_eq!(login(&postern, &secret), [TRY_LATER]);

    let said = propfind(&postern, &secret).1;
    assert!(said.starts_with("HTTP/1.1 503"), "{said}");
    assert!(said.to_lowercase().contains("retry-after:"), "{said}");

    // It comes back, and so does the service.
    let _dovecot = Dovecot::start_on(imap).unwrap();
    assert!(login(&postern, &secret).last().unwrap().starts_with("a OK"));
}

/// A server behind that says this to each connection once it has heard that, and
/// closes in the middle of it.
fn closes_halfway(heard: &'static str, says: &'static str) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let mut octets = vec![0; heard.len()];
            if client.read_exact(&mut octets).is_ok() && octets == heard.as_bytes() {
                let _ = client.write_all(says.as_bytes());
            }
        }
    });
    port
}

#[test]
fn a_server_behind_that_closes_halfway_is_try_later_and_never_a_wrong_password() {
    for (imap, dav) in [
        (closes_halfway("", "* OK [CAPABILITY IMAP4rev1 SASL-IR"), closes_halfway("PROPFIND / ", "")),
        (closes_halfway("", "* OK ready\r\n"), closes_halfway("PROPFIND / ", "HTTP/1.1 207 Multi-Status\r\nContent-")),
    ] {
        let postern = Postern::start(imap, dav).unwrap();
        postern.account(ALICE).unwrap();
        let (_, secret) = postern.app_password(ALICE, "mail,calendars,contacts", &[]).unwrap();
        assert_eq!(login(&postern, &secret), [TRY_LATER]);
        let said = propfind(&postern, &secret).1;
        assert!(said.starts_with("HTTP/1.1 503"), "{said}");
    }

    // Once it has begun to answer, the most that can be done is not to pass the part off as the whole.
    let dav = closes_halfway("PROPFIND / ", "HTTP/1.1 207 Multi-Status\r\nContent-Length: 100\r\n\r\n<half");
    let postern = Postern::start(9, dav).unwrap();
    postern.account(ALICE).unwrap();
    let (_, secret) = postern.app_password(ALICE, "calendars,contacts", &[]).unwrap();
    let (status, said) = propfind(&postern, &secret);
    assert!(status != Some(0) && said.contains(" 207 "), "{status:?}: {said}");
}

#[test]
fn mail_behind_that_hangs_is_try_later_and_its_neighbours_go_on() {
    let (dovecot, radicale) = (Dovecot::start().unwrap(), Radicale::start().unwrap());
    let postern = Postern::start(dovecot.port, radicale.port).unwrap();
    postern.account(ALICE).unwrap();
    let (_, secret) = postern.app_password(ALICE, "mail,calendars,contacts", &[]).unwrap();
    dovecot.pause();
    let mut waiting = Imap::connect(postern.imap, &postern.ca(), false).unwrap();
    waiting.line().unwrap();
    waiting.send(&format!("a LOGIN alice \"{secret}\"")).unwrap();
    let said = propfind(&postern, &secret).1;
    assert!(said.starts_with("HTTP/1.1 207"), "{said}");
    assert_eq!(waiting.rest(), [TRY_LATER]);
    dovecot.resume();
    assert!(login(&postern, &secret).last().unwrap().starts_with("a OK"));
}

#[test]
fn calendars_behind_that_hang_are_try_later() {
    if std::env::var_os("POSTERN_FULL").is_none() {
        eprintln!("skipped: this takes a minute; `cargo xtask test --full` runs it");
        return;
    }
    let radicale = Radicale::start().unwrap();
    let postern = Postern::start(9, radicale.port).unwrap();
    postern.account(ALICE).unwrap();
    let (_, secret) = postern.app_password(ALICE, "calendars,contacts", &[]).unwrap();
    radicale.pause();
    let said = propfind(&postern, &secret).1;
    assert!(said.starts_with("HTTP/1.1 503") && said.to_lowercase().contains("retry-after:"), "{said}");
}

#[test]
fn a_handover_that_the_server_behind_refuses_is_try_later() {
    let dovecot = Dovecot::start().unwrap();
    let site = Site::new(dovecot.port, 9, "").unwrap();
    site.write("master.pw", "not the master's\n").unwrap();
    let postern = site.serve().unwrap();
    postern.account(ALICE).unwrap();
    let (_, secret) = postern.app_password(ALICE, "mail", &[]).unwrap();
    assert_eq!(login(&postern, &secret), [TRY_LATER]);
    assert!(postern.said().contains("check the name and password"), "{}", postern.said());
}

#[test]
fn a_second_server_on_the_same_data_does_not_start() {
    let mut postern = Postern::start(9, 9).unwrap();
    let mut second = postern.spawn("second.log").unwrap();
    assert_eq!(second.wait(), Some(3), "{}", second.said());
    assert!(!second.said().contains("panicked"), "{}", second.said());
    assert!(!postern.process().has_ended());
}

#[test]
fn a_port_that_is_taken_is_named_and_nothing_is_served() {
    let site = Site::new(9, 9, "").unwrap();
    let _taken = TcpListener::bind(("127.0.0.1", site.dav)).unwrap();
    let mut server = site.spawn("log").unwrap();
    assert_eq!(server.wait(), Some(1), "{}", server.said());
    assert!(server.said().contains(&format!("127.0.0.1:{}", site.dav)), "{}", server.said());
    assert!(!server.said().contains("ready"), "{}", server.said());
}

#[test]
fn a_killed_server_keeps_what_was_acknowledged() {
    let dovecot = Dovecot::start().unwrap();
    let mut postern = Postern::start(dovecot.port, 9).unwrap();
    postern.account(ALICE).unwrap();
    let (revoked, dead) = postern.app_password(ALICE, "mail", &[]).unwrap();
    let (_, alive) = postern.app_password(ALICE, "mail", &[]).unwrap();
    assert_eq!(postern.cli(&["app-password", "revoke", &revoked], "").unwrap().status, Some(0));
    postern.process().signal(rustix::process::Signal::KILL);
    postern.process().wait();

    let mut again = postern.spawn("again.log").unwrap();
    until("the server to be back", || again.said().contains("ready")).unwrap();
    assert!(login(&postern, &alive).last().unwrap().starts_with("a OK"));
    assert!(login(&postern, &dead).last().unwrap().starts_with("a NO [AUTHENTICATIONFAILED]"));
    assert_eq!(postern.cli(&["audit", "verify"], "").unwrap().status, Some(0));
    again.signal(rustix::process::Signal::TERM);
    assert_eq!(again.wait(), Some(0));
}

/// The clock steps back an hour and forward a day, from one start to the next.
fn a_clock_that_steps_re_opens_nothing(store: &str) {
    let dovecot = Dovecot::start().unwrap();
    let site = Site::new(dovecot.port, 9, store).unwrap();
    let started = |hours: i32| {
        let log = format!("{hours}h.log");
        let server = site.spawn_ahead(hours, &log).unwrap();
        until("the server to be ready", || server.said().contains("ready")).unwrap();
        server
    };
    let login = |secret: &str| {
        let mut imap = Imap::connect(site.imap, &site.ca(), false).unwrap();
        imap.line().unwrap();
        imap.command("a", &format!("LOGIN alice \"{secret}\"")).unwrap().pop().unwrap()
    };
    let (opens, refuses) = ("a OK", "a NO [AUTHENTICATIONFAILED]");

    let mut server = started(0);
    site.account(ALICE).unwrap();
    let (revoked, dead) = site.app_password(ALICE, "mail", &[]).unwrap();
    let (_, hour) = site.app_password(ALICE, "mail", &["--expires", "1h"]).unwrap();
    let (_, week) = site.app_password(ALICE, "mail", &["--expires", "7d"]).unwrap();
    let (_, unused) = site.app_password(ALICE, "mail", &[]).unwrap();
    for secret in [&dead, &hour, &week] {
        assert!(login(secret).starts_with(opens));
    }
    assert_eq!(site.cli(&["app-password", "revoke", &revoked], "").unwrap().status, Some(0));
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(server.wait(), Some(0));

    for hours in [-1, 24, 23] {
        let mut server = started(hours);
        let has_ended = hours > 0;
        assert!(login(&dead).starts_with(refuses), "{hours}");
        assert!(login(&week).starts_with(opens), "{hours}");
        assert!(login(&hour).starts_with(if has_ended { refuses } else { opens }), "{hours}");
        if has_ended {
            assert!(login(&unused).starts_with(refuses), "{hours}: not used within an hour");
        }
        // Life goes on.
        let (id, new) = site.app_password(ALICE, "mail", &[]).unwrap();
        assert!(login(&new).starts_with(opens), "{hours}");
        assert_eq!(site.cli(&["app-password", "revoke", &id], "").unwrap().status, Some(0));
        assert_eq!(site.cli(&["audit", "verify"], "").unwrap().status, Some(0));
        server.signal(rustix::process::Signal::TERM);
        assert_eq!(server.wait(), Some(0));
    }

    // A day back: by what is on record, no time has been won.
    let _now = started(0);
    for secret in [&dead, &hour, &unused] {
        assert!(login(secret).starts_with(refuses), "re-opened");
    }
    assert!(login(&week).starts_with(opens));
}

#[test]
fn a_clock_that_steps_re_opens_nothing_on_sqlite() {
    a_clock_that_steps_re_opens_nothing("");
}

#[test]
fn a_clock_that_steps_re_opens_nothing_on_postgresql() {
    let postgres = Postgres::start(&[]);
    a_clock_that_steps_re_opens_nothing(&format!("[store]\nurl = \"{}\"\n", postgres.database()));
}
