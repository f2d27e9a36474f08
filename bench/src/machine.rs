//! Two processors: one for the server that is measured, one for everything that
//! makes it work.

use std::process::{Child, Command};

use rustix::{
    process::{Resource, getrlimit},
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
};

use crate::Outcome;

/// Where something runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Core {
    /// The measured server, alone.
    Server,
    /// Clients, and the server behind.
    Load,
}

impl Core {
    fn set(self) -> Outcome<CpuSet> {
        // What this program may use is read once: later it has chosen already.
        static MAY: std::sync::OnceLock<Vec<usize>> = std::sync::OnceLock::new();
        let may = MAY.get_or_init(|| {
            let allowed = sched_getaffinity(None).unwrap_or_default();
            (0..CpuSet::MAX_CPU).filter(|&cpu| allowed.is_set(cpu)).collect()
        });
        let (&[server, load, ..], place) = (may.as_slice(), self) else {
            return Err("this needs two processors: one for the server, one for its clients".into());
        };
        let mut set = CpuSet::new();
        set.set(if place == Self::Server { server } else { load });
        Ok(set)
    }

    /// Moves this thread, and what it starts from now on.
    pub(crate) fn move_here(self) -> Outcome<()> {
        Ok(sched_setaffinity(None, &self.set()?)?)
    }

    /// Starts a program there: it inherits where its maker is.
    pub(crate) fn spawn(self, command: &mut Command) -> Outcome<Child> {
        self.move_here()?;
        let child = command.spawn();
        Self::Load.move_here()?;
        Ok(child.map_err(|why| format!("{} cannot be started: {why}", command.get_program().display()))?)
    }
}

/// This program, also when it has been built anew meanwhile.
pub(crate) fn ourselves() -> Command {
    Command::new("/proc/self/exe")
}

/// How many files a program may have open here.
pub(crate) fn descriptors() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}
