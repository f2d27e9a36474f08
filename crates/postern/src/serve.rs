//! `postern serve`: everything bound before anything is served, signals heard, the
//! end.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use front::{BindError, NotPassed, Passed, Server, Shutdown, self_made};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

use crate::{
    backup,
    config::{Config, ConfigError},
    control::socket::{self, Control},
    data::{self, DataError},
    endpoints::endpoints,
    monitor::Watched,
    outbox::{self, Sending},
    rules::{self, NotTold, Rules},
    site::{Site, tls},
    supervisor::Supervisor,
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
    #[error(transparent)]
    Passed(#[from] NotPassed),
    #[error("the control socket cannot be made: {0}: check the data folder")]
    Control(io::Error),
    #[error("the drive's folder cannot be used: {0}: check data/drive")]
    Drive(io::Error),
    #[error("handover: {0}")]
    Handover(gateway::NotATemplate),
    #[error(transparent)]
    Rules(#[from] NotTold),
    #[error("another server has taken the database over: let only one run for each database")]
    Replaced,
    #[error(transparent)]
    Relay(#[from] notices::NotARelay),
    #[error("signals cannot be heard: {0}")]
    Signals(io::Error),
}

/// Serves until told to stop.
pub(crate) async fn serve(file: PathBuf, config: Config, mut passed: Passed) -> Result<(), ServeError> {
    let config = Arc::new(config);
    let keeper = Arc::new(data::open(&config).await?);
    backup::wipe_leftovers(&config);
    let tls = tls(&config)?;
    let watched = Watched::new(keeper.clone());
    let (endpoints, lasting) = endpoints(&config, &watched, &tls, None)?;
    let mail = outbox::settings(&config)?;
    let server = Server::bind_with(endpoints, &mut passed)?;
    passed.none_left()?;
    rules::tell(&keeper, &config, &Rules::of(&config)).await?;
    let control = Control::bind(socket::path(&config)).map_err(ServeError::Control)?;
    let mut signals = Signals::listen().map_err(ServeError::Signals)?;

    let (stop, shutdown) = Shutdown::pair();
    let mut house = tokio::spawn({
        let keeper = keeper.clone();
        async move { keeper.keep_house().await }
    });
    let (config, current) = watch::channel(config);
    let canary = watched.canary.clone();
    let watching = tokio::spawn(canary.clone().watch(keeper.clone(), current.clone()));
    let audit_copy = watched.audit_copy.clone();
    let copying = tokio::spawn(audit_copy.clone().follow(keeper.clone(), current.clone(), shutdown.clone()));
    let controlling = tokio::spawn(control.serve(keeper.clone(), current, canary, shutdown.clone()));
    let sending = Sending::start(watched.outbox.clone(), mail);
    let mut site = Site { file, config, keeper, tls, lasting, serving: server.serve(shutdown), watched, sending };
    site.is_seen();
    let supervisor = Supervisor::default();
    supervisor.ready();
    tracing::info!(url = %site.config.borrow().url, "ready");

    let mut daily = tokio::time::interval(DAY);
    daily.reset();
    let replaced = loop {
        tokio::select! {
            _ = &mut house => break true,
            () = supervisor.expects_a_sign() => supervisor.alive(),
            _ = daily.tick() => site.renew(),
            told = signals.next() => match told {
                Told::Stop => break false,
                Told::Reload => {
                    supervisor.reloading();
                    site.reload().await;
                    supervisor.ready();
                }
            },
        }
    };
    tracing::info!("stopping");
    supervisor.stopping();
    stop.request();
    site.serving.ended().await;
    let _ = controlling.await;
    site.sending.end().await;
    house.abort();
    watching.abort();
    if let Err(error) = site.keeper.write_journal().await {
        tracing::warn!(%error, "the last second of uses and refusals is lost");
    }
    // And the last of it.
    let _ = copying.await;
    let config = site.config.borrow().clone();
    audit_copy.copy(&site.keeper, &config).await;
    if replaced { Err(ServeError::Replaced) } else { Ok(()) }
}

const DAY: Duration = Duration::from_secs(86_400);

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
