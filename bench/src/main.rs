//! How fast and how small Postern is, beside its peers, in one run.
//!
//! `cargo xtask bench` builds and starts this. Every figure that is promised is a
//! ratio between two things measured in turns, minutes apart at most: machines
//! differ, and the same machine differs from hour to hour. The figures themselves
//! stand beside the ratios, for orientation.

mod cold;
mod decision;
mod disk;
mod durable;
mod fence;
mod filled_store;
mod http;
mod machine;
mod mail;
mod part;
mod radicale;
mod report;
mod series;
mod server;
mod site;
mod stopwatch;
mod submission;
mod tls;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

use part::Part;

/// What a part, or a step of one, comes to. Whatever goes wrong is only ever shown.
type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[derive(Parser)]
#[command(name = "bench")]
struct Bench {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure, and show a table
    Run {
        /// Which parts; none: all
        parts: Vec<Part>,
        #[command(flatten)]
        extent: Extent,
    },
    /// The Debian packages that this takes, given what `run` is
    #[command(hide = true)]
    Packages {
        parts: Vec<Part>,
        #[command(flatten)]
        extent: Extent,
    },
    /// The server behind, for `run`
    #[command(hide = true)]
    MailStub { protocol: mail::Protocol, port: u16 },
    /// The web server behind, for `run`
    #[command(hide = true)]
    HttpStub { port: u16 },
    /// The floor that gateways are measured against, for `run`
    #[command(hide = true)]
    Pump { port: u16, upstream: u16, certificate: PathBuf, key: PathBuf },
}

/// How much is measured.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Extent {
    /// Fewer rounds, smaller stores
    #[arg(long)]
    quick: bool,
    /// Credentials in the large store [default: 10000000, with --quick 1000000]
    #[arg(long)]
    credentials: Option<u64>,
}

impl Extent {
    /// So many rounds, or as few as show a spread.
    fn rounds(&self, full: usize) -> usize {
        if self.quick { full.min(3) } else { full }
    }

    fn credentials(&self) -> u64 {
        self.credentials.unwrap_or(if self.quick { 1_000_000 } else { 10_000_000 })
    }
}

fn main() -> ExitCode {
    let served = match Bench::parse().command {
        Command::Run { parts, extent } => return part::run(&parts, &extent),
        Command::Packages { parts, .. } => {
            part::tell_packages(&parts);
            Ok(())
        }
        Command::MailStub { protocol, port } => mail::stub::serve(protocol, port),
        Command::HttpStub { port } => http::stub::serve(port),
        Command::Pump { port, upstream, certificate, key } => mail::pump::serve(port, upstream, &certificate, &key),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            report::tell(&why.to_string());
            ExitCode::FAILURE
        }
    }
}
