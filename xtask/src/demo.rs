//! The whole job, shown live: each step with the command that a person could type.

use std::{
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
    process::Command,
};

use e2e::{Dovecot, Imap, PRIMARY, Postern, Radicale, run};
use tokio::{
    runtime::Runtime,
    signal::unix::{Signal, SignalKind, signal},
};

use crate::{
    packages::{self, DEMO},
    progress::{quietly, tell},
};

const ALICE: &str = "alice@example.org";

pub(crate) fn demo(check: bool) -> Result<(), String> {
    packages::install(DEMO)?;
    quietly("building Postern", Command::new(env!("CARGO")).args(["build", "--package", "postern", "--locked"]))?;
    let shown = show(check);
    match &shown {
        Ok(()) => say("\nEverything that was started is gone."),
        Err(_) => tell("the demo stopped; everything that was started is gone"),
    }
    shown
}

/// Servers and folders live as long as this function.
fn show(check: bool) -> Result<(), String> {
    let io = |error: std::io::Error| error.to_string();
    let mut goodbye = Goodbye::listen().map_err(io)?;
    heading("Servers of their own, on loopback");
    let dovecot = Dovecot::start().map_err(io)?;
    say(&format!("Dovecot   127.0.0.1:{}   lets nobody in but Postern", dovecot.port));
    let radicale = Radicale::start().map_err(io)?;
    say(&format!("Radicale  127.0.0.1:{}   believes a header that only Postern sets", radicale.port));
    let postern = Postern::start(dovecot.port, radicale.port).map_err(io)?;
    say(&format!(
        "Postern   portal https://localhost:{}/   imap {} and {}   dav {}   drive {}",
        postern.portal, postern.imap, postern.imap_starttls, postern.dav, postern.drive
    ));
    dovecot.deliver(ALICE, "Welcome").map_err(io)?;

    let show = Show { postern: &postern, binary: typed_from_here(e2e::binary().map_err(io)?) };
    heading("An account: one password, one second factor");
    show.command(&format!("echo '{PRIMARY}' | postern account add {ALICE} --password-stdin --totp --json"));
    let account = postern.account(ALICE).map_err(io)?;
    say(&format!("second factor, for an authenticator app: {}", account.totp_uri));
    say(&format!("a recovery code: {}", account.recovery_codes.first().map_or("", String::as_str)));
    say(&format!("sign in at https://localhost:{}/ to make app passwords in the browser", postern.portal));

    heading("An app password for mail, calendars, contacts and files");
    let scopes = "mail,calendars,contacts,files";
    // Several programs use it here, which the app lock would take amiss.
    let (id, secret) = show.app_password(scopes, &["--lock", "off"])?;

    heading("It opens mail, calendars and files");
    let mail = show.curl_imap(&secret, "INBOX;MAILINDEX=1", true)?;
    let subject = mail.lines().find(|line| line.starts_with("Subject: ")).ok_or("the message is not there")?;
    say(subject.trim_end());
    show.mbsync(&secret)?;
    show.vdirsyncer(&secret)?;
    show.drive(&secret)?;

    heading("The account's own password opens no app");
    let told = show.curl_imap(PRIMARY, "", false)?;
    let text = told.lines().find(|line| line.contains("app password")).unwrap_or_default();
    say(&format!("what a person sees: {}", text.trim_start_matches("< ").trim()));
    if text.is_empty() {
        return Err("the refusal does not say what to do".into());
    }

    heading("A password for calendars does not open mail");
    let (_, calendars) = show.app_password("calendars,contacts", &[])?;
    show.curl_imap(&calendars, "", false)?;

    heading("A password works in its app alone");
    show.locked_to_curl()?;

    heading("Revoked means out, now");
    show.command(&format!(
        "openssl s_client -quiet -crlf -connect localhost:{} -CAfile {}",
        postern.imap,
        postern.ca().display()
    ));
    let mut open = Imap::connect(postern.imap, &postern.ca(), false).map_err(io)?;
    let _greeting = open.line();
    let signed_in = open.command("a", &format!("LOGIN alice \"{secret}\"")).map_err(io)?;
    let idling = open.command("b", "SELECT INBOX").map_err(io)?;
    if !signed_in.iter().chain(&idling).any(|line| line.starts_with("b OK")) {
        return Err(format!("the open connection did not come up: {signed_in:?} {idling:?}"));
    }
    say("> a LOGIN alice ...\n> b SELECT INBOX");
    say("an IMAP connection is open, with INBOX selected");
    show.command(&format!("postern app-password revoke {id}"));
    let revoked = postern.cli(&["app-password", "revoke", &id], "").map_err(io)?;
    say(revoked.out.trim_end());
    if revoked.status != Some(0) {
        return Err(revoked.err);
    }
    let cut = open.rest().join(" / ");
    say(&format!("the open connection: {cut}"));
    if !cut.starts_with("* BYE") {
        return Err("revoking did not cut the open connection".into());
    }
    show.curl_imap(&secret, "", false)?;

    heading("All of it is on record");
    show.command("postern audit verify");
    let verified = postern.cli(&["audit", "verify"], "").map_err(io)?;
    say(verified.out.trim_end());
    if verified.status != Some(0) {
        return Err(verified.err);
    }
    if !check {
        stay(&postern, &mut goodbye);
    }
    Ok(())
}

