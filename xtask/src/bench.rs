//! Measuring: installs the peers, builds what is measured as it is released, and
//! lets `bench` do the rest.

use std::process::Command;

use clap::ValueEnum;

use crate::{
    packages,
    progress::{quietly, tell},
};

/// What can be measured by itself. `bench` has the same names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Sign-in decisions, warm and cold, beside Argon2id
    Decision,
    /// Issuing and revoking, many callers beside one
    Durable,
    /// Bytes on disk per credential
    Disk,
    /// Sign-ins through the IMAP gateway, beside its peers
    ImapLogins,
    /// FETCH through the IMAP gateway, beside its peers
    ImapFetch,
    /// Memory per idle IMAP session, beside its peers
    ImapIdle,
    /// Revoking with 10,000 live sessions: the fence, and the sockets
    Revoke,
    /// HTTPS with a credential check, beside nginx
    HttpCheck,
    /// Messages through the gateway to Postfix, beside Postfix alone
    Submission,
    /// Radicale behind the gateway, beside Radicale alone
    Radicale,
}

impl Part {
    /// The Debian packages that it is measured beside.
    fn peers(self) -> &'static [&'static str] {
        match self {
            Self::Decision | Self::Durable | Self::Revoke => &[],
            Self::Disk => &["postgresql"],
            Self::ImapLogins | Self::ImapFetch | Self::ImapIdle => {
                &["dovecot-imapd", "haproxy", "libnginx-mod-mail", "nginx-light"]
            }
            Self::HttpCheck => &["nginx-light"],
            Self::Submission => &["libsasl2-modules", "postfix"],
            Self::Radicale => &["python3-bcrypt", "python3-passlib", "radicale"],
        }
    }
}

pub(crate) fn bench(parts: &[Part], quick: bool, credentials: Option<u64>) -> Result<(), String> {
    let wanted = if parts.is_empty() { Part::value_variants() } else { parts };
    let mut peers: Vec<&str> = wanted.iter().flat_map(|part| part.peers()).copied().collect();
    peers.sort_unstable();
    peers.dedup();
    packages::install(&peers)?;
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--release", "--locked", "--package", "postern", "--package", "bench"]);
    quietly("building Postern and its measuring, as released", &mut build)?;

    let mut bench = Command::new(env!("CARGO"));
    bench.args(["run", "--release", "--locked", "--quiet", "--package", "bench", "--", "run"]);
    bench.args(wanted.iter().filter_map(ValueEnum::to_possible_value).map(|part| part.get_name().to_owned()));
    bench.args(quick.then_some("--quick"));
    if let Some(credentials) = credentials {
        bench.args(["--credentials", &credentials.to_string()]);
    }
    tell("measuring: leave the machine alone meanwhile");
    let status = bench.status().map_err(|error| format!("bench: {error}"))?;
    if status.success() { Ok(()) } else { Err("not everything could be measured, see above".into()) }
}
