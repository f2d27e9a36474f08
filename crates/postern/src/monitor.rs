//! What whoever watches over a site asks: whether it is up, and whether it can
//! let anybody in.

use std::{convert::Infallible, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use front::{Connection, Service};
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use keeper::Keeper;

/// A request's head arrives within this time.
const HEAD: Duration = Duration::from_secs(5);
/// Longer than the store itself waits for whoever holds it: it can tell who does.
const PATIENCE: Duration = Duration::from_secs(8);

/// `/healthz` and `/readyz`, on a listener of their own.
pub(crate) struct Monitor(pub(crate) Arc<Keeper>);

impl Monitor {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (status, text) = match request.uri().path() {
            "/healthz" => (StatusCode::OK, "up\n".to_owned()),
            "/readyz" => match tokio::time::timeout(PATIENCE, self.0.readiness()).await {
                Ok(Ok(())) => (StatusCode::OK, "ready\n".to_owned()),
                Ok(Err(error)) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")),
                Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the store does not answer: look at its load\n".to_owned()),
            },
            _ => (StatusCode::NOT_FOUND, "ask for /healthz or /readyz\n".to_owned()),
        };
        let mut response = Response::new(Full::from(text));
        *response.status_mut() = status;
        let text = header::HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, text);
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
