//! Who gets in where: every kind and state of a credential at every door. What is
//! expected follows from one rule, and the table in docs/doors.md from both.

use std::{fs, path::Path, process::Command, thread};

use data_encoding::BASE64;
use e2e::{Dovecot, Imap, Mailboxes, PRIMARY, Postern, Postfix, Radicale, Site, run, until};

const ALICE: &str = "alice@example.org";
const ALL: &str = "mail,mail:send,calendars,contacts,files";

/// A door, as the table names it, and what it takes to pass.
#[derive(Clone, Copy, Debug)]
enum Door {
    Mail { protocol: &'static str, starttls: bool },
    Dav,
    Drive,
}

const DOORS: [(&str, Door, &str); 10] = [
    ("imap", Door::Mail { protocol: "imap", starttls: false }, "mail"),
    ("imap + STARTTLS", Door::Mail { protocol: "imap", starttls: true }, "mail"),
    ("submission", Door::Mail { protocol: "smtp", starttls: false }, "mail:send"),
    ("submission + STARTTLS", Door::Mail { protocol: "smtp", starttls: true }, "mail:send"),
    ("pop3", Door::Mail { protocol: "pop3", starttls: false }, "mail"),
    ("pop3 + STLS", Door::Mail { protocol: "pop3", starttls: true }, "mail"),
    ("sieve", Door::Mail { protocol: "sieve", starttls: false }, "mail"),
    ("sieve + STARTTLS", Door::Mail { protocol: "sieve", starttls: true }, "mail"),
    ("http", Door::Dav, "calendars,contacts"),
    ("drive", Door::Drive, "files"),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// Let in.
    In,
    /// Let in to look, by HTTP, and to change nothing.
    ToRead,
    /// The one refusal.
    Refused,
    /// HTTP's 403, for a password that is good and opens something else.
    OutOfScope,
}

/// What a credential is worth.
#[derive(Clone, Copy, Debug)]
enum Worth {
    /// Good for these scopes.
    Good(&'static str),
    Nothing,
}

impl Worth {
    /// The rule.
    fn at(self, door: Door, needs: &str) -> Told {
        let Self::Good(scopes) = self else { return Told::Refused };
        let has = |need: &str| scopes.split(',').any(|scope| scope == need);
        let reads = |need: &str| has(need) || has(&format!("{need}:read"));
        match door {
            _ if needs.split(',').all(has) => Told::In,
            Door::Mail { .. } => Told::Refused,
            Door::Dav | Door::Drive if needs.split(',').all(reads) => Told::ToRead,
            Door::Dav | Door::Drive => Told::OutOfScope,
        }
    }
}

const USED_IN_TIME: &str = "not used within its first hour";
const EXPIRED: &str = "expired";

/// The rows: what is sent, and what it is worth.
const ROWS: [(&str, Worth); 21] = [
    ("all scopes, waiting for its first use", Worth::Good(ALL)),
    ("all scopes, in use, by the full login", Worth::Good(ALL)),
    ("all scopes, by an alias", Worth::Good(ALL)),
    ("`mail` alone", Worth::Good("mail")),
    ("`mail:send` alone", Worth::Good("mail:send")),
    ("`calendars` and `contacts`", Worth::Good("calendars,contacts")),
    ("`calendars` alone", Worth::Good("calendars")),
    ("`calendars:read` and `contacts:read`", Worth::Good("calendars:read,contacts:read")),
    ("`files` alone", Worth::Good("files")),
    ("`files:read` alone", Worth::Good("files:read")),
    ("held to this network", Worth::Good(ALL)),
    ("held to another network", Worth::Nothing),
    (USED_IN_TIME, Worth::Nothing),
    (EXPIRED, Worth::Nothing),
    ("revoked", Worth::Nothing),
    ("of a suspended account", Worth::Nothing),
    ("of an account that was reset", Worth::Nothing),
    ("of another account", Worth::Nothing),
    ("by a login that nobody has", Worth::Nothing),
    ("wrong letters", Worth::Nothing),
    ("the account's primary password, cutoff enforced", Worth::Nothing),
];

fn worth(row: &str) -> Worth {
    ROWS.iter().find(|(what, _)| *what == row).map(|(_, worth)| *worth).unwrap()
}

struct World {
    postern: Postern,
    mailboxes: Mailboxes,
    _behind: (Dovecot, Radicale, Postfix),
}

impl World {
    fn site(more: &str) -> (Site, Mailboxes, (Dovecot, Radicale, Postfix)) {
        let (dovecot, radicale, postfix) =
            (Dovecot::start().unwrap(), Radicale::start().unwrap(), Postfix::start().unwrap());
        let mailboxes = dovecot.mailboxes().unwrap();
        let site = Site::new(dovecot.port, radicale.port, &format!("{more}\n{}", mailboxes.config)).unwrap();
        let site = site.with_submission(postfix.port, "handover = { kind = \"xclient\" }").unwrap();
        (site, mailboxes, (dovecot, radicale, postfix))
    }

