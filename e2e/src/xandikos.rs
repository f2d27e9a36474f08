//! Debian's Xandikos, which has one principal and asks nobody who they are.

use std::{io, process::Command};

use crate::process::{Running, answers, free_port, until};

/// A running Xandikos with a calendar and an address book.
#[derive(Debug)]
pub struct Xandikos {
    running: Running,
    _folder: tempfile::TempDir,
    /// Where it speaks HTTP, on loopback.
    pub port: u16,
}

impl Xandikos {
    /// Starts it for this principal.
    ///
    /// # Errors
    /// When Xandikos is not installed or does not come up; its log is in the text.
    pub fn start(principal: &str) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("postern-xandikos-").tempdir()?;
        let port = free_port()?;
        let mut command = Command::new("xandikos");
        command.args(["--listen-address", "127.0.0.1", "--port", &port.to_string(), "--defaults"]);
        command
            .arg(format!("--current-user-principal=/{principal}/"))
            .arg("--directory")
            .arg(folder.path().join("data"));
        let running = Running::start(&mut command, &folder.path().join("log"))?;
        let xandikos = Self { running, _folder: folder, port };
        until("Xandikos to answer", || answers(port))
            .map_err(|late| io::Error::other(format!("{late}; it said:\n{}", xandikos.log())))?;
        Ok(xandikos)
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.running.said()
    }
}
