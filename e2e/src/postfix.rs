//! Debian's Postfix, which takes mail only from who has signed in: by XCLIENT, which
//! it believes from this machine, or at a Dovecot that it asks.

use std::{fs, io, os::unix::fs::PermissionsExt, path::Path, process::Command};

use crate::process::{Running, answers, free_port, until};

/// A running Postfix with a queue of its own. It needs root.
#[derive(Debug)]
pub struct Postfix {
    running: Running,
    folder: tempfile::TempDir,
    /// Where it takes mail for submission, in the clear, on loopback.
    pub port: u16,
}

impl Postfix {
    /// Starts one that believes XCLIENT.
    ///
    /// # Errors
    /// When Postfix is not installed or does not come up; its log is in the text.
    pub fn start() -> io::Result<Self> {
        Self::with(free_port()?, "smtpd_authorized_xclient_hosts = 127.0.0.1\n")
    }

    /// Starts one that believes nothing, and asks the Dovecot at this socket.
    ///
    /// # Errors
    /// As for [`Postfix::start`].
    pub fn asking(dovecot: &Path) -> io::Result<Self> {
        Self::asking_on(free_port()?, dovecot)
    }

    /// The same, on this port.
    ///
    /// # Errors
    /// As for [`Postfix::start`].
    pub fn asking_on(port: u16, dovecot: &Path) -> io::Result<Self> {
        Self::with(port, &format!("smtpd_sasl_type = dovecot\nsmtpd_sasl_path = {}\n", dovecot.display()))
    }

    /// Starts one that believes XCLIENT, in TLS from the first byte.
    ///
    /// # Errors
    /// As for [`Postfix::start`].
    pub fn in_tls(certificate: &Path, key: &Path) -> io::Result<Self> {
        let more = format!(
            "smtpd_authorized_xclient_hosts = 127.0.0.1\nsmtpd_tls_wrappermode = yes\nsmtpd_tls_security_level = encrypt\n\
             smtpd_tls_cert_file = {}\nsmtpd_tls_key_file = {}\n",
            certificate.display(),
            key.display()
        );
        Self::with(free_port()?, &more)
    }

    /// Starts one on this port that takes mail from this machine, to whom it delivers.
    ///
    /// # Errors
    /// As for [`Postfix::start`].
    pub fn taking_mail_on(port: u16) -> io::Result<Self> {
        Self::with(
            port,
            "mynetworks = 127.0.0.0/8\n\
             smtpd_client_restrictions = permit_mynetworks, reject\n\
             smtpd_relay_restrictions = permit_mynetworks, reject\n",
        )
    }

    fn with(port: u16, more: &str) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("postern-postfix-").tempdir()?;
        let path = folder.path();
        fs::set_permissions(path, PermissionsExt::from_mode(0o755))?;
        for part in ["etc", "spool", "data", "mail"] {
            fs::create_dir(path.join(part))?;
        }
        crate::run(Command::new("chown").arg("postfix").arg(path.join("data")))?;
        crate::run(Command::new("chown").arg("nobody:nogroup").arg(path.join("mail")))?;
        fs::write(path.join("etc/main.cf"), main(path) + more)?;
        fs::write(path.join("etc/master.cf"), services(port))?;
        let mut command = Command::new("postfix");
        command.arg("-c").arg(path.join("etc")).arg("start-fg");
        let running = Running::start(&mut command, &path.join("log"))?;
        let postfix = Self { running, folder, port };
        until("Postfix to answer", || answers(port))
            .map_err(|late| io::Error::other(format!("{late}; it said:\n{}", postfix.log())))?;
        Ok(postfix)
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.running.said()
    }

    /// All that has been delivered.
    pub fn delivered(&self) -> Vec<String> {
        let new = fs::read_dir(self.folder.path().join("mail/inbox/new")).into_iter().flatten().flatten();
        new.filter_map(|file| fs::read_to_string(file.path()).ok()).collect()
    }

    /// Waits for a message with this in it.
    ///
    /// # Errors
    /// When none has come within ten seconds; the log is in the text.
    pub fn delivers(&self, words: &str) -> io::Result<String> {
        let found = || self.delivered().into_iter().find(|message| message.contains(words));
        until("a message", || found().is_some())
            .map_err(|late| io::Error::other(format!("{late}; Postfix said:\n{}", self.log())))?;
        found().ok_or_else(|| io::Error::other("it is gone again"))
    }
}

fn main(here: &Path) -> String {
    let here = here.display();
    format!(
        "compatibility_level = 3.6\n\
         queue_directory = {here}/spool\n\
         data_directory = {here}/data\n\
         maillog_file = /dev/stdout\n\
         myhostname = mail.example.org\n\
         mydestination =\n\
         mynetworks =\n\
         inet_interfaces = 127.0.0.1\n\
         inet_protocols = ipv4\n\
         alias_maps =\n\
         message_size_limit = 30000000\n\
         virtual_mailbox_domains = example.org\n\
         virtual_mailbox_base = {here}/mail\n\
         virtual_mailbox_maps = static:inbox/\n\
         virtual_uid_maps = static:65534\n\
         virtual_gid_maps = static:65534\n\
         default_transport = error:this server delivers to example.org only\n\
         smtpd_peername_lookup = no\n\
         smtpd_sasl_auth_enable = yes\n\
         smtpd_client_restrictions = permit_sasl_authenticated, reject\n\
         smtpd_relay_restrictions = permit_sasl_authenticated, reject\n"
    )
}

fn services(port: u16) -> String {
    let mut services = format!("127.0.0.1:{port} inet n - n - - smtpd\n");
    // As in Debian's: whether it is private, and how many of it there may be.
    for (name, kind, private, limit, command) in [
        ("pickup", "unix", "n", "1", "pickup"),
        ("cleanup", "unix", "n", "0", "cleanup"),
        ("qmgr", "unix", "n", "1", "qmgr"),
        ("rewrite", "unix", "-", "-", "trivial-rewrite"),
        ("bounce", "unix", "-", "0", "bounce"),
        ("defer", "unix", "-", "0", "bounce"),
        ("trace", "unix", "-", "0", "bounce"),
        ("verify", "unix", "-", "1", "verify"),
        ("flush", "unix", "n", "0", "flush"),
        ("proxymap", "unix", "-", "-", "proxymap"),
        ("error", "unix", "-", "-", "error"),
        ("retry", "unix", "-", "-", "error"),
        ("virtual", "unix", "-", "-", "virtual"),
        ("anvil", "unix", "-", "1", "anvil"),
        ("tlsmgr", "unix", "-", "1", "tlsmgr"),
        ("postlog", "unix-dgram", "n", "1", "postlogd"),
    ] {
        // It writes into mailboxes as whoever owns them.
        let unprivileged = if name == "virtual" { "n" } else { "-" };
        services.push_str(&format!("{name} {kind} {private} {unprivileged} n - {limit} {command}\n"));
    }
    services
}
