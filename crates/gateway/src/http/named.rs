//! Several names at one address: the portal, and doors beside it. Each name is an
//! origin of its own to a browser, and stays one: what is asked for under one name
//! is never answered by what another stands for.
//!
//! By name, and not by connection: a web server in front sends the requests of all
//! names over the connections that it keeps. Where TLS ends here, a client asks for
//! one name when it connects, and every request has to be for that one; else somebody
//! could be led to a door under the portal's name, or to the portal under a door's.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use async_trait::async_trait;
use front::{Connection, Peer, Service};
use http::{HeaderMap, Request, Response, StatusCode, header, request::Parts, uri::Authority};
use hyper::body::Incoming;

use super::{
    Caller, HttpDoor,
    body::Body,
    last, malformed,
    one_by_one::{self, Answers, Shared},
    response_policy, saying, strict,
};

/// Whoever answers under the name that is no door's.
#[async_trait]
pub trait Pages: Send + Sync + 'static {
    /// Answers a request that came from `peer`.
    async fn answer(&self, request: Request<Incoming>, peer: IpAddr) -> Response<Body>;

    /// The client of a request that came from `peer`, as far as web servers that are
    /// trusted say who it is.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr;

    /// True for a web server whose word is believed.
    fn trusts(&self, peer: IpAddr) -> bool;
}

/// Pages under their own name, and doors under theirs. Any other name is 421
/// (Misdirected Request).
pub struct Named {
    own: Box<str>,
    pages: Arc<dyn Pages>,
    doors: HashMap<Box<str>, Arc<HttpDoor>>,
    /// People come by `https`, whoever ends TLS.
    encrypted: bool,
}

impl Named {
    /// Pages under `name`; `encrypted` if people reach them, and what stands beside
    /// them, by `https`, also where TLS ends in front.
    pub fn new(name: &str, encrypted: bool, pages: Arc<dyn Pages>) -> Self {
        Self { own: folded(name), pages, doors: HashMap::new(), encrypted }
    }

    /// And this door under its own.
    #[must_use]
    pub fn with(mut self, name: &str, door: Arc<HttpDoor>) -> Self {
        self.doors.insert(folded(name), door);
        self
    }

    async fn pages(&self, request: Request<Incoming>, peer: IpAddr, connection: &Shared) -> Response<Body> {
        let framing = connection.next().await;
        let (parts, body) = request.into_parts();
        match strict::check(&parts, framing) {
            Ok(()) => self.pages.answer(Request::from_parts(parts, body), peer).await,
            Err(status) => guarded(malformed(status)),
        }
    }
}

/// As names are compared: without the dot of the root, without a port, in lower case.
fn folded(name: &str) -> Box<str> {
    name.trim_end_matches('.').to_ascii_lowercase().into()
}

/// The name that a request is for.
fn asked_for(request: &Parts) -> Option<Box<str>> {
    let mut hosts = request.headers.get_all(header::HOST).iter();
    let (host, None) = (hosts.next()?, hosts.next()) else { return None };
    let host: Authority = host.to_str().ok()?.parse().ok()?;
    // What the target names may not be another; the check of the whole head says the same.
    let same = request.uri.authority().is_none_or(|target| *target == host);
    same.then(|| folded(host.host().trim_start_matches('[').trim_end_matches(']')))
}

fn guarded(mut answer: Response<Body>) -> Response<Body> {
    response_policy::apply(answer.headers_mut());
    answer
}

/// One connection to it.
struct Met<'a> {
    named: &'a Named,
    peer: Peer,
    encrypted: bool,
    /// What the client asked for when it connected; nothing where TLS ends in front,
    /// and from those who came by an address.
    server_name: Option<String>,
}

impl Met<'_> {
    /// The client that a door sees. In the clear nobody comes but the web server that
    /// ends TLS: a password would have crossed the network for all to read.
    fn caller(&self, headers: &HeaderMap) -> Option<Caller> {
        if !self.encrypted && !self.named.pages.trusts(self.peer.address) {
            return None;
        }
        let address = self.named.pages.client(self.peer.address, headers);
        let peer = if address == self.peer.address { self.peer } else { Peer { address, port: 0 } };
        Some(Caller { peer, encrypted: self.encrypted || self.named.encrypted })
    }
}

impl Answers for Met<'_> {
    async fn answer(&self, request: Request<Incoming>, connection: &Shared) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let name = asked_for(&parts);
        let name = name.filter(|name| self.server_name.as_deref().is_none_or(|asked| asked == &**name));
        let door = name.as_ref().and_then(|name| self.named.doors.get(name));
        let caller = self.caller(&parts.headers);
        let request = Request::from_parts(parts, body);
        match (door, name, caller) {
            (Some(door), _, Some(caller)) => door.answer(request, caller, connection).await,
            (Some(_), _, None) => {
                connection.next().await;
                guarded(last(saying(StatusCode::FORBIDDEN, "This is served to the web server in front alone.")))
            }
            (None, Some(name), _) if name == self.named.own => {
                self.named.pages(request, self.peer.address, connection).await
            }
            (None, _, _) => {
                connection.next().await;
                guarded(last(saying(StatusCode::MISDIRECTED_REQUEST, "Nothing is served here under this name.")))
            }
        }
    }
}

#[async_trait]
impl Service for Named {
    async fn serve(&self, connection: Connection) {
        let Connection { stream, peer, shutdown, seat, .. } = connection;
        let server_name = stream.server_name();
        let met = Met { named: self, peer, encrypted: stream.is_encrypted(), server_name };
        one_by_one::serve(&met, "portal", stream, seat, shutdown).await;
    }
}
