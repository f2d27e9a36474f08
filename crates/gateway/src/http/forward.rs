//! Carries decided requests to the server behind and its answers back.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri, Version, uri::Authority};
use http_body::{Frame, SizeHint};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use tokio::sync::watch;

use super::{
    body::{self, Body},
    connect::Connect,
    headers::{self, Asking},
    steady::{Broken, Steady},
};
use crate::Upstream;

/// A server that has taken nothing of a request and said nothing to it for so
/// long is taken to be stuck.
const HEAD: Duration = Duration::from_secs(60);
/// Idle connections are dropped before common servers do it: one that is closed
/// just as a request goes out costs that request.
const IDLE: Duration = Duration::from_secs(3);

/// The way to one server behind, with connections that are kept for the next request.
#[derive(Debug)]
pub(super) struct Forward {
    client: Client<Connect, RequestBody>,
    upstream: Upstream,
    authority: Authority,
    head: Duration,
}

/// Why there is no answer. For the log: clients are told to try later.
#[derive(Debug, thiserror::Error)]
pub(super) enum ForwardError {
    #[error("{0}: is the server behind running, and listening there?")]
    Down(#[source] hyper_util::client::legacy::Error),
    #[error("it closed the connection, or does not speak HTTP/1.1 ({0}): look at its log")]
    Broken(#[source] hyper_util::client::legacy::Error),
    #[error("it did not answer in time: look at its load and its log")]
    Late,
    #[error(
        "it asks for a password itself ({0}): let it trust the header of [[gateway]] handover from Postern's address"
    )]
    Distrusts(StatusCode),
    #[error("it answered {0}, which nobody asked for")]
    Switched(StatusCode),
    #[error("the request could not be written for it: {0}")]
    Unwritable(&'static str),
}

impl Forward {
    pub(super) fn new(upstream: Upstream) -> Self {
        Self::with_patience(upstream, HEAD)
    }

    pub(super) fn with_head_timeout(self, head: Duration) -> Self {
        Self::with_patience(self.upstream, head)
    }

    fn with_patience(upstream: Upstream, head: Duration) -> Self {
        let authority = match &upstream {
            Upstream::Tcp { .. } => upstream.to_string().parse().ok(),
            Upstream::Unix(_) => None,
        };
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(Connect::new(upstream.clone(), head));
        let authority = authority.unwrap_or_else(|| Authority::from_static("localhost"));
        Self { client, upstream, authority, head }
    }

    pub(super) fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    pub(super) async fn send(
        &self,
        request: Request<Steady>,
        asking: &Asking<'_>,
    ) -> Result<Response<Body>, ForwardError> {
        let (mut parts, body) = request.into_parts();
        headers::for_upstream(&mut parts.headers, asking)
            .ok_or(ForwardError::Unwritable("the login fits no header"))?;
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        parts.uri = Uri::builder()
            .scheme("http")
            .authority(self.authority.clone())
            .path_and_query(target)
            .build()
            .map_err(|_| ForwardError::Unwritable("the target fits no URI"))?;
        parts.version = Version::HTTP_11;
        let (awaited, changes) = watch::channel(Awaited::Server);
        let answer = tokio::select! {
            answer = self.client.request(Request::from_parts(parts, RequestBody { body, awaited })) => answer,
            () = stuck(changes, self.head) => return Err(ForwardError::Late),
        };
        let mut answer = answer.map_err(|error| match error.is_connect() {
            true => ForwardError::Down(error),
            false => ForwardError::Broken(error),
        })?;
        match answer.status() {
            // To the app this would mean that its password is wrong.
            status @ (StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED) => {
                return Err(ForwardError::Distrusts(status));
            }
            status if status.is_informational() => return Err(ForwardError::Switched(status)),
            _ => {}
        }
        headers::from_upstream(answer.headers_mut(), &self.authority);
        *answer.version_mut() = Version::HTTP_11;
        Ok(answer.map(body::from_body))
    }
}

/// Who is waited for while a request is carried over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    /// To send more of the body; [`Steady`] sees to it that it does.
    Client,
    /// To take what there is of it, and to answer.
    Server,
}

/// Returns when the server was waited for so long. Most answer when they
/// have all of a body, which may take as long as it likes to come.
async fn stuck(mut changes: watch::Receiver<Awaited>, patience: Duration) {
    loop {
        let awaited = *changes.borrow_and_update();
        let changed = match awaited {
            Awaited::Client => changes.changed().await,
            Awaited::Server => match tokio::time::timeout(patience, changes.changed()).await {
                Ok(changed) => changed,
                Err(_) => return,
            },
        };
        if changed.is_err() {
            // The body is over: only the answer is left.
            return tokio::time::sleep(patience).await;
        }
    }
}

/// What the client sends, without trailers: they would be headers that nobody checked.
struct RequestBody {
    body: Steady,
    awaited: watch::Sender<Awaited>,
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        self.awaited.send_replace(if polled.is_pending() { Awaited::Client } else { Awaited::Server });
        match polled {
            Poll::Ready(Some(Ok(frame))) if frame.is_trailers() => Poll::Ready(None),
            other => other,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
