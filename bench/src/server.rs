//! A server that is measured: what it takes of the processor and of memory, with
//! all the processes that belong to it.

use std::{
    collections::HashMap,
    fs::{self, File},
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use rustix::{
    param::clock_ticks_per_second,
    process::{Pid, Signal, kill_process},
};

use crate::{Outcome, machine::Core};

/// Ended, with its family, when dropped.
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts it and waits until it takes connections on `port`.
    pub(crate) fn start(command: &mut Command, core: Core, port: u16, log: &Path) -> Outcome<Self> {
        let out = File::create(log)?;
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        let mut server = Self { child: core.spawn(command)?, log: log.to_owned() };
        let listens = || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
        e2e::until("it to listen", || listens() || server.has_ended())?;
        if server.has_ended() {
            return Err(format!("{command:?} has ended:\n{}", server.said()).into());
        }
        Ok(server)
    }

    /// The last that it has logged.
    pub(crate) fn said(&self) -> String {
        let said = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = said.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }

    fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Seconds of processor time that it has taken since it was started.
    pub(crate) fn worked(&self) -> f64 {
        let ticks: u64 = self.family().iter().map(|process| process.ticks).sum();
        ticks as f64 / clock_ticks_per_second() as f64
    }

    /// Proportional set size: memory of its own, and its share of what it shares. KiB.
    pub(crate) fn memory(&self) -> Outcome<u64> {
        let mut sum = 0;
        for process in self.family() {
            let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", process.pid))?;
            let pss = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
            let pss = pss.and_then(|rest| rest.trim().strip_suffix(" kB")).ok_or("smaps_rollup has no Pss")?;
            sum += pss.trim().parse::<u64>()?;
        }
        Ok(sum)
    }

    fn family(&self) -> Vec<Process> {
        let mut children: HashMap<u32, Vec<Process>> = HashMap::new();
        let mut family = vec![];
        for process in fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|at| Process::read(&at.path()))
        {
            if process.pid == self.child.id() {
                family.push(process);
            } else {
                children.entry(process.parent).or_default().push(process);
            }
        }
        let mut at = 0;
        while let Some(process) = family.get(at) {
            let of_this = children.remove(&process.pid);
            family.extend(of_this.into_iter().flatten());
            at += 1;
        }
        family
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let family = self.family();
        let signal = |pid: u32, signal| {
            if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                let _ = kill_process(pid, signal);
            }
        };
        if !self.has_ended() {
            signal(self.child.id(), Signal::TERM);
            if e2e::until("the server to end", || self.has_ended()).is_err() {
                let _ = self.child.kill();
                let _ = self.child.wait();
            }
        }
        // What it has left behind, unless the number is somebody else's by now.
        for process in family.into_iter().skip(1) {
            let path = PathBuf::from(format!("/proc/{}", process.pid));
            if Process::read(&path).is_some_and(|now| now.started == process.started) {
                signal(process.pid, Signal::KILL);
            }
        }
    }
}

struct Process {
    pid: u32,
    parent: u32,
    /// Its own time, and that of children it has seen end.
    ticks: u64,
    started: u64,
}

impl Process {
    fn read(folder: &Path) -> Option<Self> {
        let pid = folder.file_name()?.to_str()?.parse().ok()?;
        Self::parse(pid, &fs::read_to_string(folder.join("stat")).ok()?)
    }

    /// From `/proc/PID/stat` (proc(5)): what stands behind the name, which may hold
    /// anything, begins with the third field.
    fn parse(pid: u32, stat: &str) -> Option<Self> {
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        Some(Self {
            pid,
            parent: u32::try_from(number(4)?).ok()?,
            ticks: (14..=17).filter_map(number).sum(),
            started: number(22)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_anything_in_it_moves_no_field() {
        let stat = "42 (nginx: (worker) 7) S 41 1 1 0 -1 4194560 9 0 0 0 100 20 3 4 20 0 1 0 5555 0 0";
        let process = Process::parse(42, stat).unwrap();
        assert_eq!((process.pid, process.parent, process.ticks, process.started), (42, 41, 127, 5555));
    }
}
