//! What each door sees of the app at the other end: what its lock is worth there.

use authority::{LockMode, Protocol};
use front::Address;

use super::Finding;
use crate::{
    config::{Config, Gateway},
    endpoints,
};

pub(super) fn examine(config: &Config) -> Vec<Finding> {
    let mode = match config.app_passwords.lock {
        LockMode::Lock => Finding::ok("app lock", "a new password works in one app"),
        LockMode::Watch => Finding::warn(
            "app lock",
            "a new password works in any app, and its owner is told of others than its own",
            "set lock = \"lock\" in [app_passwords] when the notices are about nobody's own apps any more",
        ),
        LockMode::Off => Finding::warn(
            "app lock",
            "a new password works in any app: whoever gets hold of one can use it anywhere",
            "set lock = \"lock\" in [app_passwords], or \"watch\" at first",
        ),
    };
    let doors = config
        .gateway
        .iter()
        .map(|gateway| at(&gateway.name, endpoints::door(gateway).protocol, sees_tls(config, gateway)));
    let drive = config.drive.as_ref().map(|_| at("drive", Protocol::Http, true));
    [mode].into_iter().chain(doors).chain(drive).collect()
}

/// A Unix socket bears no TLS, nor a host of a portal without: a server in front has
/// ended it.
fn sees_tls(config: &Config, gateway: &Gateway) -> bool {
    let ends_with_the_portal = gateway.host.is_some() && !config.portal.tls;
    !ends_with_the_portal && !gateway.listen.iter().any(|address| matches!(address, Address::Unix(_)))
}

fn at(door: &str, protocol: Protocol, tls: bool) -> Finding {
    let seen = evidence(protocol);
    let check = format!("app lock at {door}");
    if tls {
        Finding::ok(check, format!("it sees the TLS library, {seen}"))
    } else {
        Finding::warn(
            check,
            format!("TLS ends in front of it, so that it sees {seen} alone: apps that say no name look alike"),
            "let TLS end here: have the server in front pass connections on as they are, with the PROXY protocol",
        )
    }
}

fn evidence(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Imap => "the name in ID, how the app speaks, and its first command",
        Protocol::Submission => "how the app speaks, and the header of its first message with the name in it",
        Protocol::Pop3 | Protocol::Sieve => "how the app speaks until it has signed in: these protocols know no names",
        Protocol::Http => "the name in User-Agent, and the order and case of headers",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn a_door_behind_a_server_that_ends_tls_says_what_is_left() {
        let finding = at("imap", Protocol::Imap, false);
        assert_eq!(finding.verdict, Verdict::Warn);
        assert!(finding.found.contains("the name in ID") && finding.remedy.is_some(), "{finding:?}");
        assert_eq!(at("imap", Protocol::Imap, true).verdict, Verdict::Ok);
    }
}
