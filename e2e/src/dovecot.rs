//! Debian's Dovecot, with one way in: Postern's master user.

use std::{fs, io, process::Command};

use rustix::process::Signal;

use crate::process::{Running, answers, free_port, until};

/// A running Dovecot with mail of its own.
#[derive(Debug)]
pub struct Dovecot {
    running: Running,
    folder: tempfile::TempDir,
    /// Where it speaks IMAP, in the clear, on loopback.
    pub port: u16,
    /// Where it speaks POP3.
    pub pop3: u16,
    /// Where it speaks ManageSieve.
    pub sieve: u16,
}

/// Doors to the same mail by other protocols than IMAP, for a [`Site`](crate::Site).
#[derive(Debug)]
pub struct Mailboxes {
    /// POP3 with TLS from the first byte.
    pub pop3: u16,
    /// POP3 with STLS.
    pub pop3_stls: u16,
    /// ManageSieve with TLS from the first byte.
    pub sieve: u16,
    /// ManageSieve with STARTTLS.
    pub sieve_starttls: u16,
    /// What goes into the configuration for them.
    pub config: String,
}

/// Whom it lets in beside the master user.
const NOBODY_ELSE: &str = "driver = passwd-file\n args = /dev/null";

impl Dovecot {
    /// The master user's password.
    pub const MASTER: &str = "only-postern-knows-this";

    /// Starts it.
    ///
    /// # Errors
    /// When Dovecot is not installed or does not come up; its log is in the text.
    pub fn start() -> io::Result<Self> {
        Self::start_on(free_port()?)
    }

    /// Starts it on this port.
    ///
    /// # Errors
    /// As for [`Dovecot::start`].
    pub fn start_on(port: u16) -> io::Result<Self> {
        Self::start_with(port, NOBODY_ELSE, "")
    }

    /// Starts it on this port, saying after a sign-in that it can do this; more than
    /// it would say by itself, with a plus in front.
    ///
    /// # Errors
    /// As for [`Dovecot::start`].
    pub fn start_saying_on(port: u16, capabilities: &str) -> io::Result<Self> {
        Self::start_with(port, NOBODY_ELSE, &format!("protocol imap {{\n imap_capability = {capabilities}\n}}\n"))
    }

    /// Starts it on this port, set up wrong: whoever comes is let in.
    ///
    /// # Errors
    /// As for [`Dovecot::start`].
    pub fn start_open_on(port: u16) -> io::Result<Self> {
        Self::start_with(port, "driver = static\n args = nopassword=y", "")
    }

    fn start_with(port: u16, passdb: &str, more: &str) -> io::Result<Self> {
        let (pop3, sieve) = (free_port()?, free_port()?);
        let folder = tempfile::Builder::new().prefix("postern-dovecot-").tempdir()?;
        let path = folder.path();
        // Dovecot's workers run under another user than root and have to get here.
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        let (user, group) = if rustix::process::geteuid().is_root() {
            ("nobody".to_owned(), "nogroup".to_owned())
        } else {
            (name("-un")?, name("-gn")?)
        };
        for part in ["run", "state", "mail"] {
            fs::create_dir(path.join(part))?;
        }
        crate::run(Command::new("chown").arg(format!("{user}:{group}")).arg(path.join("mail")))?;
        fs::write(path.join("master"), format!("postern:{{PLAIN}}{}\n", Self::MASTER))?;
        let here = path.display();
        let config = format!(
            "base_dir = {here}/run\n\
             state_dir = {here}/state\n\
             log_path = /dev/stderr\n\
             protocols = imap pop3 sieve\n\
             listen = 127.0.0.1\n\
             login_trusted_networks = 127.0.0.1\n\
             mail_log_prefix = \"%s(%u)<%r>: \"\n\
             ssl = no\n\
             disable_plaintext_auth = no\n\
             auth_mechanisms = plain\n\
             auth_master_user_separator = *\n\
             auth_failure_delay = 0\n\
             default_internal_user = {user}\n\
             default_internal_group = {group}\n\
             default_login_user = {user}\n\
             mail_location = maildir:{here}/mail/%u\n\
             service anvil {{\n chroot =\n unix_listener anvil-auth-penalty {{\n mode = 0\n }}\n}}\n\
             service imap-login {{\n chroot =\n inet_listener imap {{\n port = {port}\n }}\n inet_listener imaps {{\n port = 0\n }}\n}}\n\
             service auth {{\n unix_listener auth-postfix {{\n mode = 0666\n }}\n}}\n\
             service pop3-login {{\n chroot =\n inet_listener pop3 {{\n port = {pop3}\n }}\n inet_listener pop3s {{\n port = 0\n }}\n}}\n\
             service managesieve-login {{\n chroot =\n inet_listener sieve {{\n port = {sieve}\n }}\n}}\n\
             plugin {{\n sieve = file:{here}/mail/%u/sieve;active={here}/mail/%u/.dovecot.sieve\n}}\n\
             passdb {{\n driver = passwd-file\n master = yes\n args = {here}/master\n}}\n\
             passdb {{\n {passdb}\n}}\n\
             userdb {{\n driver = static\n args = uid={user} gid={group} home={here}/mail/%u\n}}\n\
             {more}"
        );
        let file = path.join("dovecot.conf");
        fs::write(&file, config)?;
        let mut command = Command::new("dovecot");
        command.arg("-F").arg("-c").arg(&file);
        let running = Running::start(&mut command, &path.join("log"))?;
        let dovecot = Self { running, folder, port, pop3, sieve };
        until("Dovecot to answer", || answers(port))
            .map_err(|late| io::Error::other(format!("{late}; it said:\n{}", dovecot.log())))?;
        Ok(dovecot)
    }

