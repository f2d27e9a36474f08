//! `cargo xtask demo` shows the whole job, `cargo xtask test` is all that CI
//! needs, `cargo xtask bench` measures. All install what is missing.

mod bench;
mod demo;
mod packages;
mod progress;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Xtask {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Show the whole job with real servers and clients; stays up until Ctrl-C
    Demo {
        /// Run it once, and exit 0 or 1
        #[arg(long)]
        check: bool,
    },
    /// Everything that CI needs: format, lints, tests with real servers and clients
    Test {
        /// Run what takes minutes too, and try each property of the parsers on 100,000 inputs instead of 256
        #[arg(long)]
        full: bool,
    },
    /// How fast and how small, beside nginx, haproxy, Dovecot and Radicale in the same run
    Bench {
        /// Which parts; none: all
        parts: Vec<bench::Part>,
        /// Fewer rounds, smaller stores
        #[arg(long)]
        quick: bool,
        /// Credentials in the large store [default: 10000000, with --quick 1000000]
        #[arg(long)]
        credentials: Option<u64>,
    },
}

fn main() -> ExitCode {
    let done = match Xtask::parse().task {
        Task::Demo { check } => demo::demo(check),
        Task::Test { full } => test::test(full),
        Task::Bench { parts, quick, credentials } => bench::bench(&parts, quick, credentials),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            progress::tell(&format!("failed: {why}"));
            ExitCode::FAILURE
        }
    }
}
