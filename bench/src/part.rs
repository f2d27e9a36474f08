//! The parts, one after the other: two at once would measure each other.

use std::process::ExitCode;

use clap::ValueEnum;

use crate::{
    Extent, Outcome, cold, decision, disk, durable, fence, http, imap, radicale,
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
    fn measure(self, extent: &Extent) -> Outcome<Vec<Line>> {
        match self {
            Self::Decision => Ok([decision::measure(extent)?, cold::measure(extent)?].concat()),
            Self::Durable => durable::measure(extent),
            Self::Disk => disk::measure(extent),
            Self::ImapLogins => imap::logins::measure(extent),
            Self::ImapFetch => imap::fetch::measure(extent),
            Self::ImapIdle => imap::idle::measure(extent),
            Self::Revoke => Ok([fence::measure(extent)?, imap::revoke::measure(extent)?].concat()),
            Self::HttpCheck => http::measure(extent),
            Self::Submission => submission::measure(extent),
            Self::Radicale => radicale::measure(extent),
        }
    }

    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// Measures, and shows the table. A figure that falls short is not a failure: one
/// that could not be taken is.
pub(crate) fn run(parts: &[Part], extent: &Extent) -> ExitCode {
    let parts = if parts.is_empty() { Part::value_variants() } else { parts };
    let (mut lines, mut failed) = (vec![], vec![]);
    for part in parts {
        match part.measure(extent) {
            Ok(measured) => lines.extend(measured),
            Err(why) => failed.push(format!("{} could not be measured: {why}", part.name())),
        }
    }
    report::show(&lines);
    failed.iter().for_each(|why| tell(why));
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
