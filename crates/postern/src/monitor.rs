//! What whoever watches over a site asks: whether it is up, whether it can let
//! anybody in, and its numbers.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use front::{Connection, Listening, Service, Tls};
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use keeper::Keeper;
use notices::Outbox;
use tokio::time::{Instant, timeout};

use crate::{
    audit_copy::AuditCopy,
    canary::Canary,
    data::randomness,
    metrics::{self, Reading},
};

/// A request's head arrives within this time.
const HEAD: Duration = Duration::from_secs(5);
/// Longer than the store itself waits for whoever holds it: it can tell who does.
const PATIENCE: Duration = Duration::from_secs(8);

/// `/healthz`, `/readyz` and `/metrics`, on a listener of their own.
pub(crate) struct Monitor(pub(crate) Arc<Watched>);

/// What is looked at.
pub(crate) struct Watched {
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) canary: Arc<Canary>,
    pub(crate) audit_copy: Arc<AuditCopy>,
    pub(crate) outbox: Arc<Outbox>,
    now: Mutex<Now>,
}

/// What may change when the configuration is read again.
#[derive(Clone, Default)]
pub(crate) struct Now {
    /// The doors of the site: each has its numbers from the beginning.
    pub(crate) doors: Vec<Arc<str>>,
    pub(crate) tls: Option<Tls>,
    pub(crate) listening: Vec<Listening>,
}

impl Watched {
    pub(crate) fn new(keeper: Arc<Keeper>) -> Arc<Self> {
        let outbox = Arc::new(Outbox::new(keeper.clone(), Box::new(randomness())));
        let (canary, audit_copy) = (Arc::default(), Arc::default());
        Arc::new(Self { keeper, canary, audit_copy, outbox, now: Mutex::default() })
    }

    /// From now on it is this.
    pub(crate) fn see(&self, now: Now) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    async fn metrics(&self) -> Result<String, std::fmt::Error> {
        let Now { doors, tls, listening } = self.now.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut reading = Reading::of(&self.keeper, &doors, &listening);
        let asked = Instant::now();
        let probe = timeout(PATIENCE, self.keeper.readiness()).await;
        reading.store = matches!(probe, Ok(Ok(()))).then(|| asked.elapsed());
        reading.certificate_until =
            tls.and_then(|tls| tls.facts().iter().map(|facts| facts.not_after).min()).unwrap_or(0);
        reading.canary = self.canary.last();
        reading.audit_copy = self.audit_copy.is_up();
        reading.mails = self.outbox.counts();
        // Where nobody sends them, all of a site's would be counted, and mean nothing.
        if reading.store.is_some() && self.outbox.sends() {
            let waiting = timeout(PATIENCE, self.keeper.notices_waiting()).await;
            reading.mails_waiting = waiting.ok().and_then(Result::ok);
        }
        reading.text()
    }
}

impl Monitor {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let mut content = "text/plain; charset=utf-8";
        let (status, text) = match request.uri().path() {
            "/healthz" => (StatusCode::OK, "up\n".to_owned()),
            "/readyz" => match timeout(PATIENCE, self.0.keeper.readiness()).await {
                Ok(Ok(())) => (StatusCode::OK, "ready\n".to_owned()),
                Ok(Err(error)) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")),
                Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the store does not answer: look at its load\n".to_owned()),
            },
            "/metrics" => match self.0.metrics().await {
                Ok(text) => {
                    content = metrics::CONTENT_TYPE;
                    (StatusCode::OK, text)
                }
                Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
            },
            _ => (StatusCode::NOT_FOUND, "ask for /healthz, /readyz or /metrics\n".to_owned()),
        };
        let mut response = Response::new(Full::from(text));
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content));
        response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
        response
    }
}

#[async_trait]
impl Service for Monitor {
    async fn serve(&self, connection: Connection) {
        let Connection { stream, shutdown, .. } = connection;
        let answer = service_fn(async |request| Ok::<_, Infallible>(self.answer(request).await));
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(HEAD);
        let serving = http.serve_connection(TokioIo::new(stream), answer);
        tokio::select! {
            ended = serving => if let Err(error) = ended {
                tracing::debug!(%error, "a connection to the monitor broke");
            },
            () = shutdown.requested() => {}
        }
    }
}
