//! A site in a folder of its own, and the built `postern` on it.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

pub(crate) struct Site(TempDir);

impl Site {
    pub(crate) fn empty() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// With a portal on a Unix socket beside the configuration, and `more` in it.
    pub(crate) fn with(more: &str) -> Self {
        let site = Self::empty();
        let head = "domain = \"example.org\"\nurl = \"https://id.example.org\"\ndata = \"data\"\n";
        site.write("postern.toml", &format!("{head}[portal]\nlisten = [\"unix:portal.sock\"]\ntls = false\n{more}"));
        site
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
        command
            .args(arguments)
            .current_dir(self.0.path())
            .env_remove("POSTERN_CONFIG")
            .env_remove("COLUMNS")
            .env("POSTERN_LOG", "info");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        self.run_with(arguments, "")
    }

    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> Ended {
        let mut child = self.command(arguments).spawn().unwrap();
        // One that fails before it reads has closed the pipe.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let ended = child.wait_with_output().unwrap();
        let text = |octets| String::from_utf8(octets).unwrap();
        Ended { status: ended.status.code(), out: text(ended.stdout), err: text(ended.stderr) }
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    /// A server that has said that it is ready.
    pub(crate) fn serve(&self) -> Server {
        Server::start(&mut self.command(&["serve"]))
    }
}

pub(crate) struct Server {
    child: Child,
    err: BufReader<std::process::ChildStderr>,
    said: String,
}

impl Server {
    /// Returns when it has said that it is ready.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut err = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        while !said.contains("ready") {
            assert_ne!(err.read_line(&mut said).unwrap(), 0, "it did not get ready: {said}");
        }
        Self { child, err, said }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Everything until it says this.
    pub(crate) fn after(&mut self, signal: Signal, awaited: &str) -> &str {
        self.signal(signal);
        while !self.said.contains(awaited) {
            assert_ne!(self.err.read_line(&mut self.said).unwrap(), 0, "it ended: {}", self.said);
        }
        &self.said
    }

    /// Told to stop; what it said, and its status.
    pub(crate) fn stop(mut self) -> (Option<i32>, String) {
        self.signal(Signal::TERM);
        self.err.read_to_string(&mut self.said).unwrap();
        (self.child.wait().unwrap().code(), std::mem::take(&mut self.said))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
