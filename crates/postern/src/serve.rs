//! `postern serve`: everything bound before anything is served.

use std::{io, sync::Arc, time::Duration};

use front::{BindError, Server, Shutdown, Tls, self_made};
use keeper::{Clock, SystemClock};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    backup,
    config::{Config, ConfigError},
    control::socket::{self, Control},
    data::{self, DataError},
    endpoints::endpoints,
};

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Tls(#[from] front::TlsError),
    #[error(transparent)]
    SelfMade(#[from] self_made::SelfMadeError),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error("the control socket cannot be made: {0}: check the data folder")]
    Control(io::Error),
    #[error("the drive's folder cannot be used: {0}: check data/drive")]
    Drive(io::Error),
    #[error("another server has taken the database over: let only one run for each database")]
    Replaced,
    #[error("signals cannot be heard: {0}")]
    Signals(io::Error),
}

/// Serves until told to stop.
pub(crate) async fn serve(config: Config) -> Result<(), ServeError> {
    let config = Arc::new(config);
    let keeper = Arc::new(data::open(&config).await?);
    backup::wipe_leftovers(&config);
    let tls = tls(&config)?;
    let endpoints = endpoints(&config, &keeper, &tls)?;
    let server = Server::bind(endpoints)?;
    let control = Control::bind(socket::path(&config)).map_err(ServeError::Control)?;
    let mut signals = Signals::listen().map_err(ServeError::Signals)?;

    let (stop, shutdown) = Shutdown::pair();
    let mut house = tokio::spawn({
        let keeper = keeper.clone();
        async move { keeper.keep_house().await }
    });
    let renewal = tokio::spawn(renew(config.clone(), tls.clone()));
    let controlling = tokio::spawn(control.serve(keeper.clone(), config.clone(), shutdown.clone()));
    let serving = tokio::spawn(server.run(shutdown));
    tracing::info!(url = %config.url, "ready");

    let replaced = loop {
        tokio::select! {
            _ = &mut house => break true,
            told = signals.next() => match told {
                Told::Stop => break false,
                Told::Reload => match tls.reload() {
                    Ok(()) => tracing::info!("certificates were read again"),
                    Err(error) => tracing::error!(%error, "certificates stay as they were"),
                },
            },
        }
    };
    tracing::info!("stopping");
    stop.request();
    let _ = serving.await;
    let _ = controlling.await;
    house.abort();
    renewal.abort();
    if let Err(error) = keeper.write_journal().await {
        tracing::warn!(%error, "the last second of uses and refusals is lost");
    }
    if replaced { Err(ServeError::Replaced) } else { Ok(()) }
}

/// The certificate: the site's own, or one under a CA made here.
fn tls(config: &Config) -> Result<Tls, ServeError> {
    Ok(match &config.tls {
        Some(files) => {
            if files.is_exposed() {
                tracing::warn!(file = %files.key.display(), "everybody on this machine can read the key of the certificate: chmod o-rwx it");
            }
            Tls::load(&files.certificate, &files.key)?
        }
        None => {
            let made = self_made_certificate(config)?;
            Tls::load(&made.certificate, &made.key)?
        }
    })
}

fn self_made_certificate(config: &Config) -> Result<self_made::SelfMade, self_made::SelfMadeError> {
    let names = [config.url.host().to_owned()];
    let folder = config.data.join("tls");
    let made = self_made::ensure(&folder, config.domain.as_str(), &names, SystemClock.now().as_secs())?;
    if made.new_ca {
        tracing::warn!(ca = %made.ca.display(), "made a CA of our own: tell apps to trust it");
    }
    Ok(made)
}

const DAY: Duration = Duration::from_secs(86_400);

/// Looks daily whether the certificate made here is about to end.
async fn renew(config: Arc<Config>, tls: Tls) {
    while config.tls.is_none() {
        tokio::time::sleep(DAY).await;
        // Read again also where nothing is new: yesterday's reading may have failed.
        let made = self_made_certificate(&config).map_err(ServeError::from);
        if let Err(error) = made.and_then(|_| Ok(tls.reload()?)) {
            tracing::error!(%error, "the certificate could not be renewed");
        }
    }
}

enum Told {
    Stop,
    Reload,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::Stop,
            _ = self.interrupt.recv() => Told::Stop,
            _ = self.hang_up.recv() => Told::Reload,
        }
    }
}
