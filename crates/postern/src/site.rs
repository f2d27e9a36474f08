//! The site as it is served, and what changes of it when its files are read again.

use std::{path::PathBuf, sync::Arc};

use authority::AppPasswordRules;
use front::{Serving, Tls, self_made};
use keeper::{Clock, Keeper, Policy, SystemClock};
use tokio::sync::watch;

use crate::{
    config::{self, Config},
    endpoints::{Lasting, door_names, endpoints},
    monitor::{Now, Watched},
    outbox::{self, Sending},
    rules::{self, Rules},
    serve::ServeError,
};

/// A site at work.
pub(crate) struct Site {
    pub(crate) file: PathBuf,
    pub(crate) config: watch::Sender<Arc<Config>>,
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) tls: Tls,
    pub(crate) lasting: Lasting,
    pub(crate) serving: Serving,
    pub(crate) watched: Arc<Watched>,
    pub(crate) sending: Sending,
}

impl Site {
    /// Reads the configuration, and all files that it names, again. Sessions that are
    /// open go on. What cannot be used changes nothing.
    pub(crate) async fn reload(&mut self) {
        match self.read_again().await {
            Ok(()) => tracing::info!("configuration and certificates were read again"),
            Err(error) => {
                tracing::error!(%error, "the configuration cannot be used: the old one goes on");
                self.reload_certificates();
            }
        }
    }

    /// A certificate that was renewed does not wait until a slip in the configuration
    /// has been mended.
    fn reload_certificates(&self) {
        match self.tls.reload() {
            Ok(()) => tracing::info!("certificates were read again"),
            Err(error) => tracing::error!(%error, "certificates stay as they were"),
        }
    }

    async fn read_again(&mut self) -> Result<(), ServeError> {
        let mut config = Config::read(&self.file)?;
        let kept = config.keep_from(&self.config.borrow());
        let tls = tls(&config)?;
        let (endpoints, lasting) = endpoints(&config, &self.watched, &tls, Some(&self.lasting))?;
        let mail = outbox::settings(&config)?;
        // Told before they hold: what the audit does not know of does not come about.
        let old = self.config.borrow().clone();
        rules::tell(&self.keeper, &old, &Rules::of(&config)).await?;
        // The last that can fail.
        if let Err(error) = self.serving.replace(endpoints) {
            rules::tell(&self.keeper, &old, &Rules::of(&old)).await?;
            return Err(error.into());
        }
        (self.tls, self.lasting) = (tls, lasting);
        self.keeper.know(&config.catalogue);
        self.sending.go_on_by(mail);
        let ended = self.keeper.govern(policy(&config));
        if ended > 0 {
            tracing::info!(ended, "sessions that a primary password had opened were ended: the cutoff is enforced");
        }
        if !kept.is_empty() {
            tracing::warn!(
                keys = kept.join(", "),
                "read at the start alone: the old values go on; restart Postern to use the new ones"
            );
        }
        self.config.send_replace(Arc::new(config));
        self.is_seen();
        Ok(())
    }

    /// Lets whoever watches over the site see it as it is now.
    pub(crate) fn is_seen(&self) {
        let doors = door_names(&self.config.borrow());
        self.watched.see(Now { doors, tls: Some(self.tls.clone()), listening: self.serving.listening() });
    }

    /// Renews the certificate made here, if it is about to end.
    pub(crate) fn renew(&self) {
        let config = self.config.borrow().clone();
        if config.tls.is_some() {
            return;
        }
        // Read again also where nothing is new: yesterday's reading may have failed.
        let made = self_made_certificate(&config).map_err(ServeError::from);
        if let Err(error) = made.and_then(|_| Ok(self.tls.reload()?)) {
            tracing::error!(%error, "the certificate could not be renewed");
        }
    }
}

/// What the keeper decides by.
fn policy(config: &Config) -> Policy {
    Policy {
        cutoff: config.cutoff.mode,
        rules: AppPasswordRules {
            limit: config.app_passwords.limit,
            first_use_within: config.app_passwords.first_use_within.0,
            sessions: config.app_passwords.sessions,
        },
    }
}

/// The certificate: the site's own, or one under a CA made here.
pub(crate) fn tls(config: &Config) -> Result<Tls, ServeError> {
    Ok(match &config.tls {
        Some(files) => {
            for key in files.keys().filter(|key| config::is_exposed(key)) {
                tracing::warn!(file = %key.display(), "everybody on this machine can read the key of the certificate: chmod o-rwx it");
            }
            files.load()?
        }
        None => {
            let made = self_made_certificate(config)?;
            Tls::load(&made.certificate, &made.key)?
        }
    })
}

fn self_made_certificate(config: &Config) -> Result<self_made::SelfMade, self_made::SelfMadeError> {
    let names: Vec<String> = config.names().map(str::to_owned).collect();
    let folder = config.data.join("tls");
    let made = self_made::ensure(&folder, config.domain.as_str(), &names, SystemClock.now().as_secs())?;
    if made.new_ca {
        tracing::warn!(ca = %made.ca.display(), "made a CA of our own: tell apps to trust it");
    }
    Ok(made)
}
