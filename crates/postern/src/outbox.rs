//! Mail to owners: what `notices` is told of the site.

use std::sync::Arc;

use notices::{Credentials, Outbox, Relay, Settings};
use tokio::{sync::watch, task::JoinHandle};

use crate::{config::Config, endpoints, serve::ServeError};

/// The settings that mail is sent by; none: nothing is sent.
pub(crate) type Current = Option<Arc<Settings>>;

/// Sends until its settings are gone.
pub(crate) struct Sending {
    settings: watch::Sender<Current>,
    run: JoinHandle<()>,
}

impl Sending {
    pub(crate) fn start(outbox: Arc<Outbox>, settings: Current) -> Self {
        if settings.is_none() {
            tracing::info!("no [notices]: owners are told on the portal alone");
        }
        let (settings, current) = watch::channel(settings);
        Self { settings, run: tokio::spawn(async move { outbox.run(current).await }) }
    }

    /// From now on by these.
    pub(crate) fn go_on_by(&self, settings: Current) {
        self.settings.send_replace(settings);
    }

    /// A mail on its way arrives first.
    pub(crate) async fn end(self) {
        drop(self.settings);
        Outbox::ended(self.run).await;
    }
}

/// What the configuration says of it, its password read.
pub(crate) fn settings(config: &Config) -> Result<Current, ServeError> {
    let Some(notices) = &config.notices else { return Ok(None) };
    let credentials = match &notices.login {
        None => None,
        Some((login, file)) => {
            if file.is_exposed() {
                tracing::warn!(file = %file.path().display(), "everybody on this machine can read the password of [notices]: chmod o-rwx it");
            }
            Some(Credentials::new(login.clone(), file.read()?.expose().to_owned()))
        }
    };
    let settings = Settings {
        relay: Relay::new(notices.smtp.clone(), credentials, config.url.host())?,
        from: notices.from.clone(),
        domain: config.domain.to_string(),
        url: config.url.to_string(),
        doors: endpoints::titles(config),
    };
    Ok(Some(Arc::new(settings)))
}
