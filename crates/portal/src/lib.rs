//! The pages that people see: sign-in, *Password & Security*, *App-specific
//! passwords*.
//!
//! **What it is.** Server-rendered HTML that works without JavaScript, under a
//! policy that allows no script but its own. Every GET is inert: what changes
//! something is a POST with the session's token.
//!
//! **What it is not.** It decides nothing and keeps nothing but who sits at
//! which browser: what an owner may do is in the keeper's types. It shares its
//! origin with no data of anybody.
//!
//! **To add a page:** a template, a file in `pages` with its handlers, its route
//! in `pages::routes`, a link to it from another page (the tests follow links).
//! A handler that needs somebody takes `SignedIn`; one that changes something is
//! a POST and takes its form as `Sent`.

mod after;
mod csrf;
mod forwarded;
mod pages;
mod session;
mod time;
mod turned;
mod words;

use std::{future::Future, net::IpAddr, sync::Arc, time::Duration};

use authority::Door;
use axum::{Router, body::Body};
use http::{HeaderValue, Request, header};
use hyper_util::{rt::TokioIo, rt::TokioTimer, service::TowerToHyperService};
use ipnet::IpNet;
use keeper::Keeper;
use rand_core::CryptoRng;
use tokio::io::{AsyncRead, AsyncWrite};
use tower::ServiceExt;

use session::Sessions;

/// How the portal is reached, and what it tells of the doors.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its origin, as `https://id.example.org`.
    pub url: String,
    /// The site's name on every page.
    pub site: String,
    /// Proxies whose `X-Forwarded-For` or `Forwarded` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether passwords made here work in one app only.
    pub lock: authority::LockMode,
    /// The apps that are offered, and what they are called.
    pub catalogue: authority::Catalogue,
    /// Where apps come in.
    pub doors: Vec<DoorHelp>,
}

/// A door and what has to be typed into an app to find it.
#[derive(Clone, Debug)]
pub struct DoorHelp {
    /// The door.
    pub door: Door,
    /// "Mail (IMAP)".
    pub title: String,
    /// "id.example.org, port 993, SSL/TLS".
    pub address: String,
}

/// Who is at the other end of the connection: put into each request by
/// [`Portal::serve_connection`].
#[derive(Clone, Copy, Debug)]
pub struct Caller(pub IpAddr);

/// What all pages share.
struct Shared {
    keeper: Arc<Keeper>,
    settings: Settings,
    sessions: Arc<Sessions>,
}

/// The portal.
#[derive(Clone)]
pub struct Portal {
    router: Router,
    keeper: Arc<Keeper>,
    sessions: Arc<Sessions>,
    trusted_proxies: Arc<[IpNet]>,
}

impl Portal {
    /// Pages over this keeper. Cookies are drawn from `random`.
    pub fn new(keeper: Arc<Keeper>, settings: Settings, random: Box<dyn CryptoRng + Send>) -> Self {
        Self::over(keeper, settings, Arc::new(Sessions::new(random)))
    }

    /// The same with other settings: who is signed in here is signed in there.
    #[must_use]
    pub fn with_settings(&self, settings: Settings) -> Self {
        Self::over(self.keeper.clone(), settings, self.sessions.clone())
    }

    fn over(keeper: Arc<Keeper>, settings: Settings, sessions: Arc<Sessions>) -> Self {
        let (hsts, site) = (is_public(&settings.url), settings.site.clone());
        let trusted_proxies = settings.trusted_proxies.clone().into();
        let shared = Arc::new(Shared { keeper: keeper.clone(), settings, sessions: sessions.clone() });
        let router =
            pages::routes(shared).layer(axum::middleware::map_response(move |response: http::Response<Body>| {
                let mut response = turned::framed(&site, response);
                guard(response.headers_mut(), hsts);
                std::future::ready(response)
            }));
        Self { router, keeper, sessions, trusted_proxies }
    }

    /// The pages as a service of requests that carry a [`Caller`].
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// Answers one request that came from `peer`, for whoever serves the connection.
    pub async fn answer<B>(&self, request: Request<B>, peer: IpAddr) -> http::Response<Body>
    where
        B: hyper::body::Body<Data = axum::body::Bytes, Error: Into<axum::BoxError>> + Send + 'static,
    {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Caller(peer));
        match self.router.clone().oneshot(request).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        }
    }

    /// The client of a request that came from `peer`, as far as trusted proxies say.
    pub fn client(&self, peer: IpAddr, headers: &http::HeaderMap) -> IpAddr {
        forwarded::client(peer, headers, &self.trusted_proxies)
    }

    /// True for a trusted proxy.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.trusted_proxies.iter().any(|net| net.contains(&peer))
    }

    /// Serves one connection until it ends, or until `drain` asks it to.
    ///
    /// A request's head has to arrive within thirty seconds, counted from the
    /// answer before it; its body within twenty more. After ten minutes the
    /// browser has to connect anew.
    pub async fn serve_connection<IO>(&self, io: IO, peer: IpAddr, drain: impl Future<Output = ()>)
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let router = self.router.clone().map_request(move |mut request: Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(Caller(peer));
            request.map(Body::new)
        });
        let mut http = hyper::server::conn::http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN).max_buf_size(HEAD_AT_MOST);
        let serving = http.serve_connection(TokioIo::new(io), TowerToHyperService::new(router));
        tokio::pin!(serving);
        let ended = tokio::select! {
            ended = &mut serving => Some(ended),
            () = drain => None,
            () = tokio::time::sleep(CONNECTION_WITHIN) => None,
        };
        let ended = match ended {
            Some(ended) => ended,
            None => {
                serving.as_mut().graceful_shutdown();
                // Who does not read the last answer is not waited for.
                match tokio::time::timeout(LAST_ANSWER_WITHIN, serving).await {
                    Ok(ended) => ended,
                    Err(_) => return tracing::debug!("a connection to the portal did not end and was cut"),
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection to the portal broke");
        }
    }
}

/// A request's head has to arrive within this time, counted from the answer before.
const HEAD_WITHIN: Duration = Duration::from_secs(30);
/// So long may a request's head be, in bytes.
const HEAD_AT_MOST: usize = 32 * 1024;
/// After this a browser has to connect anew: nobody holds a place for good.
const CONNECTION_WITHIN: Duration = Duration::from_secs(600);
/// The answer under way when a connection is asked to end.
const LAST_ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// True if browsers may be told to insist on TLS from now on: on `localhost` they
/// would then do so for whatever else is tried out there.
fn is_public(url: &str) -> bool {
    url.strip_prefix("https://").is_some_and(|host| host.split(':').next() != Some("localhost"))
}

/// What every answer carries: no script, style or frame but our own, and nothing
/// kept by a browser that somebody else may use next.
fn guard(headers: &mut http::HeaderMap, hsts: bool) {
    const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
                          form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
    let mut set = |name: &'static str, value| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set("content-security-policy", POLICY);
    set("x-content-type-options", "nosniff");
    // Not no-referrer: browsers would then send "Origin: null" with our own forms.
    set("referrer-policy", "same-origin");
    set("cross-origin-opener-policy", "same-origin");
    set("cross-origin-resource-policy", "same-origin");
    set("x-frame-options", "DENY");
    if hsts {
        set("strict-transport-security", "max-age=31536000");
    }
    // Pages are personal. What is not sets its own.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}
