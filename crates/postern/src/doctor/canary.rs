//! The canary, sent out by the running server while we wait.

use serde_json::Value;

use super::Finding;
use crate::{
    config::Config,
    control::{Command, Outcome, socket},
};

const CHECK: &str = "canary";

/// One finding for each place that lets it in; else one in all.
pub(super) async fn examine(config: &Config) -> Vec<Finding> {
    let answer = match socket::ask(&socket::path(config), &Command::Canary).await {
        Ok(Some(Outcome::Done { answer })) => answer,
        Ok(None) => {
            return vec![Finding::ok(
                CHECK,
                "no server is running: it is tried at every door, and behind, once one does",
            )];
        }
        Ok(Some(Outcome::Refused { why } | Outcome::Unavailable { why })) => return vec![Finding::failed(CHECK, &why)],
        Err(error) => return vec![Finding::failed(CHECK, &error)],
    };
    judge(&answer)
}

fn judge(answer: &Value) -> Vec<Finding> {
    let list = |name: &str| answer[name].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let let_in = list("let_in");
    if !let_in.is_empty() {
        let alarm = |place: &Value| {
            Finding::fail(
                CHECK,
                format!("BACK DOOR: {} let the canary in with {}", text(&place["place"]), text(&place["with"])),
                "whoever reaches it needs no app password: have it refuse all but Postern, or close it; see docs/monitoring.md",
            )
        };
        return let_in.iter().map(alarm).collect();
    }
    let refused = answer["refused"].as_u64().unwrap_or(0);
    let silent = list("no_answer");
    let silent = match silent.as_slice() {
        [] => String::new(),
        [one] => format!("; {} gave no answer: {}", text(&one["place"]), text(&one["why"])),
        [one, others @ ..] => {
            format!("; {} and {} more gave no answer, which is no alarm", text(&one["place"]), others.len())
        }
    };
    let found = format!("refused at {refused} places, with its primary, a revoked and a foreign password{silent}");
    match refused {
        0 => vec![Finding::warn(CHECK, found, "see whether anything listens where it should")],
        _ => vec![Finding::ok(CHECK, found)],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_yes_fails_whatever_else_was_said() {
        let yes = json!({ "place": "imap://127.0.0.1:143 (upstream of imap)", "with": "its primary password" });
        let silent = json!([{ "place": "pop3://a:110 (SRV _pop3._tcp)", "why": "refused" }]);
        for (let_in, refused, bearable) in [(json!([yes]), 9, false), (json!([]), 9, true), (json!([]), 0, true)] {
            let findings = judge(&json!({ "let_in": let_in, "refused": refused, "no_answer": silent }));
            assert_eq!(findings.iter().all(Finding::is_bearable), bearable, "{findings:?}");
        }
    }
}
