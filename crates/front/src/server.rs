//! Endpoints, bound together, served until shutdown, drained at the end.

use std::{io, sync::Arc, time::Duration};

use ipnet::IpNet;
use tokio::{
    task::{JoinError, JoinSet},
    time::{Instant, sleep, timeout},
};
use tracing::{debug, error, info, warn};

use crate::{
    Address, BindError, Limits, Service, Shutdown, Tls,
    admission::{Rules, admit},
    limits::{Crowd, Evicted, Place},
    listener::{Accepted, Listener},
};

/// A place where connections come in.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// For logs: `imap`, `portal`.
    pub name: String,
    /// Where to listen.
    pub address: Address,
    /// Whether and when there is TLS.
    pub security: Security,
    /// Proxies whose PROXY header is believed and without which they get no
    /// further. From anywhere else such a header is what any other bytes would
    /// be: a broken protocol. A program on a Unix socket counts as 127.0.0.1.
    pub proxy_from: Vec<IpNet>,
    /// How many may come.
    pub limits: Limits,
}

/// Whether and when there is TLS.
#[derive(Clone, Debug)]
pub enum Security {
    /// From the first byte.
    Implicit(Tls),
    /// When the protocol asks for it: [`Connection::tls`](crate::Connection::tls).
    StartTls(Tls),
    /// None: behind a web server that ends TLS, on this machine.
    None,
}

/// Everything that listens.
#[derive(Debug)]
pub struct Server {
    entrances: Vec<Entrance>,
    grace: Duration,
}

impl Server {
    /// Binds all endpoints, or none. Call it within a tokio runtime. From now
    /// on the kernel takes connections; they are served by [`Server::run`].
    ///
    /// # Errors
    /// Names the endpoint's address that cannot be had, and what to do.
    pub fn bind(endpoints: Vec<(Endpoint, Arc<dyn Service>)>) -> Result<Self, BindError> {
        let entrances = endpoints
            .into_iter()
            .map(|(endpoint, service)| Entrance::bind(endpoint, service))
            .collect::<Result<_, _>>()?;
        Ok(Self { entrances, grace: Duration::from_secs(10) })
    }

    /// How long connections may take to say goodbye on shutdown: 10 seconds
    /// unless told otherwise.
    #[must_use]
    pub fn with_grace(self, grace: Duration) -> Self {
        Self { grace, ..self }
    }

    /// The addresses listened on, in the order of the endpoints; port 0 has
    /// become a port.
    #[must_use]
    pub fn addresses(&self) -> Vec<Address> {
        self.entrances.iter().map(|entrance| entrance.address.clone()).collect()
    }

    /// Serves until `shutdown` is requested and every connection has ended, or
    /// the grace period has. Dropping the future drops every connection.
    pub async fn run(self, shutdown: Shutdown) {
        let mut entrances = JoinSet::new();
        for entrance in self.entrances {
            entrances.spawn(entrance.run(shutdown.clone(), self.grace));
        }
        while let Some(ended) = entrances.join_next().await {
            log_panic(ended);
        }
    }
}

/// One bound endpoint.
struct Entrance {
    address: Address,
    listener: Listener,
    rules: Arc<Rules>,
    crowd: Arc<Crowd>,
    service: Arc<dyn Service>,
}

impl Entrance {
    fn bind(endpoint: Endpoint, service: Arc<dyn Service>) -> Result<Self, BindError> {
        let Endpoint { name, address, security, proxy_from, limits } = endpoint;
        let listener = Listener::bind(&address)?;
        let address = match listener.local_address() {
            Ok(address) => address,
            Err(source) => return Err(BindError::Other { address, source }),
        };
        Ok(Self {
            address,
            listener,
            rules: Arc::new(Rules { name, security, proxy_from }),
            crowd: Crowd::new(limits),
            service,
        })
    }

    async fn run(self, shutdown: Shutdown, grace: Duration) {
        info!(endpoint = %self.rules.name, address = %self.address, "listening");
        let mut connections = JoinSet::new();
        let mut warnings = Seldom::default();
        loop {
            let accepted = tokio::select! {
                biased;
                () = shutdown.requested() => break,
                Some(ended) = connections.join_next() => {
                    log_panic(ended);
                    continue;
                }
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok(accepted) => match self.crowd.enter() {
                    Ok((place, evicted)) => {
                        connections.spawn(self.connection(accepted, place, evicted, shutdown.clone()));
                    }
                    Err(_) if warnings.due() => warn!(
                        endpoint = %self.rules.name,
                        "as many connections as allowed: closing new ones; raise the limit if they are wanted"
                    ),
                    Err(_) => {}
                },
                Err(error) => self.rest_after(&error, &mut warnings).await,
            }
        }
        // Closes the socket: a successor may bind, clients are refused at once.
        drop(self.listener);
        let drained = timeout(grace, async {
            while let Some(ended) = connections.join_next().await {
                log_panic(ended);
            }
        });
        if drained.await.is_err() {
            info!(endpoint = %self.rules.name, connections = connections.len(), "cut at the end of the grace period");
            connections.shutdown().await;
        }
    }

    /// One connection's life, in a task of its own. Only the service's future
    /// stays in it: the way there is boxed, and freed.
    fn connection(
        &self,
        accepted: Accepted,
        mut place: Place,
        evicted: Evicted,
        shutdown: Shutdown,
    ) -> impl Future<Output = ()> + Send + 'static {
        let (rules, service) = (Arc::clone(&self.rules), Arc::clone(&self.service));
        async move {
            let arrived = Box::pin(async {
                let peer = accepted.peer;
                tokio::select! {
                    arrived = admit(accepted, &rules, &mut place, shutdown.clone()) => match arrived {
                        Ok(connection) => Some(connection),
                        Err(reason) => {
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
                () = evicted.wait() => {}
            }
            drop(place);
        }
    }

    /// A client that is gone already is its own affair. Anything else, above
    /// all a lack of file descriptors (EMFILE), would come back at once and
    /// keep a processor busy: give connections the time to end.
    async fn rest_after(&self, error: &io::Error, warnings: &mut Seldom) {
        use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, NotConnected};
        if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted | NotConnected) {
            return;
        }
        if warnings.due() {
            warn!(
                endpoint = %self.rules.name, %error,
                "cannot accept a connection; trying again (too many open files? raise `LimitNOFILE`)"
            );
        }
        sleep(Duration::from_millis(200)).await;
    }
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
        f.debug_struct("Entrance")
            .field("name", &self.rules.name)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

fn log_panic(ended: Result<(), JoinError>) {
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
