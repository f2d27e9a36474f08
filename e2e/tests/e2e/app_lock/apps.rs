//! The apps of the square: what each is called, what a password for it is made for,
//! and how it is driven. To add one: a line in [`APPS`], and a function that makes
//! the command which reads the inbox, or sends one message.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use e2e::{Site, run};

use super::{calendars, fetchers, readers, senders, thunderbird};

pub(super) const ALICE: &str = "alice@example.org";
/// A message in her inbox. Who shows these words has been let in.
pub(super) const IN_THE_INBOX: &str = "Tea at four";
/// An event in her calendar. So has who shows this.
pub(super) const IN_THE_CALENDAR: &str = "Choir";

/// What an app is used for. A door each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Use {
    Reading,
    Sending,
    Calendars,
}

impl Use {
    pub(super) const ALL: [Self; 3] = [Self::Reading, Self::Sending, Self::Calendars];
}

/// Makes the command by which an app does it, unattended.
type How = fn(&Visit<'_>) -> Command;

pub(super) struct App {
    /// As the table calls it.
    pub(super) name: &'static str,
    /// What a password for it is made for: an entry of the catalogue, or a name that it
    /// does not know.
    pub(super) made_for: &'static str,
    /// It is among the packages of all tests; the others are those of `--full`.
    pub(super) always: bool,
    pub(super) reads: Option<How>,
    pub(super) sends: Option<How>,
    pub(super) has_calendars: Option<How>,
    /// How it can begin TLS, in mail.
    tls: &'static [Tls],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tls {
    Implicit,
    Starttls,
}

impl App {
    const fn reads(self, how: How) -> Self {
        Self { reads: Some(how), ..self }
    }

    const fn sends(self, how: How) -> Self {
        Self { sends: Some(how), ..self }
    }

    const fn has_calendars(self, how: How) -> Self {
        Self { has_calendars: Some(how), ..self }
    }

    const fn always(self) -> Self {
        Self { always: true, ..self }
    }

    const fn only_by(self, tls: &'static [Tls]) -> Self {
        Self { tls, ..self }
    }

    pub(super) fn how(&self, to: Use) -> Option<How> {
        match to {
            Use::Reading => self.reads,
            Use::Sending => self.sends,
            Use::Calendars => self.has_calendars,
        }
    }

    /// How it can begin TLS there.
    pub(super) fn tls(&self, to: Use) -> &'static [Tls] {
        if to == Use::Calendars { &[Tls::Implicit] } else { self.tls }
    }
}

const fn app(name: &'static str, made_for: &'static str) -> App {
    App {
        name,
        made_for,
        always: false,
        reads: None,
        sends: None,
        has_calendars: None,
        tls: &[Tls::Implicit, Tls::Starttls],
    }
}

pub(super) const APPS: &[App] = &[
    app("curl", "curl").always().reads(readers::curl).sends(senders::curl).has_calendars(calendars::curl),
    app("mutt", "mutt").always().reads(readers::mutt).sends(senders::mutt),
    app("mbsync", "mbsync").always().reads(fetchers::mbsync),
    app("Python", "Python").always().reads(readers::python).sends(senders::python).has_calendars(calendars::python),
    app("msmtp", "msmtp").always().sends(senders::msmtp),
    app("swaks", "swaks").always().sends(senders::swaks),
    app("vdirsyncer", "vdirsyncer").always().has_calendars(calendars::vdirsyncer),
    app("neomutt", "NeoMutt").reads(readers::neomutt).sends(senders::neomutt),
    app("Alpine", "Alpine").reads(readers::alpine).sends(senders::alpine),
    app("OfflineIMAP", "OfflineIMAP").reads(fetchers::offlineimap),
    app("fetchmail", "fetchmail").reads(fetchers::fetchmail),
    app("getmail", "getmail").reads(fetchers::getmail).only_by(&[Tls::Implicit]),
    app("imapfilter", "imapfilter").reads(readers::imapfilter),
    app("aerc", "aerc").reads(readers::aerc),
    app("s-nail", "s-nail").reads(readers::s_nail).sends(senders::s_nail),
    app("sendEmail", "sendEmail").sends(senders::send_email).only_by(&[Tls::Starttls]),
    app("git send-email", "git").sends(senders::git_send_email),
    app("calcurse", "calcurse").has_calendars(calendars::calcurse),
    app("Node", "Node.js").reads(readers::imapflow).sends(senders::nodemailer),
    app("Thunderbird", "Thunderbird")
        .reads(thunderbird::reads)
        .sends(thunderbird::sends)
        .has_calendars(thunderbird::has_calendars),
];

/// One run of an app, in a home of its own, with a password that is its own or not.
pub(super) struct Visit<'v> {
    pub(super) site: &'v Site,
    pub(super) home: &'v Path,
    /// Where the packages for Node are, if they were asked for.
    pub(super) node: Option<&'v Path>,
    pub(super) secret: &'v str,
    pub(super) tls: Tls,
    /// Of the message that it sends.
    pub(super) subject: &'v str,
    /// The door's name, and port.
    pub(super) door: &'v str,
    pub(super) port: u16,
}

impl Visit<'_> {
    /// One of two words for how TLS begins.
    pub(super) fn tls<'w>(&self, implicit: &'w str, starttls: &'w str) -> &'w str {
        if self.tls == Tls::Starttls { starttls } else { implicit }
    }

    pub(super) fn ca(&self) -> String {
        self.site.ca().display().to_string()
    }

    /// Writes a file into the home, for nobody else to read: several apps insist.
    pub(super) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        path
    }

    /// What most of those that send need: a message in a file.
    pub(super) fn message(&self) -> PathBuf {
        let text = format!("From: {ALICE}\nTo: bob@example.org\nSubject: {}\n\nHello.\n", self.subject);
        self.write("message", &text)
    }

    /// A program that wants a terminal: see `at_a_terminal.py`.
    pub(super) fn at_a_terminal(&self, rules: &serde_json::Value, program: &[&str]) -> Command {
        let driver = self.write("at_a_terminal.py", include_str!("at_a_terminal.py"));
        let mut command = Command::new("python3");
        command.arg(driver).arg(rules.to_string()).arg("--").args(program);
        command
    }

    pub(super) fn shell(&self, script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    /// Runs it to its end, or for as long as anybody would wait: all it said.
    pub(super) fn run(&self, how: How) -> io::Result<String> {
        let driven = how(self);
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", "60"]).arg(driven.get_program()).args(driven.get_args());
        command.current_dir(self.home).envs(driven.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("HOME", self.home).env("TERM", "xterm").env("LANG", "C.UTF-8").env("SSL_CERT_FILE", self.site.ca());
        for (name, folder) in [("CONFIG", ".config"), ("DATA", ".local/share"), ("CACHE", ".cache")] {
            command.env(format!("XDG_{name}_HOME"), self.home.join(folder));
        }
        run(&mut command).map(|(_, said)| said)
    }
}
