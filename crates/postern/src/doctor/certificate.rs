//! The certificates that people and apps are shown.

use authority::Timestamp;
use front::{CertificateFacts, describe};

use super::Finding;
use crate::{config::Config, terminal::date};

const CHECK: &str = "certificate";
/// Those who renew by hand need so long; those who do not have renewed by then.
const SOON: i64 = 14 * 86_400;

/// Whether they can be read, are for all names, and for how long.
pub(super) fn examine(config: &Config, now: Timestamp) -> Finding {
    let hosts: Vec<&str> = config.names().collect();
    match &config.tls {
        Some(files) => match files.load() {
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
                Ok(facts) if config.url.host() == "localhost" => judge(&[facts], &hosts, now),
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

fn judge(certificates: &[CertificateFacts], hosts: &[&str], now: Timestamp) -> Finding {
    let names = |facts: &CertificateFacts| facts.names.join(", ");
    let until = |facts: &CertificateFacts| date(Timestamp::from_millis(facts.not_after.saturating_mul(1000)));
    let all = certificates.iter().map(names).collect::<Vec<_>>().join(", ");
    let is_missing = |host: &&str| !certificates.iter().any(|facts| facts.covers(host));
    let missing: Vec<&str> = hosts.iter().copied().filter(is_missing).collect();
    if !missing.is_empty() {
        let missing = missing.join(" and ");
        return Finding::fail(
            CHECK,
            format!("it is for {all} and not for {missing}, so browsers and apps refuse it"),
            format!("get one for {} and for the names that apps connect to", hosts.join(", ")),
        );
    }
    if let Some(facts) = certificates.iter().find(|facts| facts.is_out_of_date(now.as_secs())) {
        return Finding::fail(
            CHECK,
            format!("the one for {} is good until {} only, or not yet", names(facts), until(facts)),
            "renew it, then send SIGHUP to the server",
        );
    }
    let Some(first) = certificates.iter().min_by_key(|facts| facts.not_after) else {
        return Finding::fail(CHECK, "there is none", "name one in [tls]");
    };
    if first.not_after - now.as_secs() < SOON {
        return Finding::warn(
            CHECK,
            format!("the one for {} ends on {}", names(first), until(first)),
            "renew it, then send SIGHUP to the server",
        );
    }
    Finding::ok(CHECK, format!("for {all}; until {}", until(first)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn names_and_time_decide() {
        const DAY: i64 = 86_400;
        let good_until =
            |name: &str, day| CertificateFacts { names: vec![name.to_owned()], not_before: 0, not_after: day * DAY };
        let certificates = [good_until("id.example.org", 100), good_until("files.example.org", 50)];
        for (shown, hosts, day, verdict) in [
            (1, &["id.example.org"][..], 1, Verdict::Ok),
            (1, &["id.example.org"], 87, Verdict::Warn),
            (1, &["id.example.org"], 101, Verdict::Fail),
            (1, &["www.example.org"], 1, Verdict::Fail),
            (1, &["id.example.org", "files.example.org"], 1, Verdict::Fail),
            (2, &["id.example.org", "files.example.org"], 1, Verdict::Ok),
            (2, &["id.example.org", "files.example.org"], 37, Verdict::Warn),
            (2, &["id.example.org", "files.example.org"], 51, Verdict::Fail),
            (2, &["dav.example.org"], 1, Verdict::Fail),
        ] {
            let finding = judge(&certificates[..shown], hosts, Timestamp::from_millis(day * DAY * 1000));
            assert_eq!(finding.verdict, verdict, "{finding:?}");
            assert_eq!(finding.remedy.is_some(), verdict != Verdict::Ok, "every trouble comes with what to do");
        }
    }
}
