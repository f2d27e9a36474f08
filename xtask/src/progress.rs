//! What is going on, for people who wait.

use std::{
    io::{IsTerminal, Write},
    process::{Command, Stdio},
    time::Duration,
};

use indicatif::ProgressBar;

/// A line on standard error; standard output belongs to what was asked for.
pub(crate) fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Runs something quietly, with a spinner on a terminal; all it said is in the error.
pub(crate) fn quietly(what: &str, command: &mut Command) -> Result<(), String> {
    let bar = if std::io::stderr().is_terminal() {
        let bar = ProgressBar::new_spinner().with_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    } else {
        tell(&format!("{what} ..."));
        ProgressBar::hidden()
    };
    let output = command.stdin(Stdio::null()).output();
    bar.finish_and_clear();
    let output = output.map_err(|error| format!("{what}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(format!("{what}:\n{}", String::from_utf8_lossy(&said)))
}
