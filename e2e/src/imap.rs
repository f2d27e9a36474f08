//! IMAP by hand, over TLS that `openssl s_client` speaks: for tests that need to
//! see, or to send, every byte.

use std::{
    io::{self, BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

/// One connection.
#[derive(Debug)]
pub struct Imap {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
}

impl Imap {
    /// Connects; `starttls` upgrades a connection in the clear.
    ///
    /// # Errors
    /// When openssl cannot be started.
    pub fn connect(port: u16, ca: &Path, starttls: bool) -> io::Result<Self> {
        Self::speaking(port, ca, starttls.then_some("imap"))
    }

    /// Connects to a door of any protocol; the name of one upgrades a connection
    /// in the clear by its STARTTLS.
    ///
    /// # Errors
    /// When openssl cannot be started.
    pub fn speaking(port: u16, ca: &Path, starttls: Option<&str>) -> io::Result<Self> {
        let mut command = Command::new("openssl");
        command.args(["s_client", "-quiet", "-verify_quiet", "-verify_return_error", "-verify_hostname", "localhost"]);
        command.args(["-servername", "localhost", "-connect", &format!("127.0.0.1:{port}"), "-CAfile"]).arg(ca);
        if let Some(protocol) = starttls {
            command.args(["-starttls", protocol]);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let stdin = child.stdin.take().ok_or_else(|| io::Error::other("no pipe to openssl"))?;
        let stdout = child.stdout.take().ok_or_else(|| io::Error::other("no pipe from openssl"))?;
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, stdin, lines })
    }

    /// Sends a line.
    ///
    /// # Errors
    /// When the connection is over.
    pub fn send(&mut self, line: &str) -> io::Result<()> {
        self.stdin.write_all(format!("{line}\r\n").as_bytes())?;
        self.stdin.flush()
    }

    /// The next line; `None` when the connection is over, or silent for 20 seconds.
    pub fn line(&mut self) -> Option<String> {
        self.lines.recv_timeout(Duration::from_secs(20)).ok()
    }

    /// Sends a command and reads up to its tagged answer, or to the end.
    ///
    /// # Errors
    /// When the connection is over before.
    pub fn command(&mut self, tag: &str, command: &str) -> io::Result<Vec<String>> {
        self.send(&format!("{tag} {command}"))?;
        let mut answer = Vec::new();
        while let Some(line) = self.line() {
            let last = line.starts_with(&format!("{tag} "));
            answer.push(line);
            if last {
                break;
            }
        }
        Ok(answer)
    }

    /// Reads to the end of the connection: all that was said.
    pub fn rest(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.line()).collect()
    }
}

impl Drop for Imap {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