    /// At every door at once, since each refusal takes its second.
    fn every_door(&self, row: &str, login: &str, secret: &str) {
        thread::scope(|scope| {
            for (name, door, needs) in DOORS {
                scope.spawn(move || {
                    assert_eq!(self.told(door, login, secret), worth(row).at(door, needs), "{name}: {row}");
                });
            }
        });
    }

    fn told(&self, door: Door, login: &str, secret: &str) -> Told {
        match door {
            Door::Mail { protocol, starttls } => self.mail(protocol, starttls, login, secret),
            Door::Dav => self.http(self.postern.dav, login, secret),
            Door::Drive => self.http(self.postern.drive, login, secret),
        }
    }

    /// By SASL PLAIN, which all of them have.
    fn mail(&self, protocol: &str, starttls: bool, login: &str, secret: &str) -> Told {
        let (postern, at) = (&self.postern, &self.mailboxes);
        let plain = BASE64.encode(format!("\0{login}\0{secret}").as_bytes());
        let text = format!("Use an app password, not your account password: https://localhost:{}", postern.portal);
        let ports = match protocol {
            "imap" => [postern.imap, postern.imap_starttls],
            "smtp" => [postern.submission, postern.submission_starttls],
            "pop3" => [at.pop3, at.pop3_stls],
            _ => [at.sieve, at.sieve_starttls],
        };
        let mut client =
            Imap::speaking(ports[usize::from(starttls)], &postern.ca(), starttls.then_some(protocol)).unwrap();
        // s_client swallows the greeting of a connection that it upgrades itself, and no list after it.
        if protocol == "sieve" || !starttls {
            while client.line().unwrap().starts_with('"') {}
        }
        if protocol == "smtp" {
            client.send("EHLO laptop.example").unwrap();
            while client.line().unwrap().starts_with("250-") {}
        }
        let (command, admitted, refused) = match protocol {
            "imap" => (
                "a AUTHENTICATE PLAIN ",
                "a OK [",
                vec![format!("* NO [ALERT] {text}"), format!("a NO [AUTHENTICATIONFAILED] {text}")],
            ),
            "smtp" => ("AUTH PLAIN ", "235 2.7.0 ", vec![format!("535 5.7.8 {text}")]),
            "pop3" => ("AUTH PLAIN ", "+OK Logged in.", vec![format!("-ERR [AUTH] {text}")]),
            _ => ("AUTHENTICATE \"PLAIN\" ", "OK \"Logged in.\"", vec![format!("NO \"{text}\"")]),
        };
        let quote = if protocol == "sieve" { "\"" } else { "" };
        client.send(&format!("{command}{quote}{plain}{quote}")).unwrap();
        let first = client.line().unwrap();
        if first.starts_with(admitted) {
            return Told::In;
        }
        let rest = (1..refused.len()).map(|_| client.line().unwrap());
        assert_eq!(std::iter::once(first).chain(rest).collect::<Vec<_>>(), refused);
        Told::Refused
    }

