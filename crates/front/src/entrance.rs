//! One bound endpoint: who comes in, and how long they stay.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    task::{JoinError, JoinSet},
    time::{Instant, sleep},
};
use tracing::{debug, error, info, warn};

use crate::{
    Address, BindError, Passed, Service, Shutdown,
    admission::{Closed, Rules, admit},
    limits::{Crowd, Evicted, Place},
    listener::{Accepted, Listener},
    traffic::{Traffic, count},
};

/// What meets whoever comes in. It may change while the listener stays.
#[derive(Clone)]
pub(crate) struct Answering {
    pub(crate) rules: Arc<Rules>,
    pub(crate) service: Arc<dyn Service>,
}

/// A listener, and everyone who came in by it.
pub(crate) struct Entrance {
    address: Address,
    listener: Listener,
    crowd: Arc<Crowd>,
    traffic: Arc<Traffic>,
    answering: watch::Receiver<Answering>,
}

impl Entrance {
    pub(crate) fn bind(
        address: &Address,
        answering: watch::Receiver<Answering>,
        passed: &mut Passed,
    ) -> Result<Self, BindError> {
        let listener = match passed.take(address) {
            Some(listener) => listener.map_err(|source| BindError::Other { address: address.clone(), source })?,
            None => Listener::bind(address)?,
        };
        let address = match listener.local_address() {
            Ok(address) => address,
            Err(source) => return Err(BindError::Other { address: address.clone(), source }),
        };
        Ok(Self { address, listener, crowd: Arc::default(), traffic: Arc::default(), answering })
    }

    /// Port 0 has become a port.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Who is inside.
    pub(crate) fn crowd(&self) -> Arc<Crowd> {
        self.crowd.clone()
    }

    /// Who came.
    pub(crate) fn traffic(&self) -> Arc<Traffic> {
        self.traffic.clone()
    }

    /// Lets people in until shutdown, or until the address is given up; returns when
    /// all have left. After shutdown they have the grace period for that.
    pub(crate) async fn run(mut self, shutdown: Shutdown, grace: Duration) {
        let Answering { rules, .. } = self.answering.borrow_and_update().clone();
        info!(endpoint = %rules.name, address = %self.address, "listening");
        let mut connections = JoinSet::new();
        let mut warnings = Seldom::default();
        loop {
            let accepted = tokio::select! {
                biased;
                () = shutdown.requested() => break,
                changed = self.answering.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => {
                        info!(address = %self.address, "not listening any more");
                        break;
                    }
                },
                Some(ended) = connections.join_next() => {
                    log_panic(ended);
                    continue;
                }
                accepted = self.listener.accept() => accepted,
            };
            let Answering { rules, service } = self.answering.borrow().clone();
            match accepted {
                Ok(accepted) => match self.crowd.enter(&rules.limits) {
                    Ok((place, evicted)) => {
                        count(&self.traffic.accepted);
                        let met = (rules, service, self.traffic.clone());
                        connections.spawn(connection(met, accepted, place, evicted, shutdown.clone()));
                    }
                    Err(_) => {
                        count(&self.traffic.full);
                        if warnings.due() {
                            warn!(
                                endpoint = %rules.name,
                                "as many connections as allowed: closing new ones; raise the limit if they are wanted"
                            );
                        }
                    }
                },
                Err(error) => rest_after(&error, &rules.name, &mut warnings).await,
            }
        }
        // Closes the socket: a successor may bind, clients are refused at once.
        drop(self.listener);
        let all_left = async {
            while let Some(ended) = connections.join_next().await {
                log_panic(ended);
            }
        };
        let time_is_up = async {
            shutdown.requested().await;
            sleep(grace).await;
        };
        tokio::select! {
            () = all_left => {}
            () = time_is_up => {
                info!(address = %self.address, connections = connections.len(), "cut at the end of the grace period");
                connections.shutdown().await;
            }
        }
    }
}

/// One connection's life, in a task of its own. Only the service's future
/// stays in it: the way there is boxed, and freed.
async fn connection(
    (rules, service, traffic): (Arc<Rules>, Arc<dyn Service>, Arc<Traffic>),
    accepted: Accepted,
    mut place: Place,
    evicted: Evicted,
    shutdown: Shutdown,
) {
    let arrived = Box::pin(async {
        let peer = accepted.peer;
        tokio::select! {
            arrived = admit(accepted, &rules, &mut place, shutdown.clone()) => match arrived {
                Ok(connection) => Some(connection),
                Err(reason) => {
                    count(match reason {
                        Closed::Crowded => &traffic.crowded,
                        _ => &traffic.failed,
                    });
                    debug!(endpoint = %rules.name, peer = %peer.address, %reason, "closed");
                    None
                }
            },
            // It has not begun to speak: nobody misses a goodbye.
            () = shutdown.requested() => None,
        }
    });
    let life = async {
        if let Some(connection) = arrived.await {
            service.serve(connection).await;
        }
    };
    tokio::select! {
        () = life => {}
        () = evicted.wait() => count(&traffic.evicted),
    }
    drop(place);
}

/// A client that is gone already is its own affair. Anything else, above
/// all a lack of file descriptors (EMFILE), would come back at once and
/// keep a processor busy: give connections the time to end.
async fn rest_after(error: &io::Error, endpoint: &str, warnings: &mut Seldom) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, NotConnected};
    if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted | NotConnected) {
        return;
    }
    if warnings.due() {
        warn!(
            endpoint, %error,
            "cannot accept a connection; trying again (too many open files? raise `LimitNOFILE`)"
        );
    }
    sleep(Duration::from_millis(200)).await;
}

/// At most one warning a minute: a flood must not fill the log.
#[derive(Default)]
struct Seldom(Option<Instant>);

impl Seldom {
    fn due(&mut self) -> bool {
        let due = self.0.is_none_or(|last| last.elapsed() >= Duration::from_secs(60));
        if due {
            self.0 = Some(Instant::now());
        }
        due
    }
}

impl std::fmt::Debug for Entrance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entrance").field("address", &self.address).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Answering {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answering").field("rules", &self.rules).finish_non_exhaustive()
    }
}

pub(crate) fn log_panic(ended: Result<(), JoinError>) {
    if let Err(failed) = ended
        && failed.is_panic()
    {
        error!(error = %failed, "a connection's task panicked; the others go on");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_told_once_a_minute() {
        let mut warnings = Seldom::default();
        assert!(warnings.due());
        for _ in 0..59 {
            sleep(Duration::from_secs(1)).await;
            assert!(!warnings.due());
        }
        sleep(Duration::from_secs(1)).await;
        assert!(warnings.due());
    }
}
