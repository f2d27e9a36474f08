//! The HTTP door: Basic (RFC 7617) in front of a server of calendars, contacts
//! or files, or of the embedded drive.

mod act;
mod alarm;
mod answering;
pub(crate) mod body;
mod caller;
mod connection;
mod date;
mod forward;
mod handover;
mod headers;
mod in_turn;
mod kinds;
mod line;
mod multiplexed;
mod named;
mod pool;
mod response_policy;
mod routes;
mod sent;
mod server_behind;
mod steady;
mod strict;
mod terms;
mod well_known;
mod xml_body;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use authority::{Client, Door, Grant, Scopes, Secret};
use fingerprint::{Dialogue, Signature};
use front::{Connection, Service};
use http::{HeaderValue, Request, Response, StatusCode, header, request::Parts};
use keeper::{Keeper, LiveSession, SignIn, SignInAttempt, TurnedAway};

use self::{
    body::Body,
    caller::Caller,
    date::Dated,
    forward::Forward,
    in_turn::{Host, Hosts},
    kinds::ByKind,
    routes::{Routes, Ways},
    server_behind::{ServerBehind, Turned},
    steady::{Source, Stalled, Steady},
    terms::{Asked, Serves, Terms},
    well_known::WellKnown,
};
pub use self::{
    handover::{BasicHandover, HttpHandover, NotATemplate, Prefix},
    named::{Named, Pages},
    routes::Route,
};
use crate::{Upstream, drive::Drive};

/// A body that somebody is signed in for has to keep coming: more of it within this.
const BODY: Duration = Duration::from_secs(60);
/// When to try again after an outage, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("10");

/// An HTTP door.
pub struct HttpDoor {
    keeper: Arc<Keeper>,
    door: Door,
    terms: Terms,
    well_known: WellKnown,
    behind: Behind,
    challenge: HeaderValue,
    portal: Box<str>,
    body: Duration,
    dated: Dated,
}

/// Who answers once somebody has signed in.
enum Behind {
    Server(Box<ServerBehind>),
    Drive(Arc<Drive>),
}

impl HttpDoor {
    /// A door that forwards to `upstream`, which learns by `handover` who is
    /// signed in; `portal` is where people make app passwords.
    pub fn forwarding(
        keeper: Arc<Keeper>,
        door: Door,
        upstream: Upstream,
        handover: HttpHandover,
        portal: &str,
    ) -> Self {
        let server = ServerBehind { forward: Forward::new(upstream), handover };
        Self::new(keeper, door, Behind::Server(Box::new(server)), portal)
    }

    /// A door to the embedded drive.
    pub fn drive(keeper: Arc<Keeper>, door: Door, drive: Arc<Drive>, portal: &str) -> Self {
        Self::new(keeper, door, Behind::Drive(drive), portal)
    }

    fn new(keeper: Arc<Keeper>, door: Door, behind: Behind, portal: &str) -> Self {
        // The door's name, which the configuration holds to plain letters.
        let realm: String = door.name.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect();
        let challenge = HeaderValue::try_from(format!("Basic realm=\"{realm}\", charset=\"UTF-8\""))
            .expect("letters, digits, spaces and quotes are fit for a header");
        let (terms, well_known) = (Terms::new(&door), WellKnown::default());
        Self {
            keeper,
            door,
            terms,
            well_known,
            behind,
            challenge,
            portal: portal.into(),
            body: BODY,
            dated: Dated::default(),
        }
    }

    /// A door where each path takes what its route says, in place of what the
    /// door needs; without a route nothing is served.
    #[must_use]
    pub fn with_routes(mut self, routes: Vec<Route>) -> Self {
        self.terms.serves = Serves::Routes(Routes::new(&self.door, routes));
        self
    }

    /// A door where each collection says itself which of these kinds it is of,
    /// and a password for one of them will do to come in.
    #[must_use]
    pub fn by_resource_type(mut self, data: Scopes) -> Self {
        let kinds = ByKind::new(data);
        self.terms.serves = Serves::ByKind(Ways::new(kinds.door(&self.door)), Box::new(kinds));
        self
    }

    /// A door of which only this folder is served.
    #[must_use]
    pub fn with_prefix(mut self, prefix: Prefix) -> Self {
        if let Serves::ByKind(_, kinds) = &mut self.terms.serves {
            kinds.begin_at(prefix.path().clone());
        }
        self.terms.prefix = Some(prefix);
        self
    }

    /// Where `/.well-known/caldav` and `/.well-known/carddav` lead; left out,
    /// the server behind is asked.
    #[must_use]
    pub fn with_well_known(mut self, caldav: Option<HeaderValue>, carddav: Option<HeaderValue>) -> Self {
        self.well_known = WellKnown { caldav, carddav };
        self
    }

    /// How long the server behind may take to begin its answer, instead of 60 seconds.
    #[must_use]
    pub fn with_head_timeout(mut self, head: Duration) -> Self {
        if let Behind::Server(server) = &mut self.behind {
            server.forward = Forward::with_head_timeout(server.forward.upstream().clone(), head);
        }
        self
    }

    /// How long a client may take over the next part of a body, instead of 60 seconds.
    #[must_use]
    pub fn with_body_timeout(self, body: Duration) -> Self {
        Self { body, ..self }
    }