    fn http(&self, port: u16, login: &str, secret: &str) -> Told {
        let postern = &self.postern;
        let ask = |method: &str, path: &str| {
            let mut curl = Command::new("curl");
            curl.args(["--silent", "--include", "--request", method, "--header", "Depth: 0", "--cacert"]);
            curl.arg(postern.ca()).arg("--user").arg(format!("{login}:{secret}"));
            run(curl.arg(format!("https://localhost:{port}{path}"))).unwrap().1
        };
        let said = ask("PROPFIND", "/");
        match said.split_whitespace().nth(1).unwrap_or_default() {
            // There is nothing of that name: only we say no because of the password.
            "207" if ask("DELETE", "/nothing").contains("This app password does not open this.") => Told::ToRead,
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
}

#[test]
fn every_credential_at_every_door() {
    let (site, mailboxes, behind) = World::site("");
    let world = World { postern: site.serve().unwrap(), mailboxes, _behind: behind };
    let postern = &world.postern;
    let done = |arguments: &[&str], input: &str| {
        let output = postern.cli(arguments, input).unwrap();
        assert_eq!(output.status, Some(0), "{}", output.err);
    };
    done(&["account", "add", ALICE, "--alias", "alison@example.org", "--password-stdin", "--totp"], PRIMARY);
    for login in ["bob@example.org", "carol@example.org", "dora@example.org"] {
        postern.account(login).unwrap();
    }
    let made = |login: &str, scopes: &str, more: &[&str]| postern.app_password(login, scopes, more).unwrap();
    let everything = made(ALICE, ALL, &[]).1;
    let (revoked_id, revoked) = made(ALICE, ALL, &[]);
    done(&["app-password", "revoke", &revoked_id], "");
    let (bobs, carols, doras) = (
        made("bob@example.org", ALL, &[]).1,
        made("carol@example.org", ALL, &[]).1,
        made("dora@example.org", ALL, &[]).1,
    );
    done(&["account", "suspend", "carol"], "");
    done(&["account", "reset", "dora"], "");

    for (row, worth) in ROWS {
        let made_for = |scopes: &str| made(ALICE, scopes, &[]).1;
        let (login, secret) = match row {
            "all scopes, in use, by the full login" => (ALICE, everything.clone()),
            "all scopes, by an alias" => ("alison", everything.clone()),
            "held to this network" => ("alice", made(ALICE, ALL, &["--network", "127.0.0.0/8"]).1),
            "held to another network" => ("alice", made(ALICE, ALL, &["--network", "192.0.2.0/24"]).1),
            "revoked" => ("alice", revoked.clone()),
            "of a suspended account" => ("carol", carols.clone()),
            "of an account that was reset" => ("dora", doras.clone()),
            "of another account" => ("alice", bobs.clone()),
            "by a login that nobody has" => ("nobody", everything.clone()),
            "wrong letters" => ("alice", "abcd-efgh-ijkl-mnop-qrst-uvwx".to_owned()),
            "the account's primary password, cutoff enforced" => ("alice", PRIMARY.to_owned()),
            // What time ends has tests of its own.
            USED_IN_TIME | EXPIRED => continue,
            _ => match worth {
                Worth::Good(scopes) => ("alice", made_for(scopes)),
                Worth::Nothing => panic!("nobody said what {row} is"),
            },
        };
        world.every_door(row, login, &secret);
    }
}

/// What time ends: here the time for the first use, cut to a second.
#[test]
fn a_password_that_was_not_used_in_time_opens_nothing() {
    let (site, mailboxes, behind) = World::site("[app_passwords]\nfirst_use_within = \"1s\"\n");
    let world = World { postern: site.serve().unwrap(), mailboxes, _behind: behind };
    world.postern.account(ALICE).unwrap();
    let (id, late) = world.postern.app_password(ALICE, ALL, &[]).unwrap();
    let shown = || world.postern.cli(&["app-password", "show", &id, "--json"], "").unwrap().json();
    until("the password to expire", || shown()["state"] == "expired").unwrap();
    world.every_door(USED_IN_TIME, "alice", &late);
}

/// A password that ends after an hour is made and used two hours ago, by a
/// server whose clock is behind; today's server refuses it.
#[test]
fn a_password_opens_nothing_after_its_end() {
    let (site, mailboxes, behind) = World::site("");
    let mut before = site.spawn_ahead(-2, "before.log").unwrap();
    until("the server to be ready", || before.said().contains("ready")).unwrap();
    site.account(ALICE).unwrap();
    let (id, secret) = site.app_password(ALICE, ALL, &["--expires", "1h"]).unwrap();
    let mut imap_then = Imap::connect(site.imap, &site.ca(), false).unwrap();
    imap_then.line().unwrap();
    assert!(imap_then.command("a", &format!("LOGIN alice \"{secret}\"")).unwrap().last().unwrap().starts_with("a OK"));
    before.signal(rustix::process::Signal::TERM);
    assert_eq!(before.wait(), Some(0));

    let world = World { postern: site.serve().unwrap(), mailboxes, _behind: behind };
    let shown = world.postern.cli(&["app-password", "show", &id, "--json"], "").unwrap().json();
    assert_eq!(shown["state"], "expired");
    assert!(!shown["first_used"].is_null());
    world.every_door(EXPIRED, "alice", &secret);
}

/// `WRITE_TABLES=1` writes it.
#[test]
fn the_table_in_the_documentation_is_this_one() {
    let mut table = String::from("| app password |");
    DOORS.iter().for_each(|(name, ..)| table.push_str(&format!(" {name} |")));
    table.push_str(&format!("\n|---|{}\n", "---|".repeat(DOORS.len())));
    for (row, worth) in ROWS {
        table.push_str(&format!("| {row} |"));
        for (_, door, needs) in DOORS {
            table.push_str(match worth.at(door, needs) {
                Told::In => " **in** |",
                Told::ToRead => " **reads** |",
                Told::Refused => " refused |",
                Told::OutOfScope => " 403 |",
            });
        }
        table.push('\n');
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/doors.md");
    let text = fs::read_to_string(&file).unwrap();
    let (begin, end) =
        ("<!-- the matrix: written by e2e/tests/e2e/matrix.rs -->\n", "<!-- the end of the matrix -->\n");
    let (before, rest) = text.split_once(begin).unwrap();
    let (written, after) = rest.split_once(end).unwrap();
    if std::env::var_os("WRITE_TABLES").is_some() {
        fs::write(&file, format!("{before}{begin}{table}{end}{after}")).unwrap();
    } else {
        assert_eq!(written, table, "run WRITE_TABLES=1 cargo test -p e2e --test e2e matrix::the_table");
    }
}
