//! `postern doctor`: looks at everything that a site stands on, tries to get
//! past Postern, and says what to do.
//!
//! It changes nothing: no file is made, no account of anybody is touched, and the
//! servers behind are asked only with names that were made up for the occasion, and
//! with the canary's, by the server that runs.
//!
//! **To add a check:** a function that returns a [`Finding`], and its line in
//! [`examine`].

mod app_lock;
mod canary;
mod certificate;
mod keys;
mod notices;
mod places;
mod store;
mod upstream;

use std::path::Path;

use authority::Timestamp;
use front::Address;
use keeper::{Clock, SystemClock};
use serde::Serialize;

use crate::config::Config;

/// No clock that is right shows a time before this version was written:
/// 2026-11-01T00:00:00Z.
const WRITTEN: Timestamp = Timestamp::from_millis(1_793_491_200_000);

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    /// As it should be.
    Ok,
    /// It works, and somebody should look at it.
    Warn,
    /// It does not work, or it is not safe.
    Fail,
}

/// What one check found, as `--json` prints it.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    check: String,
    verdict: Verdict,
    found: String,
    remedy: Option<String>,
}

impl Finding {
    fn ok(check: impl Into<String>, found: impl Into<String>) -> Self {
        Self { check: check.into(), verdict: Verdict::Ok, found: found.into(), remedy: None }
    }

    fn warn(check: impl Into<String>, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { check: check.into(), verdict: Verdict::Warn, found: found.into(), remedy: Some(remedy.into()) }
    }

    fn fail(check: impl Into<String>, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { check: check.into(), verdict: Verdict::Fail, found: found.into(), remedy: Some(remedy.into()) }
    }

    /// From an error of ours, which says what happened, then what to do.
    fn failed(check: impl Into<String>, error: &impl ToString) -> Self {
        let text = error.to_string();
        match text.rsplit_once("; ").or_else(|| text.rsplit_once(": ")) {
            Some((found, remedy)) => Self::fail(check, found, remedy),
            None => Self { check: check.into(), verdict: Verdict::Fail, found: text, remedy: None },
        }
    }

    /// True if the site can go on with it.
    pub(crate) fn is_bearable(&self) -> bool {
        self.verdict != Verdict::Fail
    }
}

/// Everything, in the order in which it is put right.
pub(crate) async fn examine(file: &Path) -> Vec<Finding> {
    let config = match Config::read(file) {
        Ok(config) => config,
        Err(error) => {
            return vec![Finding::fail("configuration", error.to_string(), "correct it, then run doctor again")];
        }
    };
    let now = SystemClock.now();
    let mut findings = vec![Finding::ok("configuration", format!("{} is sound", file.display()))];
    findings.extend(places::examine(file, &config));
    findings.push(certificate::examine(&config, now));
    findings.extend(portal(&config));
    findings.extend(keys::examine(&config));
    findings.extend(store::examine(&config, now).await);
    for gateway in &config.gateway {
        findings.extend(upstream::examine(&config, gateway).await);
    }
    findings.extend(app_lock::examine(&config));
    findings.push(notices::examine(&config).await);
    findings.extend(canary::examine(&config).await);
    findings
}

/// Behind a web server that ends TLS, two things go wrong in silence.
fn portal(config: &Config) -> Option<Finding> {
    let portal = &config.portal;
    if portal.tls {
        return None;
    }
    let open = portal.listen.iter().find(|address| match address {
        Address::Tcp(address) => !address.ip().is_loopback(),
        Address::Unix(_) => false,
    });
    Some(match open {
        Some(address) => Finding::warn(
            "portal",
            format!("it listens on {address} without TLS: passwords cross the network in the clear"),
            "listen on 127.0.0.1 or a Unix socket, where the web server in front is",
        ),
        None if portal.trusted_proxies.is_empty() => Finding::warn(
            "portal",
            "no web server in front of it is trusted: all visitors seem to come from one address, and are throttled as one",
            "name the web server in [portal] trusted_proxies",
        ),
        None => Finding::ok("portal", "TLS is left to the web server in front"),
    })
}
