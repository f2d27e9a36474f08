//! The store is in trouble: apps are told to try later, and never that their
//! password is wrong; whoever watches over the site is told what it is.

use std::process::Command;

use data_encoding::BASE64;
use e2e::{Dovecot, Imap, Mailboxes, PRIMARY, Postern, Postfix, Site, free_port, run, until};
use rustix::process::Signal;
use testkit::{Disk, Postgres};

const ALICE: &str = "alice@example.org";
const TRY_LATER: &str = "* BYE [UNAVAILABLE] This service cannot answer right now, try again later.";

/// It has the shape of an app password, and is none.
const WRONG: &str = "qqqq-qqqq-qqqq-qqqq-qqqq-qqqq";

/// An answer over HTTP: never 401, which apps take for a wrong password.
fn is_try_later(answer: &str) {
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.to_lowercase().contains("retry-after:"), "{answer}");
}

struct World {
    postern: Postern,
    monitor: u16,
    mailboxes: Mailboxes,
    _behind: (Dovecot, Postfix),
}

impl World {
    fn with(store: &str) -> Self {
        Self::prepared(store, |_| ())
    }

    /// With its data on this disk.
    fn on(disk: &Disk) -> Self {
        let data = disk.folder("data");
        Self::prepared("", |site| std::os::unix::fs::symlink(&data, site.path("data")).unwrap())
    }

    fn prepared(store: &str, prepare: impl FnOnce(&Site)) -> Self {
        let (dovecot, postfix, monitor) = (Dovecot::start().unwrap(), Postfix::start().unwrap(), free_port().unwrap());
        let mailboxes = dovecot.mailboxes().unwrap();
        let more = format!("[monitor]\nlisten = [\"127.0.0.1:{monitor}\"]\n{store}\n{}", mailboxes.config);
        let site = Site::new(dovecot.port, 9, &more).unwrap();
        let site = site.with_submission(postfix.port, "handover = { kind = \"xclient\" }").unwrap();
        prepare(&site);
        let postern = site.serve().unwrap();
        postern.account(ALICE).unwrap();
        Self { postern, monitor, mailboxes, _behind: (dovecot, postfix) }
    }

    fn login(&self, login: &str, secret: &str) -> String {
        let mut imap = Imap::connect(self.postern.imap, &self.postern.ca(), false).unwrap();
        imap.line().unwrap();
        imap.command("a", &format!("LOGIN {login} \"{secret}\"")).unwrap().pop().unwrap()
    }

    /// What the other doors for mail answer, by SASL PLAIN.
    fn mail(&self, secret: &str) -> [String; 3] {
        let plain = BASE64.encode(format!("\0alice\0{secret}").as_bytes());
        let sieve = format!("AUTHENTICATE \"PLAIN\" \"{plain}\"");
        let auth = format!("AUTH PLAIN {plain}");
        let doors = [(self.postern.submission, &auth), (self.mailboxes.pop3, &auth), (self.mailboxes.sieve, &sieve)];
        doors.map(|(port, sign_in)| {
            let mut client = Imap::speaking(port, &self.postern.ca(), None).unwrap();
            // The greeting, a list before it where there is one.
            while client.line().unwrap().starts_with('"') {}
            if port == self.postern.submission {
                client.send("EHLO laptop.example").unwrap();
                while client.line().unwrap().starts_with("250-") {}
            }
            client.send(sign_in).unwrap();
            client.line().unwrap()
        })
    }

    /// What the drive answers, from its status line to its end.
    fn drive(&self, secret: &str) -> String {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--include", "--request", "PROPFIND", "--header", "Depth: 0", "--cacert"]);
        curl.arg(self.postern.ca()).arg("--user").arg(format!("alice:{secret}"));
        run(curl.arg(format!("https://localhost:{}/", self.postern.drive))).unwrap().1
    }

