//! The real binary on a site of its own.

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use data_encoding::BASE32_NOPAD;
use serde_json::Value;

use crate::{
    PRIMARY,
    process::{Running, answers, free_port, until},
};

/// A folder with a configuration; a server may run on it or not.
#[derive(Debug)]
pub struct Site {
    folder: tempfile::TempDir,
    /// Where the portal listens.
    pub portal: u16,
    /// IMAP with TLS from the first byte.
    pub imap: u16,
    /// IMAP with STARTTLS.
    pub imap_starttls: u16,
    /// Sending mail, with TLS from the first byte; where there is a Postfix.
    pub submission: u16,
    /// The same with STARTTLS.
    pub submission_starttls: u16,
    /// Calendars and contacts.
    pub dav: u16,
    /// The embedded drive.
    pub drive: u16,
}

/// A running server. Dereferences to its [`Site`].
#[derive(Debug)]
pub struct Postern {
    running: Running,
    site: Site,
}

/// What a command of the binary said.
#[derive(Debug)]
pub struct Output {
    /// Its exit status.
    pub status: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Output {
    /// Standard output, which must be JSON.
    ///
    /// # Panics
    /// When it is not: then the test has failed.
    #[expect(clippy::panic, reason = "a test that cannot go on has failed")]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}

/// An account with both factors.
#[derive(Debug)]
pub struct Account {
    /// Its login.
    pub login: String,
    /// What the authenticator app scanned.
    pub totp_uri: String,
    /// Its recovery codes.
    pub recovery_codes: Vec<String>,
}

impl Account {
    /// What the authenticator app shows at this time, in Unix seconds.
    pub fn code(&self, now: u64) -> String {
        let seed = self.totp_uri.split("secret=").nth(1).and_then(|rest| rest.split('&').next()).unwrap_or_default();
        let seed = BASE32_NOPAD.decode(seed.as_bytes()).unwrap_or_default();
        totp_rs::Builder::new().with_secret(seed).build_noncompliant().generate(now).to_string()
    }
}

/// The binary, as built beside the program that runs.
///
/// # Errors
/// When it has not been built.
pub fn binary() -> io::Result<PathBuf> {
    let here = std::env::current_exe()?;
    let found = here.ancestors().map(|folder| folder.join("postern")).find(|file| file.is_file());
    found.ok_or_else(|| io::Error::other("there is no postern beside this program: run `cargo build -p postern` first"))
}

impl Site {
    /// A site in front of these servers. `more` is added to the configuration.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn new(dovecot: u16, radicale: u16, more: &str) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("postern-site-").tempdir()?;
        let ports: Vec<u16> = (0..7).map(|_| free_port()).collect::<Result<_, _>>()?;
        let &[portal, imap, imap_starttls, submission, submission_starttls, dav, drive] = ports.as_slice() else {
            return Err(io::Error::other("seven ports were asked for"));
        };
        let site = Self { folder, portal, imap, imap_starttls, submission, submission_starttls, dav, drive };
        fs::write(site.path("master.pw"), format!("{}\n", crate::Dovecot::MASTER))?;
        let config = format!(
            r#"domain = "example.org"
url = "https://localhost:{portal}"
data = "data"

[portal]
listen = ["127.0.0.1:{portal}"]

[[gateway]]
service = "imap"
listen = ["127.0.0.1:{imap}"]
listen_starttls = ["127.0.0.1:{imap_starttls}"]
upstream = "imap://127.0.0.1:{dovecot}"
handover = {{ kind = "master-user", login = "postern", password_file = "master.pw" }}

[[gateway]]
service = "http"
name = "dav"
listen = ["127.0.0.1:{dav}"]
upstream = "http://127.0.0.1:{radicale}"
handover = {{ kind = "header", user = "X-Remote-User" }}
data = ["calendars", "contacts"]

[drive]
listen = ["127.0.0.1:{drive}"]
quota = "64M"
{more}
"#
        );
        fs::write(site.config(), config)?;
        Ok(site)
    }

    /// Adds a door for submission in front of this Postfix. `more` is added to it.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn with_submission(self, postfix: u16, more: &str) -> io::Result<Self> {
        let mut config = fs::read_to_string(self.config())?;
        config.push_str(&format!(
            r#"
[[gateway]]
service = "submission"
listen = ["127.0.0.1:{}"]
listen_starttls = ["127.0.0.1:{}"]
upstream = "smtp://127.0.0.1:{postfix}"
{more}
"#,
            self.submission, self.submission_starttls
        ));
        fs::write(self.config(), config)?;
        Ok(self)
    }