    /// Lets a request in, or says why not.
    async fn admit(
        &self,
        request: &mut Parts,
        seen: &Dialogue,
        caller: &Caller,
    ) -> Result<(Grant, LiveSession), Response<Body>> {
        strict::check(request).map_err(malformed)?;
        if response_policy::is_for_a_page(&request.headers) {
            return Err(saying(StatusCode::FORBIDDEN, &response_policy::is_for_apps(&self.portal)));
        }
        if let Some(answer) = self.well_known.answer(request.uri.path()) {
            return Err(answer);
        }
        let Asked { door, is_served } = self.terms.of(request).map_err(malformed)?;
        request.headers.remove(header::COOKIE);
        let authorization = request.headers.remove(header::AUTHORIZATION);
        let credentials = authorization.and_then(|value| protocols::http::basic(value.as_bytes()).ok());
        let Some(credentials) = credentials else { return Err(self.challenge()) };
        let secret = Secret::new(credentials.password.to_string());
        let attempt = SignInAttempt {
            login: &credentials.authcid,
            acting_as: None,
            secret: &secret,
            door: &door,
            from: caller.address,
            client: Client::Shown(Signature::new(caller.family.as_ref(), seen)),
        };
        match self.keeper.sign_in(attempt).await {
            SignIn::Refused(TurnedAway::OutOfScope) | SignIn::Admitted(..) if !is_served => {
                Err(saying(StatusCode::FORBIDDEN, "Nothing is served under this address."))
            }
            SignIn::Admitted(grant, session) => Ok((grant, session)),
            SignIn::Refused(TurnedAway::Refused) => Err(self.challenge()),
            SignIn::TooMany => Err(later(crate::TOO_MANY)),
            SignIn::Refused(TurnedAway::OutOfScope) => Err(self.out_of_scope()),
            // A request shows its client with its head.
            SignIn::Unavailable | SignIn::Provisional(..) => Err(try_later()),
        }
    }

    /// The answer of what is behind.
    async fn fetch(
        &self,
        request: Parts,
        body: Source,
        caller: &Caller,
        grant: &Grant,
        session: Arc<LiveSession>,
    ) -> Response<Body> {
        let stalled = Stalled::default();
        let request = Request::from_parts(request, Steady::new(body, self.body, stalled.clone()));
        let answer = match &self.behind {
            Behind::Drive(drive) => drive.answer(&grant.account().to_string(), session, request).await,
            Behind::Server(server) => match server.answer(request, caller, grant, &self.terms).await {
                Ok(answer) => answer,
                // What was sent of it may not have been read.
                Err(Turned::OutOfScope) => last(self.out_of_scope()),
                Err(Turned::Refused(status)) => malformed(status),
                Err(Turned::Outage(error)) => {
                    if !stalled.is_true() {
                        self.keeper.not_handed_over(&self.door);
                        tracing::error!(door = %self.door.name, upstream = %server.forward.upstream(), %error,
                            "a request could not be answered");
                    }
                    last(try_later())
                }
            },
        };
        // Whatever was made of it, it is not all.
        if stalled.is_true() {
            last(saying(StatusCode::REQUEST_TIMEOUT, "The rest did not come in time."))
        } else {
            answer
        }
    }

    /// For who holds a password that is good in every other way.
    fn out_of_scope(&self) -> Response<Body> {
        let text = format!("This app password does not open this. Make one that does: {}", self.portal);
        saying(StatusCode::FORBIDDEN, &text)
    }

    /// The one refusal: nothing in it says why.
    fn challenge(&self) -> Response<Body> {
        let mut answer = saying(StatusCode::UNAUTHORIZED, &crate::refusal(&self.portal));
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, self.challenge.clone());
        answer
    }
}

fn saying(status: StatusCode, text: &str) -> Response<Body> {
    let mut answer = Response::new(body::text(text));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}

/// An outage is never "wrong password": 503 makes apps wait.
fn try_later() -> Response<Body> {
    later(crate::TRY_LATER)
}

fn later(text: &str) -> Response<Body> {
    let mut answer = saying(StatusCode::SERVICE_UNAVAILABLE, text);
    answer.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
    answer
}

/// What comes next on the connection may not be what it seems.
fn malformed(status: StatusCode) -> Response<Body> {
    last(saying(status, "This request is not one that is answered here."))
}

/// Closes the connection after this: what comes next may be the rest of a body.
fn last(mut answer: Response<Body>) -> Response<Body> {
    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    answer
}

#[async_trait]
impl Service for HttpDoor {
    async fn serve(&self, connection: Connection) {
        if connection.stream.alpn() == Some(b"h2") {
            return multiplexed::serve(self, connection).await;
        }
        let Connection { mut stream, peer, shutdown, seat, .. } = connection;
        let caller = Caller::on(&mut stream, peer.address);
        in_turn::serve(&Alone { door: self, caller }, stream, seat, shutdown).await;
    }
}

/// A door that a connection is for.
struct Alone<'a> {
    door: &'a HttpDoor,
    caller: Caller,
}

impl Hosts for Alone<'_> {
    fn host(&self, _: &Parts) -> Host<'_> {
        Host::Door(self.door, &self.caller)
    }

    fn date(&self) -> HeaderValue {
        self.door.dated.at(self.door.keeper.now())
    }

    fn name(&self) -> &str {
        &self.door.door.name
    }
}
