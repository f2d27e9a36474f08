//! Thunderbird, on a display that nobody looks at.

use std::process::Command;

use super::apps::Visit;
use crate::thunderbird::command;

pub(super) fn reads(visit: &Visit<'_>) -> Command {
    does("mail", visit)
}

pub(super) fn sends(visit: &Visit<'_>) -> Command {
    does("sending", visit)
}

pub(super) fn has_calendars(visit: &Visit<'_>) -> Command {
    does("calendar", visit)
}

fn does(part: &str, visit: &Visit<'_>) -> Command {
    let mut command = command(visit.site, visit.home, visit.secret, visit.tls("no", "yes"));
    let port = visit.port.to_string();
    command
        .env("IMAP", &port)
        .env("SUBMISSION", &port)
        .env("DAV", &port)
        .env("REALM", visit.door)
        .env("PARTS", part)
        .env("SUBJECT", visit.subject);
    command
}