    /// It has been used at each door; the drive has made its owner's folder.
    fn knows(&self, used: &str) {
        assert!(self.login("alice", used).starts_with("a OK"));
        assert!(self.drive(used).starts_with("HTTP/1.1 207"));
    }

    /// Asked for something that has to be written, it says "try later" at each
    /// door, and what does not is answered as ever.
    fn writes_nothing_and_says_so(&self, used: &str, waiting: &str) {
        assert_eq!(self.login("alice", waiting), TRY_LATER);
        is_try_later(&self.drive(waiting));
        let text = "This service cannot answer right now, try again later.";
        let told =
            [format!("421 4.3.2 {text}"), format!("-ERR [SYS/TEMP] {text}"), format!("BYE (TRYLATER) \"{text}\"")];
        assert_eq!(self.mail(waiting), told);
        self.knows(used);
        assert!(self.login("alice", WRONG).starts_with("a NO [AUTHENTICATIONFAILED]"));
        assert!(self.drive(WRONG).starts_with("HTTP/1.1 401"));
        assert_eq!(self.asks("/healthz").0, "200");
        let listed = self.postern.cli(&["account", "list"], "").unwrap();
        assert_eq!(listed.status, Some(0), "{}", listed.err);
    }

    /// Everything can be changed again, and the log is whole.
    fn is_well(&self, revoked: &str, waiting: &str) {
        assert!(self.login("alice", waiting).starts_with("a OK"));
        let changed = self.postern.cli(&["app-password", "revoke", revoked], "").unwrap();
        assert_eq!(changed.status, Some(0), "{}", changed.err);
        assert_eq!(self.asks("/readyz"), ("200".into(), "ready".into()));
        let verified = self.postern.cli(&["audit", "verify"], "").unwrap();
        assert_eq!(verified.status, Some(0), "{}", verified.err);
    }

    /// The status and the text of a page of the monitor.
    fn asks(&self, path: &str) -> (String, String) {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--write-out", "\n%{http_code}"])
            .arg(format!("http://127.0.0.1:{}{path}", self.monitor));
        let (_, said) = run(&mut curl).unwrap();
        let (text, status) = said.trim_end().rsplit_once('\n').unwrap();
        (status.to_owned(), text.trim_end().to_owned())
    }

    fn portal_signs_in(&self) -> String {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--cacert"])
            .arg(self.postern.ca());
        curl.args(["--header", "Sec-Fetch-Site: same-origin", "--data", &format!("login=alice&password={PRIMARY}")]);
        let (_, said) = run(curl.arg(format!("https://localhost:{}/sign-in", self.postern.portal))).unwrap();
        said
    }
}

#[test]
fn a_database_server_that_stops_is_try_later_until_it_is_back() {
    let postgres = Postgres::start(&[]);
    let world = World::with(&format!("[store]\nurl = \"{}\"\n", postgres.database()));
    let (_, used) = world.postern.app_password(ALICE, "mail,mail:send,files", &[]).unwrap();
    let (_, waiting) = world.postern.app_password(ALICE, "mail,mail:send,files", &[]).unwrap();
    assert!(world.login("alice", &used).starts_with("a OK"));
    assert_eq!(world.asks("/readyz"), ("200".into(), "ready".into()));

    postgres.stop();
    // Neither a first use can be recorded nor a stranger told from an owner.
    for (login, secret) in [("alice", &*waiting), ("nobody", "a wrong one"), ("alice", WRONG)] {
        assert_eq!(world.login(login, secret), TRY_LATER, "{login}");
        is_try_later(&world.drive(secret));
    }
    let (status, said) = world.asks("/readyz");
    assert_eq!(status, "503", "{said}");
    assert!(said.contains("PostgreSQL") && said.contains("check that it runs"), "{said}");
    assert_eq!(world.asks("/healthz").0, "200");
    assert_eq!(world.portal_signs_in(), "503");
    let refused = world.postern.cli(&["account", "list"], "").unwrap();
    assert_eq!(refused.status, Some(3), "{}", refused.err);

    postgres.start_again();
    assert!(world.login("alice", &waiting).starts_with("a OK"));
    assert!(world.login("alice", WRONG).starts_with("a NO [AUTHENTICATIONFAILED]"));
    assert_eq!(world.asks("/readyz").0, "200");
    assert_eq!(world.portal_signs_in(), "303");
}

