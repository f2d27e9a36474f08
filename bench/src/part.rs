//! The parts, one after the other: two at once would measure each other.

use std::{collections::BTreeSet, io::Write, process::ExitCode};

use clap::ValueEnum;

use crate::{
    Extent, Outcome, cold, decision, disk, durable, fence, http,
    mail::{self, Protocol},
    radicale,
    report::{self, Line, tell},
    submission,
};

/// What can be measured by itself.
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
    /// Sign-ins through the gateways of POP3, ManageSieve and submission, beside their peers
    MailLogins,
    /// Memory per idle session of these, beside their peers
    MailIdle,
    /// Revoking with 10,000 live sessions: the fence, and the sockets
    Revoke,
    /// HTTPS with a credential check, beside nginx
    HttpCheck,
    /// Messages through the gateway to Postfix, beside Postfix alone
    Submission,
    /// Radicale behind the gateway, beside Radicale alone
    Radicale,
    /// All that are measured beside a peer
    Peers,
}

impl Part {
    /// Which are meant; none: all.
    fn all_of(named: &[Self]) -> Vec<Self> {
        let is_meant = |part: &Self| {
            let is_named = named.is_empty() || named.contains(part);
            is_named || named.contains(&Self::Peers) && part.is_beside_peers()
        };
        Self::value_variants().iter().copied().filter(|part| *part != Self::Peers && is_meant(part)).collect()
    }

    fn is_beside_peers(self) -> bool {
        !matches!(self, Self::Decision | Self::Durable | Self::Disk | Self::Revoke)
    }

    /// The Debian packages that it needs.
    fn packages(self) -> &'static [&'static str] {
        match self {
            Self::Decision | Self::Durable | Self::Revoke | Self::Peers => &[],
            Self::Disk => &["postgresql"],
            Self::ImapLogins | Self::ImapFetch | Self::ImapIdle => {
                &["dovecot-imapd", "haproxy", "libnginx-mod-mail", "nginx-light"]
            }
            Self::MailLogins | Self::MailIdle => &["haproxy"],
            Self::HttpCheck => &["nginx-light"],
            Self::Submission => &["libsasl2-modules", "postfix"],
            Self::Radicale => &["nginx-light", "python3-bcrypt", "python3-passlib", "radicale"],
        }
    }

    fn measure(self, extent: &Extent) -> Outcome<Vec<Line>> {
        match self {
            Self::Decision => Ok([decision::measure(extent)?, cold::measure(extent)?].concat()),
            Self::Durable => durable::measure(extent),
            Self::Disk => disk::measure(extent),
            Self::ImapLogins => mail::logins::measure(extent, Protocol::Imap),
            Self::ImapFetch => mail::fetch::measure(extent),
            Self::ImapIdle => mail::idle::measure(extent, Protocol::Imap),
            Self::MailLogins => mail::logins::measure_others(extent),
            Self::MailIdle => mail::idle::measure_others(extent),
            Self::Revoke => Ok([fence::measure(extent)?, mail::revoke::measure(extent)?].concat()),
            Self::HttpCheck => http::measure(extent),
            Self::Submission => submission::measure(extent),
            Self::Radicale => radicale::measure(extent),
            Self::Peers => Ok(vec![]),
        }
    }

    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// Measures, and shows the table. A figure that falls short is not a failure: one
/// that could not be taken is.
pub(crate) fn run(parts: &[Part], extent: &Extent) -> ExitCode {
    let (mut lines, mut failed) = (vec![], vec![]);
    for part in Part::all_of(parts) {
        match part.measure(extent) {
            Ok(measured) => lines.extend(measured),
            Err(why) => failed.push(format!("{} could not be measured: {why}", part.name())),
        }
    }
    report::show(&lines);
    failed.iter().for_each(|why| tell(why));
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Names the Debian packages that these parts need, one a line.
pub(crate) fn tell_packages(parts: &[Part]) {
    let parts = Part::all_of(parts);
    let packages: BTreeSet<&str> = parts.iter().flat_map(|part| part.packages()).copied().collect();
    packages.iter().for_each(|package| {
        let _ = writeln!(std::io::stdout(), "{package}");
    });
}