    /// A file of the site.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Its configuration.
    pub fn config(&self) -> PathBuf {
        self.path("postern.toml")
    }

    /// The certificate that clients are told to trust.
    pub fn ca(&self) -> PathBuf {
        self.path("data/tls/ca.pem")
    }

    /// Writes a file into the site's folder and returns where it is.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn write(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let path = self.path(name);
        if let Some(folder) = path.parent().filter(|folder| *folder != Path::new("")) {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, text)?;
        Ok(path)
    }

    /// Runs a command of the binary on this site.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn cli(&self, arguments: &[&str], input: &str) -> io::Result<Output> {
        let mut child = Command::new(binary()?)
            .args(arguments)
            .arg("--config")
            .arg(self.config())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // A command that reads no input may be gone already.
            let _ = stdin.write_all(input.as_bytes());
        }
        let output = child.wait_with_output()?;
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Ok(Output { status: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) })
    }

    /// Makes an account with both factors.
    ///
    /// # Errors
    /// When the command fails.
    pub fn account(&self, login: &str) -> io::Result<Account> {
        let arguments = ["account", "add", login, "--password-stdin", "--totp", "--json"];
        let added = self.cli(&arguments, &format!("{PRIMARY}\n"))?;
        if added.status != Some(0) {
            return Err(io::Error::other(added.err));
        }
        let json = added.json();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(Account {
            login: text(&json["login"]),
            totp_uri: text(&json["totp_uri"]),
            recovery_codes: json["recovery_codes"]
                .as_array()
                .map(|codes| codes.iter().map(text).collect())
                .unwrap_or_default(),
        })
    }

    /// Makes an app password: its id and its letters. It works in any app, since most
    /// tests try one password in several, unless `more` says `--lock`.
    ///
    /// # Errors
    /// When the command fails.
    pub fn app_password(&self, login: &str, scopes: &str, more: &[&str]) -> io::Result<(String, String)> {
        let mut arguments = vec!["app-password", "create", login, "--label", "Test", "--scope", scopes, "--json"];
        if !more.contains(&"--app") {
            arguments.extend(["--app", "test"]);
        }
        if !more.contains(&"--lock") {
            arguments.extend(["--lock", "off"]);
        }
        arguments.extend(more);
        let made = self.cli(&arguments, "")?;
        if made.status != Some(0) {
            return Err(io::Error::other(made.err));
        }
        let json = made.json();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok((text(&json["id"]), text(&json["secret"])))
    }

    /// Starts the server and does not wait for it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(&self, log: &str) -> io::Result<Running> {
        let mut command = Command::new(binary()?);
        command.arg("serve").arg("--config").arg(self.config());
        Running::start(&mut command, &self.path(log))
    }

    /// Starts the server with its clock so many hours ahead, or behind, and does
    /// not wait.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn_ahead(&self, hours: i32, log: &str) -> io::Result<Running> {
        let ahead = format!("{hours:+}h");
        // faketime would stand between us and the server, and keep signals to itself.
        let library = Command::new("faketime").args(["-f", &ahead, "printenv", "LD_PRELOAD"]).output()?;
        let mut command = Command::new(binary()?);
        command.env("LD_PRELOAD", String::from_utf8_lossy(&library.stdout).trim()).env("FAKETIME", ahead);
        command.arg("serve").arg("--config").arg(self.config());
        Running::start(&mut command, &self.path(log))
    }

    /// Starts the server and waits until it listens everywhere.
    ///
    /// # Errors
    /// When it does not come up; its log is in the text.
    pub fn serve(self) -> io::Result<Postern> {
        let running = self.spawn("log")?;
        let postern = Postern { running, site: self };
        let ready = || postern.said().contains("ready") && answers(postern.portal) && answers(postern.imap);
        until("Postern to answer", ready)
            .map_err(|late| io::Error::other(format!("{late}; it said:\n{}", postern.said())))?;
        Ok(postern)
    }
}

impl Postern {
    /// A server on a new site in front of these servers.
    ///
    /// # Errors
    /// When it does not come up; its log is in the text.
    pub fn start(dovecot: u16, radicale: u16) -> io::Result<Self> {
        Site::new(dovecot, radicale, "")?.serve()
    }

    /// What it has logged.
    pub fn said(&self) -> String {
        self.running.said()
    }

    /// The process.
    pub fn process(&mut self) -> &mut Running {
        &mut self.running
    }
}

impl std::ops::Deref for Postern {
    type Target = Site;
    fn deref(&self) -> &Site {
        &self.site
    }
}
