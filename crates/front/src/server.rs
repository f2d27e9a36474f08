//! Endpoints, bound together, served until shutdown, drained at the end; changed
//! meanwhile.

use std::{sync::Arc, time::Duration};

use ipnet::IpNet;
use tokio::{sync::watch, task::JoinSet};

use crate::{
    Address, BindError, Limits, Passed, Service, Shutdown, Tls,
    admission::Rules,
    entrance::{Answering, Entrance, log_panic},
    limits::Crowd,
    traffic::{Listening, Traffic},
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
    places: Vec<Place>,
    grace: Duration,
}

/// An address that is listened on.
#[derive(Debug)]
struct Place {
    /// As it was asked for.
    asked: Address,
    /// Port 0 has become a port.
    bound: Address,
    /// Dropped, nobody is let in any more.
    answering: watch::Sender<Answering>,
    crowd: Arc<Crowd>,
    traffic: Arc<Traffic>,
}

impl Place {
    fn listening(&self) -> Listening {
        Listening {
            name: self.answering.borrow().rules.name.clone(),
            address: self.bound.clone(),
            crowd: self.crowd.clone(),
            traffic: self.traffic.clone(),
        }
    }
}

type Answered = (Endpoint, Arc<dyn Service>);

impl Server {
    /// Binds all endpoints, or none. Call it within a tokio runtime. From now
    /// on the kernel takes connections; they are served by [`Server::serve`].
    ///
    /// # Errors
    /// Names the endpoint's address that cannot be had, and what to do.
    pub fn bind(endpoints: Vec<Answered>) -> Result<Self, BindError> {
        Self::bind_with(endpoints, &mut Passed::default())
    }

    /// The same; an address that whoever started this program listens on already
    /// is taken from there.
    ///
    /// # Errors
    /// As for [`Server::bind`].
    pub fn bind_with(endpoints: Vec<Answered>, passed: &mut Passed) -> Result<Self, BindError> {
        let mut server = Self { entrances: Vec::new(), places: Vec::new(), grace: Duration::from_secs(10) };
        for answered in endpoints {
            let (entrance, place) = bind(answered, passed)?;
            server.entrances.push(entrance);
            server.places.push(place);
        }
        Ok(server)
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
        self.places.iter().map(|place| place.bound.clone()).collect()
    }

    /// Serves until `shutdown` is requested. Dropping what is returned drops every
    /// connection.
    #[must_use]
    pub fn serve(self, shutdown: Shutdown) -> Serving {
        let Self { entrances, places, grace } = self;
        let mut serving = Serving { places, running: JoinSet::new(), shutdown, grace };
        serving.open(entrances);
        serving
    }

    /// Serves until `shutdown` is requested and every connection has ended, or
    /// the grace period has. Dropping the future drops every connection.
    pub async fn run(self, shutdown: Shutdown) {
        self.serve(shutdown).ended().await;
    }
}

/// A server at work.
#[derive(Debug)]
pub struct Serving {
    places: Vec<Place>,
    running: JoinSet<()>,
    shutdown: Shutdown,
    grace: Duration,
}

impl Serving {
    /// Serves these endpoints from now on. Who comes in by an address that stays
    /// meets what is new there, with all who are inside counted on; an address that is
    /// new is bound, one that is missing given up. Connections that are open go on as
    /// they are, wherever they came in.
    ///
    /// # Errors
    /// A new address cannot be had: nothing has changed.
    pub fn replace(&mut self, endpoints: Vec<Answered>) -> Result<(), BindError> {
        // Found by its address, and taken out: two may have port 0.
        let mut old: Vec<Option<usize>> = (0..self.places.len()).map(Some).collect();
        let mut stay = Vec::new();
        let mut new = Vec::new();
        for (endpoint, service) in endpoints {
            let found = old.iter().position(|at| at.is_some_and(|at| self.places[at].asked == endpoint.address));
            match found.and_then(|found| old[found].take()) {
                Some(at) => stay.push((at, answering(endpoint, service))),
                None => new.push(bind((endpoint, service), &mut Passed::default())?),
            }
        }
        for (at, answering) in stay {
            self.places[at].answering.send_replace(answering);
        }
        let mut at = 0;
        self.places.retain(|_| {
            at += 1;
            old[at - 1].is_none()
        });
        let (entrances, places): (Vec<_>, Vec<_>) = new.into_iter().unzip();
        self.places.extend(places);
        self.open(entrances);
        Ok(())
    }

    /// What comes in at each address.
    #[must_use]
    pub fn listening(&self) -> Vec<Listening> {
        self.places.iter().map(Place::listening).collect()
    }

    /// Returns when every connection has ended after shutdown was requested, or
    /// the grace period has.
    pub async fn ended(mut self) {
        while let Some(ended) = self.running.join_next().await {
            log_panic(ended);
        }
    }

    fn open(&mut self, entrances: Vec<Entrance>) {
        for entrance in entrances {
            self.running.spawn(entrance.run(self.shutdown.clone(), self.grace));
        }
    }
}

fn bind((endpoint, service): Answered, passed: &mut Passed) -> Result<(Entrance, Place), BindError> {
    let asked = endpoint.address.clone();
    let (sender, heard) = watch::channel(answering(endpoint, service));
    let entrance = Entrance::bind(&asked, heard, passed)?;
    let (bound, crowd, traffic) = (entrance.address().clone(), entrance.crowd(), entrance.traffic());
    Ok((entrance, Place { asked, bound, answering: sender, crowd, traffic }))
}

fn answering(endpoint: Endpoint, service: Arc<dyn Service>) -> Answering {
    let Endpoint { name, address: _, security, proxy_from, limits } = endpoint;
    Answering { rules: Arc::new(Rules { name, security, proxy_from, limits }), service }
}