    /// Where it answers a Postfix that asks who may send.
    pub fn sasl(&self) -> std::path::PathBuf {
        self.folder.path().join("run/auth-postfix")
    }

    /// Doors to it for POP3 and ManageSieve, on ports of their own.
    ///
    /// # Errors
    /// When there is no free port.
    pub fn mailboxes(&self) -> io::Result<Mailboxes> {
        let (pop3, pop3_stls) = (free_port()?, free_port()?);
        let (sieve, sieve_starttls) = (free_port()?, free_port()?);
        let gateway = |service: &str, listen: u16, starttls: u16, behind: u16| {
            format!(
                "[[gateway]]\nservice = \"{service}\"\nlisten = [\"127.0.0.1:{listen}\"]\n\
                 listen_starttls = [\"127.0.0.1:{starttls}\"]\nupstream = \"{service}://127.0.0.1:{behind}\"\n\
                 handover = {{ kind = \"master-user\", login = \"postern\", password_file = \"master.pw\" }}\n\n"
            )
        };
        let config = gateway("pop3", pop3, pop3_stls, self.pop3) + &gateway("sieve", sieve, sieve_starttls, self.sieve);
        Ok(Mailboxes { pop3, pop3_stls, sieve, sieve_starttls, config })
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.running.said()
    }

    /// Stops it where it stands: connections are still taken, and wait.
    pub fn pause(&self) {
        self.running.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.running.signal(Signal::CONT);
    }

    /// Puts a message into an INBOX.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn deliver(&self, login: &str, subject: &str) -> io::Result<()> {
        let inbox = self.folder.path().join("mail").join(login);
        for part in ["", "cur", "new", "tmp"] {
            fs::create_dir_all(inbox.join(part))?;
        }
        let count = fs::read_dir(inbox.join("new"))?.count();
        let message = format!(
            "From: Bob <bob@example.org>\nTo: {login}\nSubject: {subject}\nDate: Tue, 3 Mar 2026 14:05:00 +0000\nMessage-ID: <{count}@example.org>\n\nHello.\n"
        );
        fs::write(inbox.join("new").join(format!("1772546700.M{count}.localhost")), message)?;
        let owner = fs::metadata(self.folder.path().join("mail"))?;
        let owner =
            format!("{}:{}", std::os::unix::fs::MetadataExt::uid(&owner), std::os::unix::fs::MetadataExt::gid(&owner));
        crate::run(Command::new("chown").arg("-R").arg(owner).arg(&inbox))?;
        Ok(())
    }
}

fn name(flag: &str) -> io::Result<String> {
    let out = Command::new("id").arg(flag).output()?;
    Ok(String::from_utf8_lossy(&out.stdout).trim().to_owned())
}
