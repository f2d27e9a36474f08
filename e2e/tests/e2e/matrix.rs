//! Who gets in where: every kind and state of a credential at every door.

use std::process::Command;

use data_encoding::BASE64;
use e2e::{Imap, Mailboxes, PRIMARY, Postern, run};

use crate::World;

const ALICE: &str = "alice@example.org";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// Let in.
    In,
    /// The one refusal.
    Refused,
    /// HTTP's 403, for a password that is good and opens something else.
    OutOfScope,
}

fn imap(postern: &Postern, starttls: bool, login: &str, secret: &str) -> Told {
    let port = if starttls { postern.imap_starttls } else { postern.imap };
    let mut imap = Imap::connect(port, &postern.ca(), starttls).unwrap();
    // s_client swallows the greeting of a connection that it upgrades itself.
    if !starttls {
        assert!(imap.line().unwrap().starts_with("* OK [CAPABILITY"));
    }
    let answer = imap.command("a", &format!("LOGIN {login} \"{secret}\"")).unwrap();
    let last = answer.last().unwrap();
    let text = format!("Use an app password, not your account password: https://localhost:{}", postern.portal);
    if last.starts_with("a OK") {
        return Told::In;
    }
    assert_eq!(answer, [format!("* NO [ALERT] {text}"), format!("a NO [AUTHENTICATIONFAILED] {text}")]);
    Told::Refused
}

/// The doors for POP3 and ManageSieve: what is spoken, and whether TLS comes by STARTTLS.
const MAILBOXES: [(&str, bool); 4] = [("pop3", false), ("pop3", true), ("sieve", false), ("sieve", true)];

/// POP3 and ManageSieve, by SASL PLAIN.
fn mailbox(postern: &Postern, at: &Mailboxes, (protocol, starttls): (&str, bool), login: &str, secret: &str) -> Told {
    let plain = BASE64.encode(format!("\0{login}\0{secret}").as_bytes());
    let text = format!("Use an app password, not your account password: https://localhost:{}", postern.portal);
    let (port, sign_in, admitted, refused) = match (protocol, starttls) {
        ("pop3", false) => (at.pop3, format!("AUTH PLAIN {plain}"), "+OK Logged in.", format!("-ERR [AUTH] {text}")),
        ("pop3", true) => {
            (at.pop3_stls, format!("AUTH PLAIN {plain}"), "+OK Logged in.", format!("-ERR [AUTH] {text}"))
        }
        (_, in_tls) => {
            let port = if in_tls { at.sieve_starttls } else { at.sieve };
            let sign_in = format!("AUTHENTICATE \"PLAIN\" \"{plain}\"");
            (port, sign_in, "OK \"Logged in.\"", format!("NO \"{text}\""))
        }
    };
    let mut client = Imap::speaking(port, &postern.ca(), starttls.then_some(protocol)).unwrap();
    // s_client swallows the greeting of a connection that it upgrades itself, and no list after it.
    if protocol == "sieve" || !starttls {
        while client.line().unwrap().starts_with('"') {}
    }
    client.send(&sign_in).unwrap();
    let answer = client.line().unwrap();
    if answer == admitted {
        return Told::In;
    }
    assert_eq!(answer, refused);
    Told::Refused
}

fn http(postern: &Postern, port: u16, login: &str, secret: &str) -> Told {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--include", "--request", "PROPFIND", "--header", "Depth: 0", "--cacert"]).arg(postern.ca());
    curl.arg("--user").arg(format!("{login}:{secret}")).arg(format!("https://localhost:{port}/"));
    let (_, said) = run(&mut curl).unwrap();
    match said.split_whitespace().nth(1).unwrap_or_default() {
        "207" => Told::In,
        "401" => {
            assert!(said.to_lowercase().contains("www-authenticate: basic realm="), "{said}");
            assert!(said.contains(&format!("https://localhost:{}", postern.portal)), "{said}");
            Told::Refused
        }
        "403" => Told::OutOfScope,
        other => panic!("{other}: {said}"),
    }
}

