//! Measuring: builds what is measured as it is released, installs the peers, and lets
//! `bench` do the rest. Which parts there are, only `bench` knows.

use std::process::Command;

use crate::{
    packages,
    progress::{quietly, tell},
};

pub(crate) fn bench(arguments: &[String]) -> Result<(), String> {
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--release", "--locked", "--package", "postern", "--package", "bench"]);
    quietly("building Postern and its measuring, as released", &mut build)?;

    let asks_for_help = arguments.iter().any(|argument| argument == "--help" || argument == "-h");
    if !asks_for_help {
        let needed = started("packages", arguments).output().map_err(|error| format!("bench: {error}"))?;
        if !needed.status.success() {
            return Err(String::from_utf8_lossy(&needed.stderr).trim().to_owned());
        }
        let needed = String::from_utf8_lossy(&needed.stdout).into_owned();
        packages::install(&needed.lines().collect::<Vec<_>>())?;
        tell("measuring: leave the machine alone meanwhile");
    }
    let status = started("run", arguments).status().map_err(|error| format!("bench: {error}"))?;
    if status.success() { Ok(()) } else { Err("not everything could be measured, see above".into()) }
}

fn started(command: &str, arguments: &[String]) -> Command {
    let mut bench = Command::new(env!("CARGO"));
    bench.args(["run", "--release", "--locked", "--quiet", "--package", "bench", "--", command]).args(arguments);
    bench
}
