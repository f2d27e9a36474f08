//! Everything that CI needs, in one go.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};

use crate::{
    packages::{self, DEMO, TESTS},
    progress::tell,
};

/// What `--full` tells the tests: how many inputs each property of the parsers is
/// tried on (256 in CI), and to run what waits for minutes.
const FULL: [(&str, &str); 2] = [("PROPTEST_CASES", "100000"), ("POSTERN_FULL", "1")];

pub(crate) fn test(full: bool) -> Result<(), String> {
    let started = now();
    packages::install(&[DEMO, TESTS, if full { packages::FULL } else { &[] }].concat())?;
    let installed = now();
    cargo(&["fmt", "--all", "--check"])?;
    cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--quiet", "--", "-D", "warnings"])?;
    cargo(&["build", "--package", "postern", "--locked"])?;
    cargo(&["test", "--workspace", "--locked", "--no-run", "--quiet"])?;
    let built = now();
    let totals = run_tests(full)?;
    let tested = now();
    tell(&format!(
        "\ninstalling took {}, building {}, testing {}",
        minutes(installed.saturating_sub(started)),
        minutes(built.saturating_sub(installed)),
        minutes(tested.saturating_sub(built)),
    ));
    let Totals { passed, failed, ignored } = totals;
    let _ = writeln!(std::io::stdout(), "{passed} passed, {failed} failed, {ignored} skipped");
    if failed == 0 && passed > 0 { Ok(()) } else { Err("not all tests passed".into()) }
}

#[derive(Default)]
struct Totals {
    passed: u64,
    failed: u64,
    ignored: u64,
}

/// Runs all test programs, passes on what they say, and adds up their closing lines.
fn run_tests(full: bool) -> Result<Totals, String> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["test", "--workspace", "--locked", "--no-fail-fast"]);
    if full {
        command.envs(FULL);
    }
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| format!("cargo test: {error}"))?;
    let mut totals = Totals::default();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let _ = writeln!(std::io::stdout(), "{line}");
            if line.starts_with("test result:") {
                add(&mut totals, &line);
            }
        }
    }
    let status = child.wait().map_err(|error| format!("cargo test: {error}"))?;
    // A program that crashed has no closing line of its own.
    if !status.success() && totals.failed == 0 {
        totals.failed = 1;
    }
    Ok(totals)
}

/// "test result: ok. 12 passed; 0 failed; 0 ignored; ..."
fn add(totals: &mut Totals, line: &str) {
    let count = |word: &str| {
        let before = line.split(word).next().and_then(|rest| rest.split_whitespace().last());
        before.and_then(|number| number.parse::<u64>().ok()).unwrap_or(0)
    };
    totals.passed += count(" passed");
    totals.failed += count(" failed");
    totals.ignored += count(" ignored");
}

fn cargo(arguments: &[&str]) -> Result<(), String> {
    let what = format!("cargo {}", arguments.join(" "));
    tell(&format!("$ {what}"));
    let status = Command::new(env!("CARGO")).args(arguments).status().map_err(|error| format!("{what}: {error}"))?;
    if status.success() {
        return Ok(());
    }
    let remedy = match arguments.first() {
        Some(&"fmt") => "run `cargo fmt --all`; if there is no rustfmt: rustup component add rustfmt",
        Some(&"clippy") => "mend what it names; if there is no clippy: rustup component add clippy",
        _ => "see above",
    };
    Err(format!("{what}: {remedy}"))
}

fn now() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}

fn minutes(took: Duration) -> String {
    format!("{}:{:02} min", took.as_secs() / 60, took.as_secs() % 60)
}