#[test]
fn every_credential_at_every_door() {
    let world = World::start();
    let (postern, mailboxes) = (&world.postern, &world.mailboxes);
    for login in [ALICE, "bob@example.org", "carol@example.org"] {
        postern.account(login).unwrap();
    }
    let all = "mail,calendars,contacts,files";
    let made = |login: &str, scopes: &str| postern.app_password(login, scopes, &[]).unwrap();
    let everything = made(ALICE, all).1;
    let only_mail = made(ALICE, "mail").1;
    let only_dav = made(ALICE, "calendars,contacts").1;
    let only_calendars = made(ALICE, "calendars").1;
    let only_files = made(ALICE, "files").1;
    let (revoked_id, revoked) = made(ALICE, all);
    assert_eq!(postern.cli(&["app-password", "revoke", &revoked_id], "").unwrap().status, Some(0));
    let bobs = made("bob@example.org", all).1;
    let carols = made("carol@example.org", all).1;
    assert_eq!(postern.cli(&["account", "suspend", "carol"], "").unwrap().status, Some(0));

    use Told::{In, OutOfScope, Refused};
    // IMAP, POP3 and ManageSieve open to the same.
    // What           login  secret               mail     dav         drive
    let table: &[(&str, &str, &str, Told, Told, Told)] = &[
        ("primary", "alice", PRIMARY, Refused, Refused, Refused),
        ("wrong letters", "alice", "abcd-efgh-ijkl-mnop-qrst-uvwx", Refused, Refused, Refused),
        ("unknown login", "nobody", &everything, Refused, Refused, Refused),
        ("all scopes, waiting", "alice", &everything, In, In, In),
        ("all scopes, in use, by its full name", ALICE, &everything, In, In, In),
        ("mail only", "alice", &only_mail, In, OutOfScope, OutOfScope),
        ("calendars and contacts", "alice", &only_dav, Refused, In, OutOfScope),
        ("calendars without contacts", "alice", &only_calendars, Refused, OutOfScope, OutOfScope),
        ("files only", "alice", &only_files, Refused, OutOfScope, In),
        ("revoked", "alice", &revoked, Refused, Refused, Refused),
        ("somebody else's", "alice", &bobs, Refused, Refused, Refused),
        ("its own account's", "bob", &bobs, In, In, In),
        ("of a suspended account", "carol", &carols, Refused, Refused, Refused),
    ];
    for (what, login, secret, at_imap, at_dav, at_drive) in table {
        // All at once: each refusal takes its second.
        std::thread::scope(|scope| {
            for starttls in [false, true] {
                scope.spawn(move || {
                    let told = imap(postern, starttls, login, secret);
                    assert_eq!(told, *at_imap, "imap, STARTTLS: {starttls}: {what}");
                });
            }
            for door in MAILBOXES {
                scope.spawn(move || {
                    assert_eq!(mailbox(postern, mailboxes, door, login, secret), *at_imap, "{door:?}: {what}");
                });
            }
            for (name, port, told) in [("dav", postern.dav, at_dav), ("drive", postern.drive, at_drive)] {
                scope.spawn(move || assert_eq!(http(postern, port, login, secret), *told, "{name}: {what}"));
            }
        });
    }
}

/// What time ends: here the time for the first use, cut to a second.
#[test]
fn a_password_that_was_not_used_in_time_opens_nothing() {
    let dovecot = e2e::Dovecot::start().unwrap();
    let mailboxes = dovecot.mailboxes().unwrap();
    let more = format!("[app_passwords]\nfirst_use_within = \"1s\"\n\n{}", mailboxes.config);
    let site = e2e::Site::new(dovecot.port, 9, &more).unwrap();
    site.account(ALICE).unwrap();
    let postern = site.serve().unwrap();
    let (id, late) = postern.app_password(ALICE, "mail", &[]).unwrap();
    let expired = || {
        let shown = postern.cli(&["app-password", "show", &id, "--json"], "").unwrap();
        shown.json()["state"] == "expired"
    };
    e2e::until("the password to expire", expired).unwrap();
    assert_eq!(imap(&postern, false, "alice", &late), Told::Refused);
    for door in MAILBOXES {
        assert_eq!(mailbox(&postern, &mailboxes, door, "alice", &late), Told::Refused, "{door:?}");
    }
}

/// A password that ends after an hour is made and used two hours ago, by a
/// server whose clock is behind; today's server refuses it.
#[test]
fn a_password_opens_nothing_after_its_end() {
    let (dovecot, radicale) = (e2e::Dovecot::start().unwrap(), e2e::Radicale::start().unwrap());
    let mailboxes = dovecot.mailboxes().unwrap();
    let site = e2e::Site::new(dovecot.port, radicale.port, &mailboxes.config).unwrap();
    let mut before = site.spawn_behind(2, "before.log").unwrap();
    e2e::until("the server to be ready", || before.said().contains("ready")).unwrap();
    site.account(ALICE).unwrap();
    let all = "mail,calendars,contacts,files";
    let (id, secret) = site.app_password(ALICE, all, &["--expires", "1h"]).unwrap();
    let mut imap_then = Imap::connect(site.imap, &site.ca(), false).unwrap();
    imap_then.line().unwrap();
    assert!(imap_then.command("a", &format!("LOGIN alice \"{secret}\"")).unwrap().last().unwrap().starts_with("a OK"));
    before.signal(rustix::process::Signal::TERM);
    assert_eq!(before.wait(), Some(0));

    let postern = site.serve().unwrap();
    let shown = postern.cli(&["app-password", "show", &id, "--json"], "").unwrap().json();
    assert_eq!(shown["state"], "expired");
    assert!(!shown["first_used"].is_null());
    for starttls in [false, true] {
        assert_eq!(imap(&postern, starttls, "alice", &secret), Told::Refused);
    }
    for door in MAILBOXES {
        assert_eq!(mailbox(&postern, &mailboxes, door, "alice", &secret), Told::Refused, "{door:?}");
    }
    for port in [postern.dav, postern.drive] {
        assert_eq!(http(&postern, port, "alice", &secret), Told::Refused);
    }
}
