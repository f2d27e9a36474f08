//! The portal in Chromium, with real clients coming in beside it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod chromium;
mod hostile_page;
mod looks;
mod notices;
mod whole_job;
mod without_scripts;

use std::{process::Command, time::SystemTime};

use e2e::{Account, Dovecot, Imap, Postern, Radicale, Site, run};

const ALICE: &str = "alice@example.org";

/// A site with one account, and servers behind.
struct World {
    postern: Postern,
    _dovecot: Dovecot,
    _radicale: Radicale,
    alice: Account,
}

impl World {
    fn start() -> Self {
        let (dovecot, radicale) = (Dovecot::start().unwrap(), Radicale::start().unwrap());
        Self::on(Site::new(dovecot.port, radicale.port, "").unwrap(), dovecot, radicale)
    }

    /// With the drive on the portal's listener, under a host of its own.
    fn with_the_drive_beside_the_portal() -> Self {
        let (dovecot, radicale) = (Dovecot::start().unwrap(), Radicale::start().unwrap());
        let site = Site::new(dovecot.port, radicale.port, "").unwrap();
        let config = std::fs::read_to_string(site.config()).unwrap();
        let listen = format!("[drive]\nlisten = [\"127.0.0.1:{}\"]", site.drive);
        assert!(config.contains(&listen));
        site.write("postern.toml", &config.replace(&listen, "[drive]\nhost = \"files.localhost\"")).unwrap();
        Self::on(site, dovecot, radicale)
    }

    fn on(site: Site, dovecot: Dovecot, radicale: Radicale) -> Self {
        let postern = site.serve().unwrap();
        let alice = postern.account(ALICE).unwrap();
        dovecot.deliver(ALICE, "Hello").unwrap();
        Self { postern, _dovecot: dovecot, _radicale: radicale, alice }
    }

    /// What Alice's authenticator app shows now.
    #[expect(clippy::disallowed_methods, reason = "the server that runs has the machine's clock")]
    fn code(&self) -> String {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        self.alice.code(now.as_secs())
    }

    /// Curl with Alice's name and this secret: its exit status, and all it said.
    fn curl(&self, secret: &str, arguments: &[&str]) -> (Option<i32>, String) {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--cacert"]).arg(self.postern.ca());
        curl.arg("--user").arg(format!("{ALICE}:{secret}")).args(arguments);
        run(&mut curl).unwrap()
    }

    /// What curl makes of the door for IMAP: 0 admitted, 67 sign-in denied.
    fn imap(&self, secret: &str) -> Option<i32> {
        self.curl(secret, &[&format!("imaps://localhost:{}/INBOX", self.postern.imap)]).0
    }

    /// A connection on which a client has signed in and said that it is Thunderbird.
    fn thunderbird(&self, secret: &str) -> Imap {
        let mut imap = self.open_imap(secret);
        for (tag, command) in [("b", "ID (\"name\" \"Thunderbird\" \"version\" \"153.0\")"), ("c", "LIST \"\" \"*\"")] {
            let answer = imap.command(tag, command).unwrap();
            assert!(answer.last().unwrap().starts_with(&format!("{tag} OK")), "{answer:?}");
        }
        imap
    }

    /// A connection that has signed in and stays.
    fn open_imap(&self, secret: &str) -> Imap {
        let mut imap = Imap::connect(self.postern.imap, &self.postern.ca(), false).unwrap();
        imap.line().unwrap();
        let answer = imap.command("a", &format!("LOGIN alice \"{secret}\"")).unwrap();
        assert!(answer.last().unwrap().starts_with("a OK"), "{answer:?}");
        imap
    }
}

/// Curl's exit status for "The remote server did not accept the sign-in".
const SIGN_IN_DENIED: Option<i32> = Some(67);
