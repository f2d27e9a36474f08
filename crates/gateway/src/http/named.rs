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
use fingerprint::tls::ClientHello;
use front::{Connection, Service};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header, request::Parts, uri::Authority};
use keeper::Keeper;

use super::{
    HttpDoor,
    body::Body,
    caller::Caller,
    date::Dated,
    in_turn::{self, Host, Hosts},
    last, saying,
};
use crate::tls_hello::hello_of;

/// Whoever answers under the name that is no door's.
#[async_trait]
pub trait Pages: Send + Sync + 'static {
    /// Answers a request that came from `peer`.
    async fn answer(&self, request: Request<Body>, peer: IpAddr) -> Response<Body>;

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
    keeper: Arc<Keeper>,
    dated: Dated,
    /// People come by `https`, whoever ends TLS.
    encrypted: bool,
}

impl Named {
    /// Pages under `name`; `encrypted` if people reach them, and what stands beside
    /// them, by `https`, also where TLS ends in front.
    pub fn new(name: &str, encrypted: bool, pages: Arc<dyn Pages>, keeper: Arc<Keeper>) -> Self {
        let (own, doors, dated) = (folded(name), HashMap::new(), Dated::default());
        Self { own, pages, doors, keeper, dated, encrypted }
    }

    /// And this door under its own.
    #[must_use]
    pub fn with(mut self, name: &str, door: Arc<HttpDoor>) -> Self {
        self.doors.insert(folded(name), door);
        self
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

/// One connection to it.
struct Met<'a> {
    named: &'a Named,
    /// Whoever connected.
    caller: Caller,
    encrypted: bool,
    /// What the client asked for when it connected; nothing where TLS ends in front,
    /// and from those who came by an address.
    server_name: Option<String>,
}

impl Met<'_> {
    /// A door, and the client that it sees. In the clear nobody comes but the web server
    /// that ends TLS: a password would have crossed the network for all to read.
    fn door<'a>(&'a self, door: &'a HttpDoor, headers: &HeaderMap) -> Host<'a> {
        let peer = self.caller.address;
        if !self.encrypted && !self.named.pages.trusts(peer) {
            let answer = saying(StatusCode::FORBIDDEN, "This is served to the web server in front alone.");
            return Host::Nobody(last(answer));
        }
        match self.named.pages.client(peer, headers) {
            address if address == peer => Host::Door(door, &self.caller),
            // What is seen of TLS is the web server's.
            address => {
                let encrypted = self.encrypted || self.named.encrypted;
                Host::DoorInFront(door, Box::new(Caller::new(address, encrypted, None)))
            }
        }
    }
}

impl Hosts for Met<'_> {
    fn host(&self, request: &Parts) -> Host<'_> {
        let name = asked_for(request);
        let name = name.filter(|name| self.server_name.as_deref().is_none_or(|asked| asked == &**name));
        match name.as_ref().and_then(|name| self.named.doors.get(name)) {
            Some(door) => self.door(door, &request.headers),
            None if name.is_some_and(|name| name == self.named.own) => {
                Host::Pages(&*self.named.pages, self.caller.address)
            }
            None => {
                Host::Nobody(last(saying(StatusCode::MISDIRECTED_REQUEST, "Nothing is served here under this name.")))
            }
        }
    }

    fn date(&self) -> HeaderValue {
        self.named.dated.at(self.named.keeper.now())
    }

    fn name(&self) -> &str {
        "portal"
    }
}

#[async_trait]
impl Service for Named {
    async fn serve(&self, connection: Connection) {
        let Connection { mut stream, peer, shutdown, seat, .. } = connection;
        let (hello, encrypted) = (hello_of(&mut stream), stream.is_encrypted());
        let family = hello.as_ref().map(ClientHello::family);
        let caller = Caller::new(peer.address, encrypted || self.encrypted, family);
        let server_name = hello.and_then(|hello| hello.server_name().map(str::to_owned));
        in_turn::serve(&Met { named: self, caller, encrypted, server_name }, stream, seat, shutdown).await;
    }
}