/// Ctrl-C, a request to end, or the terminal that is gone: heard from now on
/// instead of ending this program where it stands, as what it has started must go
/// first. Dovecot and Postern take a lost terminal for a wish to reload.
struct Goodbye {
    runtime: Runtime,
    signals: [Signal; 3],
}

impl Goodbye {
    fn listen() -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let signals = {
            let _inside = runtime.enter();
            [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?]
        };
        Ok(Self { runtime, signals })
    }

    fn wait(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.signals;
        self.runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
        });
    }
}

/// A path as one would type it in this folder.
fn typed_from_here(path: PathBuf) -> PathBuf {
    let here = std::env::current_dir().ok().and_then(|here| path.strip_prefix(here).ok().map(Path::to_owned));
    here.unwrap_or(path)
}

fn stay(postern: &Postern, goodbye: &mut Goodbye) {
    heading("It stays up until Ctrl-C");
    say(&format!("https://localhost:{}/   {ALICE}   {PRIMARY}", postern.portal));
    say(&format!("trust {} in your apps", postern.ca().display()));
    goodbye.wait();
}

struct Show<'a> {
    postern: &'a Postern,
    binary: PathBuf,
}

impl Show<'_> {
    /// A command as a person would type it.
    fn command(&self, text: &str) {
        let (before, after) = text.split_once("postern ").map_or((text, None), |(before, after)| (before, Some(after)));
        let text = match after {
            Some(after) => {
                format!("{before}{} {after} --config {}", self.binary.display(), self.postern.config().display())
            }
            None => text.to_owned(),
        };
        say(&paint("36", &format!("$ {text}")));
    }

    fn typed(&self, command: &mut Command) -> Result<(Option<i32>, String), String> {
        let words: Vec<String> = std::iter::once(command.get_program())
            .chain(command.get_args())
            .map(|word| word.to_string_lossy())
            .map(|word| if word.contains([' ', '*', '<', ';']) { format!("'{word}'") } else { word.into_owned() })
            .collect();
        self.command(&words.join(" "));
        run(command).map_err(|error| error.to_string())
    }

    fn app_password(&self, scopes: &str, more: &[&str]) -> Result<(String, String), String> {
        let more_typed: String = more.iter().map(|word| format!(" {word}")).collect();
        self.command(&format!(
            "postern app-password create {ALICE} --label Test --app test --scope {scopes} --json{more_typed}"
        ));
        let (id, secret) = self.postern.app_password(ALICE, scopes, more).map_err(|error| error.to_string())?;
        say(&format!("shown once: {secret}"));
        Ok((id, secret))
    }

    fn expect(&self, (status, said): (Option<i32>, String), comes_in: bool) -> Result<String, String> {
        let wanted = if comes_in { 0 } else { CURL_SIGN_IN_DENIED };
        if status == Some(wanted) {
            say(&paint("32", if comes_in { "got in" } else { "refused" }));
            Ok(said)
        } else {
            Err(format!(
                "that should have been {}:\n{said}\n{}",
                if comes_in { "let in" } else { "refused" },
                self.postern.said()
            ))
        }
    }

    fn curl_imap(&self, secret: &str, mailbox: &str, comes_in: bool) -> Result<String, String> {
        let mut curl = Command::new("curl");
        curl.arg("--silent").arg("--show-error").arg("--verbose").arg("--cacert").arg(self.postern.ca());
        curl.arg("--user").arg(format!("{ALICE}:{secret}"));
        curl.arg(format!("imaps://localhost:{}/{mailbox}", self.postern.imap));
        let done = self.typed(&mut curl)?;
        self.expect(done, comes_in)
    }

    /// A password that curl uses first, and then somebody else.
    fn locked_to_curl(&self) -> Result<(), String> {
        let io = |error: std::io::Error| error.to_string();
        let (id, secret) = self.app_password("mail", &["--lock", "lock"])?;
        self.curl_imap(&secret, "INBOX;MAILINDEX=1", true)?;
        say("the same password, by hand:");
        let mut by_hand = Imap::connect(self.postern.imap, &self.postern.ca(), false).map_err(io)?;
        let _greeting = by_hand.line();
        by_hand.command("a", &format!("LOGIN alice \"{secret}\"")).map_err(io)?;
        let told = by_hand.command("b", "SELECT INBOX").map_err(io)?;
        say("> a LOGIN alice ...\n> b SELECT INBOX");
        told.iter().for_each(|line| say(&format!("< {line}")));
        if !told.iter().any(|line| line.starts_with("b NO [AUTHENTICATIONFAILED]")) {
            return Err("another program used the password".into());
        }
        say(&paint("32", "refused"));
        self.command(&format!("postern app-password show {id}"));
        let shown = self.postern.cli(&["app-password", "show", &id], "").map_err(io)?;
        say(shown.out.trim_end());
        Ok(())
    }

    fn mbsync(&self, secret: &str) -> Result<(), String> {
        let mail = self.postern.path("mail/");
        std::fs::create_dir_all(&mail).map_err(|error| error.to_string())?;
        let config = format!(
            "IMAPAccount a\nHost localhost\nPort {port}\nUser {ALICE}\nPass {secret}\nSSLType IMAPS\nCertificateFile {ca}\n\n\
             IMAPStore far\nAccount a\n\nMaildirStore near\nPath {mail}\nInbox {mail}INBOX\n\n\
             Channel c\nFar :far:\nNear :near:\nPatterns INBOX\nCreate Near\nSyncState *\n",
            port = self.postern.imap,
            ca = self.postern.ca().display(),
            mail = mail.display(),
        );
        let file = self.postern.write("mbsyncrc", &config).map_err(|error| error.to_string())?;
        let done = self.typed(Command::new("mbsync").arg("--config").arg(&file).arg("--all"))?;
        self.expect(done, true).map(drop)
    }

    fn vdirsyncer(&self, secret: &str) -> Result<(), String> {
        let here = self.postern.path("");
        let config = format!(
            "[general]\nstatus_path = \"{0}vdir/status\"\n\
             [pair calendars]\na = \"near\"\nb = \"far\"\ncollections = [\"from a\"]\n\
             [storage near]\ntype = \"filesystem\"\npath = \"{0}vdir/near\"\nfileext = \".ics\"\n\
             [storage far]\ntype = \"caldav\"\nurl = \"https://localhost:{1}/\"\nusername = \"{ALICE}\"\npassword = \"{secret}\"\nverify = \"{2}\"\n",
            here.display(),
            self.postern.dav,
            self.postern.ca().display(),
        );
        let io = |error: std::io::Error| error.to_string();
        self.postern.write("vdir/near/home/one.ics", EVENT).map_err(io)?;
        let file = self.postern.write("vdir/config", &config).map_err(io)?;
        let discover = format!("yes | vdirsyncer --config {} discover", file.display());
        let done = self.typed(Command::new("sh").arg("-c").arg(discover))?;
        self.expect(done, true)?;
        let done = self.typed(Command::new("vdirsyncer").arg("--config").arg(&file).arg("sync"))?;
        self.expect(done, true).map(drop)
    }

    fn drive(&self, secret: &str) -> Result<(), String> {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--fail", "--cacert"]).arg(self.postern.ca());
        curl.arg("--user").arg(format!("{ALICE}:{secret}")).arg("--upload-file").arg(self.postern.config());
        curl.arg(format!("https://localhost:{}/note.txt", self.postern.drive));
        let done = self.typed(&mut curl)?;
        self.expect(done, true).map(drop)
    }
}

/// Anything else that keeps curl out is an accident, not a refusal.
const CURL_SIGN_IN_DENIED: i32 = 67;

const EVENT: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Postern//demo//EN\r\nBEGIN:VEVENT\r\nUID:one@example.org\r\n\
DTSTAMP:20260303T140500Z\r\nDTSTART:20260304T090000Z\r\nSUMMARY:Tea\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

fn heading(text: &str) {
    say(&format!("\n{}", paint("1", text)));
}

fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn paint(code: &str, text: &str) -> String {
    let plain = !std::io::stdout().is_terminal() || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if plain { text.to_owned() } else { format!("\u{1b}[{code}m{text}\u{1b}[0m") }
}