#[test]
fn a_database_that_somebody_holds_is_try_later_until_it_is_let_go() {
    let world = World::with("");
    let (_, waiting) = world.postern.app_password(ALICE, "mail,mail:send,files", &[]).unwrap();
    let shell = rusqlite::Connection::open(world.postern.path("data/postern.db")).unwrap();
    shell.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(world.login("alice", &waiting), TRY_LATER);
    is_try_later(&world.drive(&waiting));
    let (status, said) = world.asks("/readyz");
    assert!(status == "503" && said.contains("another program holds the database"), "{status}: {said}");
    drop(shell);
    assert!(world.login("alice", &waiting).starts_with("a OK"));
    assert_eq!(world.asks("/readyz").0, "200");
}

#[test]
fn a_full_disk_is_try_later_until_there_is_room() {
    let Some(disk) = Disk::mount(16) else { return };
    let world = World::on(&disk);
    let (id, used) = world.postern.app_password(ALICE, "mail,mail:send,files", &[]).unwrap();
    let (_, waiting) = world.postern.app_password(ALICE, "mail,mail:send,files", &[]).unwrap();
    world.knows(&used);
    assert_eq!(world.asks("/readyz").0, "200");

    disk.fill();
    world.writes_nothing_and_says_so(&used, &waiting);
    let (status, said) = world.asks("/readyz");
    assert!(status == "503" && said.contains("the disk is full: make room"), "{status}: {said}");
    for change in [&["app-password", "revoke", &id][..], &["account", "suspend", ALICE], &["account", "reset", ALICE]] {
        let refused = world.postern.cli(change, "").unwrap();
        assert_eq!(refused.status, Some(3), "{change:?}: {}", refused.err);
        assert!(refused.err.contains("make room"), "{change:?}: {}", refused.err);
    }
    // What was refused was not done.
    assert!(world.login("alice", &used).starts_with("a OK"));

    disk.make_room();
    world.is_well(&id, &waiting);
    assert!(world.login("alice", &used).starts_with("a NO [AUTHENTICATIONFAILED]"));
}

#[test]
fn a_disk_that_only_reads_is_try_later_until_it_is_mended() {
    let Some(disk) = Disk::mount(16) else { return };
    let mut world = World::on(&disk);
    let (id, used) = world.postern.app_password(ALICE, "mail,mail:send,files", &[]).unwrap();
    let (_, waiting) = world.postern.app_password(ALICE, "mail,mail:send,files", &[]).unwrap();
    world.knows(&used);

    disk.fail();
    world.writes_nothing_and_says_so(&used, &waiting);
    let (status, said) = world.asks("/readyz");
    assert!(status == "503" && said.contains("check the system's log"), "{status}: {said}");
    let refused = world.postern.cli(&["app-password", "revoke", &id], "").unwrap();
    assert_eq!(refused.status, Some(3), "{}", refused.err);

    // It ends although it cannot write, and nobody serves from such a disk.
    world.postern.process().signal(Signal::TERM);
    assert_eq!(world.postern.process().wait(), Some(0));
    let mut refused = world.postern.spawn("refused.log").unwrap();
    assert_eq!(refused.wait(), Some(3), "{}", refused.said());
    assert!(refused.said().contains("check its owner and mode"), "{}", refused.said());
    disk.repair();
    let again = world.postern.spawn("again.log").unwrap();
    until("the server to be back", || again.said().contains("ready")).unwrap();
    world.is_well(&id, &waiting);
    assert!(world.login("alice", &used).starts_with("a NO [AUTHENTICATIONFAILED]"));
}
