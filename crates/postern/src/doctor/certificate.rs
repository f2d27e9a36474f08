//! The certificate that people and apps are shown.

use authority::Timestamp;
use front::{CertificateFacts, Tls, describe};

use super::Finding;
use crate::{config::Config, terminal::date};

const CHECK: &str = "certificate";
/// Those who renew by hand need so long; those who do not have renewed by then.
const SOON: i64 = 14 * 86_400;

/// Whether it can be read, is for the portal's name, and for how long.
pub(super) fn examine(config: &Config, now: Timestamp) -> Finding {
    let hosts: Vec<&str> = config.names().collect();
    match &config.tls {
        Some(files) => match Tls::load(&files.certificate, &files.key) {
            Ok(tls) => judge(&tls.facts(), &hosts, now),
            Err(error) => Finding::failed(CHECK, &error),
        },
        None => {
            let folder = config.data.join("tls");
            let certificate = folder.join("server.pem");
            if !certificate.exists() {
                return Finding::ok(CHECK, "`postern serve` makes one, under a CA of its own");
            }
            match describe(&certificate) {
                Ok(facts) if config.url.host() == "localhost" => judge(&facts, &hosts, now),
                Ok(_) => Finding::warn(
                    CHECK,
                    format!("it was made here, so apps refuse it until they trust {}", folder.join("ca.pem").display()),
                    "name a certificate in [tls] that apps know without being told",
                ),
                Err(error) => Finding::failed(CHECK, &error),
            }
        }
    }
}

fn judge(facts: &CertificateFacts, hosts: &[&str], now: Timestamp) -> Finding {
    let until = date(Timestamp::from_millis(facts.not_after.saturating_mul(1000)));
    let missing: Vec<&str> = hosts.iter().copied().filter(|host| !facts.covers(host)).collect();
    if !missing.is_empty() {
        let missing = missing.join(" and ");
        return Finding::fail(
            CHECK,
            format!("it is for {} and not for {missing}, so browsers and apps refuse it", facts.names.join(", ")),
            format!("get one for {} and for the names that apps connect to", hosts.join(", ")),
        );
    }
    if facts.is_out_of_date(now.as_secs()) {
        return Finding::fail(
            CHECK,
            format!("it is good until {until} only, or not yet"),
            "renew it, then send SIGHUP to the server",
        );
    }
    if facts.not_after - now.as_secs() < SOON {
        return Finding::warn(CHECK, format!("it ends on {until}"), "renew it, then send SIGHUP to the server");
    }
    Finding::ok(CHECK, format!("for {}; until {until}", facts.names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn names_and_time_decide() {
        const DAY: i64 = 86_400;
        let facts = CertificateFacts { names: vec!["id.example.org".into()], not_before: 0, not_after: 100 * DAY };
        for (hosts, day, verdict) in [
            (&["id.example.org"][..], 1, Verdict::Ok),
            (&["id.example.org"], 87, Verdict::Warn),
            (&["id.example.org"], 101, Verdict::Fail),
            (&["www.example.org"], 1, Verdict::Fail),
            (&["id.example.org", "dav.example.org"], 1, Verdict::Fail),
        ] {
            let finding = judge(&facts, hosts, Timestamp::from_millis(day * DAY * 1000));
            assert_eq!(finding.verdict, verdict, "{finding:?}");
            assert_eq!(finding.remedy.is_some(), verdict != Verdict::Ok, "every trouble comes with what to do");
        }
    }
}
