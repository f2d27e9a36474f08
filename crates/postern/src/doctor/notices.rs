//! Whether owners can be told by mail.

use super::Finding;
use crate::{config::Config, outbox};

/// Greets the mail server, and signs in to it where the configuration says how; no
/// mail is sent.
pub(super) async fn examine(config: &Config) -> Finding {
    const CHECK: &str = "notices";
    let settings = match outbox::settings(config) {
        Ok(Some(settings)) => settings,
        Ok(None) => {
            return Finding::warn(
                CHECK,
                "no mail is sent: owners see on the portal alone what happened to their passwords",
                "name a mail server in [notices]: docs/notices.md",
            );
        }
        Err(error) => return Finding::failed(CHECK, &error),
    };
    let server = settings.relay.url();
    match settings.relay.try_out().await {
        Ok(()) => Finding::ok(CHECK, format!("{server} takes mail to owners, from {}", settings.from)),
        Err(error) => Finding::fail(
            CHECK,
            format!("{server}: {error}"),
            "look at the mail server, and at smtp, login and password_file in [notices]; notices wait meanwhile",
        ),
    }
}
