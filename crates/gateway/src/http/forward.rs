//! Carries decided requests to the server behind and its answers back.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use front::Stream;
use http::{Request, Response, StatusCode, Uri, Version, uri::Authority};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{
        Client,
        connect::{Connected, Connection},
    },
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    body::{self, Body},
    headers::{self, Asking},
};
use crate::Upstream;

/// A server that has not begun its answer by then is taken to be stuck.
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
        let authority = match &upstream {
            Upstream::Tcp { .. } => upstream.to_string().parse().ok(),
            Upstream::Unix(_) => None,
        };
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(Connect(upstream.clone()));
        let authority = authority.unwrap_or_else(|| Authority::from_static("localhost"));
        Self { client, upstream, authority, head: HEAD }
    }

    pub(super) fn with_head_timeout(self, head: Duration) -> Self {
        Self { head, ..self }
    }

    pub(super) fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    pub(super) async fn send(
        &self,
        request: Request<Incoming>,
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
        let answer = self.client.request(Request::from_parts(parts, RequestBody(body)));
        let answer = tokio::time::timeout(self.head, answer).await.map_err(|_| ForwardError::Late)?;
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

/// What the client sends, without trailers: they would be headers that nobody checked.
#[derive(Debug)]
struct RequestBody(Incoming);

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match std::task::ready!(Pin::new(&mut self.0).poll_frame(cx)) {
            Some(Ok(frame)) if frame.is_trailers() => Poll::Ready(None),
            other => Poll::Ready(other),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

/// Opens connections to the server behind, whatever the URI says.
#[derive(Clone, Debug)]
struct Connect(Upstream);

impl tower::Service<Uri> for Connect {
    type Response = TokioIo<UpstreamStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let upstream = self.0.clone();
        Box::pin(async move { Ok(TokioIo::new(UpstreamStream(upstream.connect().await?))) })
    }
}

/// A connection as the pool wants to see it.
#[derive(Debug)]
struct UpstreamStream(Stream);

impl Connection for UpstreamStream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for UpstreamStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for UpstreamStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
