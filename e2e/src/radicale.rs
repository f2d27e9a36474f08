//! Debian's Radicale, which takes the name that Postern has checked.

use std::{fs, io, process::Command};

use rustix::process::Signal;

use crate::process::{Running, answers, free_port, until};

/// A running Radicale with calendars of its own.
#[derive(Debug)]
pub struct Radicale {
    running: Running,
    _folder: tempfile::TempDir,
    /// Where it speaks HTTP, on loopback.
    pub port: u16,
}

impl Radicale {
    /// Starts it.
    ///
    /// # Errors
    /// When Radicale is not installed or does not come up; its log is in the text.
    pub fn start() -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("postern-radicale-").tempdir()?;
        let (port, here) = (free_port()?, folder.path());
        let config = format!(
            "[server]\nhosts = 127.0.0.1:{port}\n\
             [auth]\ntype = http_x_remote_user\n\
             [rights]\ntype = owner_only\n\
             [storage]\nfilesystem_folder = {}/collections\n",
            here.display()
        );
        let file = here.join("config");
        fs::write(&file, config)?;
        let mut command = Command::new("radicale");
        command.arg("--config").arg(&file);
        let running = Running::start(&mut command, &here.join("log"))?;
        let radicale = Self { running, _folder: folder, port };
        until("Radicale to answer", || answers(port))
            .map_err(|late| io::Error::other(format!("{late}; it said:\n{}", radicale.log())))?;
        Ok(radicale)
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.running.said()
    }

    /// Stops it where it stands: connections are still taken, and wait.
    pub fn pause(&self) {
        self.running.signal(Signal::STOP);
    }
}
