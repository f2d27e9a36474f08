//! Programs that end with the value that stands for them.

use std::{
    fs::{self, File},
    io,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

/// A program that was started here. Dropped, it is asked to end, and made to
/// after ten seconds; what it has started itself goes with it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts it with everything it says going to `log`.
    pub fn start(command: &mut Command, log: &Path) -> io::Result<Self> {
        let out = File::create(log)?;
        let child = command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out).spawn()?;
        Ok(Self { child, log: log.to_owned() })
    }

    /// What it has said so far.
    pub fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid() {
            let _ = kill_process(pid, signal);
        }
    }

    fn pid(&self) -> Option<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// True once it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Waits for its end, at most ten seconds; its exit status.
    pub fn wait(&mut self) -> Option<i32> {
        let ended = until("the program to end", || self.has_ended());
        ended.ok().and_then(|()| self.child.wait().ok()).and_then(|status| status.code())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Ended and waited for, its number may be somebody else's by now.
        if self.has_ended() {
            return;
        }
        let family = self.pid().map(descendants).unwrap_or_default();
        // Stopped ones hear nothing else.
        self.signal(Signal::CONT);
        self.signal(Signal::TERM);
        if until("the program to end", || self.has_ended()).is_err() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        // A driver that is told to end leaves its browser to itself.
        for pid in family {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// What this process has started, and what that has.
fn descendants(of: Pid) -> Vec<Pid> {
    let threads = fs::read_dir(format!("/proc/{}/task", of.as_raw_nonzero())).into_iter().flatten().flatten();
    let children: Vec<Pid> = threads
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<i32>>())
        .filter_map(Pid::from_raw)
        .collect();
    let deeper: Vec<Pid> = children.iter().copied().flat_map(descendants).collect();
    [children, deeper].concat()
}

/// Waits until something is so, at most ten seconds.
///
/// # Errors
/// Says what was waited for.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) -> Result<(), String> {
    for _ in 0..1000 {
        if is_so() {
            return Ok(());
        }
        #[expect(clippy::disallowed_methods, reason = "other programs tell of their state only when asked")]
        std::thread::sleep(Duration::from_millis(10));
    }
    Err(format!("waited ten seconds for {what}"))
}

/// A loopback port that nobody listens on. It is from below those that the system
/// gives to outgoing connections: one of these could take it before the server does.
///
/// # Errors
/// When there is none.
pub fn free_port() -> io::Result<u16> {
    const FIRST: u16 = 10_000;
    const COUNT: u32 = 20_000;
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    // Test programs that run side by side begin far from each other.
    let begin = std::process::id().wrapping_mul(97);
    for _ in 0..COUNT {
        let offset = begin.wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let port = FIRST + u16::try_from(offset).unwrap_or(0);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::Error::other("no loopback port between 10000 and 29999 is free"))
}

pub(crate) fn answers(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Runs a client to its end, at most two minutes: its exit status, and all it said.
///
/// # Errors
/// When it cannot be started.
pub fn run(command: &mut Command) -> io::Result<(Option<i32>, String)> {
    let said = tempfile::NamedTempFile::new()?;
    let mut child = command.stdin(Stdio::null()).stdout(said.reopen()?).stderr(said.reopen()?).spawn()?;
    let mut rounds = 0;
    while child.try_wait()?.is_none() {
        if until("a client", || matches!(child.try_wait(), Ok(Some(_)))).is_err() {
            rounds += 1;
            if rounds == 12 {
                child.kill()?;
            }
        }
    }
    let status = child.wait()?.code();
    Ok((status, fs::read_to_string(said.path())?))
}
