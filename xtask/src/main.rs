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
    /// How fast and how small, beside nginx, haproxy, Dovecot, Postfix and Radicale in the same run: `--help` says more
    #[command(disable_help_flag = true)]
    Bench {
        /// Which parts, and how much of them, as `bench run` takes them; none: all
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    let done = match Xtask::parse().task {
        Task::Demo { check } => demo::demo(check),
        Task::Test { full } => test::test(full),
        Task::Bench { arguments } => bench::bench(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            progress::tell(&format!("failed: {why}"));
            ExitCode::FAILURE
        }
    }
}
