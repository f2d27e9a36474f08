//! The store is in trouble: apps are told to try later, and never that their
//! password is wrong; whoever watches over the site is told what it is.

use std::process::Command;

use e2e::{Dovecot, Imap, PRIMARY, Postern, Site, free_port, run};
use testkit::Postgres;

const ALICE: &str = "alice@example.org";
const TRY_LATER: &str = "* BYE [UNAVAILABLE] This service cannot answer right now, try again later.";

struct World {
    postern: Postern,
    monitor: u16,
    _dovecot: Dovecot,
}

impl World {
    fn with(store: &str) -> Self {
        let (dovecot, monitor) = (Dovecot::start().unwrap(), free_port().unwrap());
        let more = format!("[monitor]\nlisten = [\"127.0.0.1:{monitor}\"]\n{store}");
        let postern = Site::new(dovecot.port, 9, &more).unwrap().serve().unwrap();
        postern.account(ALICE).unwrap();
        Self { postern, monitor, _dovecot: dovecot }
    }

    fn login(&self, login: &str, secret: &str) -> String {
        let mut imap = Imap::connect(self.postern.imap, &self.postern.ca(), false).unwrap();
        imap.line().unwrap();
        imap.command("a", &format!("LOGIN {login} \"{secret}\"")).unwrap().pop().unwrap()
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
    let (_, used) = world.postern.app_password(ALICE, "mail", &[]).unwrap();
    let (_, waiting) = world.postern.app_password(ALICE, "mail", &[]).unwrap();
    assert!(world.login("alice", &used).starts_with("a OK"));
    assert_eq!(world.asks("/readyz"), ("200".into(), "ready".into()));

    postgres.stop();
    // Neither a first use can be recorded nor a stranger told from an owner.
    for (login, secret) in [("alice", &*waiting), ("nobody", "a wrong one"), ("alice", "qqqq-qqqq-qqqq-qqqq-qqqq-qqqq")]
    {
        assert_eq!(world.login(login, secret), TRY_LATER, "{login}");
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
    assert!(world.login("alice", "qqqq-qqqq-qqqq-qqqq-qqqq-qqqq").starts_with("a NO [AUTHENTICATIONFAILED]"));
    assert_eq!(world.asks("/readyz").0, "200");
    assert_eq!(world.portal_signs_in(), "303");
}

#[test]
fn a_database_that_somebody_holds_is_try_later_until_it_is_let_go() {
    let world = World::with("");
    let (_, waiting) = world.postern.app_password(ALICE, "mail", &[]).unwrap();
    let shell = rusqlite::Connection::open(world.postern.path("data/postern.db")).unwrap();
    shell.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(world.login("alice", &waiting), TRY_LATER);
    let (status, said) = world.asks("/readyz");
    assert!(status == "503" && said.contains("another program holds the database"), "{status}: {said}");
    drop(shell);
    assert!(world.login("alice", &waiting).starts_with("a OK"));
    assert_eq!(world.asks("/readyz").0, "200");
}
