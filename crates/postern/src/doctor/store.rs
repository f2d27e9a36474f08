//! The store, its audit chain, and the clock that both depend on.

use authority::Timestamp;
use serde_json::Value;

use super::{Finding, WRITTEN};
use crate::{
    config::Config,
    control::{Command, Outcome, socket},
    terminal::date,
};

/// Clocks are read one after the other; that is no step back.
const SLACK: i64 = 60;

/// Asks the running server, or opens the store where none runs.
pub(super) async fn examine(config: &Config, now: Timestamp) -> Vec<Finding> {
    if config.store.is_none() && !config.data.join("postern.db").exists() {
        let fresh = Finding::ok("store", format!("{} is empty: `postern serve` begins", config.data.display()));
        return vec![fresh, clock(None, now)];
    }
    let running = tokio::net::UnixStream::connect(socket::path(config)).await.is_ok();
    let whole = match ask(config, Command::AuditVerify).await {
        Ok(answer) => answer,
        Err(finding) => return vec![finding, clock(None, now)],
    };
    let lines = whole["lines"].as_u64().unwrap_or(0);
    let by = if running { "the server answers" } else { "it opens; no server is running" };
    let store = Finding::ok("store", format!("{by}; the audit chain of {lines} lines is whole"));
    let newest = match ask(config, Command::AuditList { after: lines.saturating_sub(1), limit: 1 }).await {
        Ok(answer) => answer[0]["time"].as_str().and_then(|time| time.parse::<jiff::Timestamp>().ok()),
        Err(finding) => return vec![store, finding],
    };
    vec![store, clock(newest.map(|newest| Timestamp::from_millis(newest.as_millisecond())), now)]
}

async fn ask(config: &Config, command: Command) -> Result<Value, Finding> {
    match crate::ask(config, command).await {
        Ok(Outcome::Done { answer }) => Ok(answer),
        Ok(Outcome::Refused { why } | Outcome::Unavailable { why }) => Err(Finding::failed("store", &why)),
        Err(failure) => Err(Finding::failed("store", &failure.why)),
    }
}

/// A clock that is behind cannot re-open anything, but it lets nothing expire.
fn clock(newest: Option<Timestamp>, now: Timestamp) -> Finding {
    let remedy = "set it, and have it kept by NTP: `timedatectl set-ntp true`";
    match newest {
        _ if now < WRITTEN => {
            Finding::fail("clock", format!("it shows {}, a time before this version was written", date(now)), remedy)
        }
        Some(newest) if newest.as_secs() > now.as_secs() + SLACK => Finding::fail(
            "clock",
            format!(
                "it shows {}, and the newest line of audit is of {}: until then nothing expires, and no code of a second factor fits",
                date(now),
                date(newest)
            ),
            remedy,
        ),
        _ => Finding::ok("clock", date(now)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_clock_that_is_behind_is_told() {
        let now = WRITTEN.plus(Duration::from_secs(86_400));
        let ahead = now.plus(Duration::from_secs(3600));
        assert!(clock(None, now).is_bearable());
        assert!(clock(Some(now), now).is_bearable());
        assert!(!clock(Some(ahead), now).is_bearable());
        assert!(!clock(None, Timestamp::from_millis(0)).is_bearable());
    }
}
