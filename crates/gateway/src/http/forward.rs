//! Carries decided requests to the server behind and its answers back.

use std::{io, time::Duration};

use http::{Method, Response, StatusCode, Version, header, request::Parts, uri::Authority};
use http_body_util::{BodyExt, Limited};

use super::{
    body::{self, Body},
    headers::{self, Asking},
    line::{Answering, LineError, Unanswered},
    pool::Pool,
    sent::{Sending, What},
};
use crate::Upstream;

/// A server that has taken nothing of a request and said nothing to it for so
/// long is taken to be stuck.
const HEAD: Duration = Duration::from_secs(60);

/// The way to one server behind, with connections that are kept for the next request.
pub(super) struct Forward {
    pool: Pool,
    authority: Authority,
}

/// Why there is no answer. For the log: clients are told to try later.
#[derive(Debug, thiserror::Error)]
pub(super) enum ForwardError {
    #[error("{0}: is the server behind running, and listening there?")]
    Down(#[source] io::Error),
    #[error("it closed the connection, or does not speak HTTP/1.1 ({0}): look at its log")]
    Broken(#[source] LineError),
    #[error("it did not answer in time: look at its load and its log")]
    Late,
    #[error(
        "it asks for a password itself ({0}): let it accept the `handover` of this [[gateway]] from Postern's address"
    )]
    Distrusts(StatusCode),
    #[error("it answered {0}, which nobody asked for")]
    Switched(StatusCode),
    #[error("the request could not be written for it: {0}")]
    Unwritable(&'static str),
    #[error("its answer is too long to be looked through, or broke off")]
    Unreadable,
}

impl Forward {
    pub(super) fn new(upstream: Upstream) -> Self {
        Self::with_head_timeout(upstream, HEAD)
    }

    /// With another time for the server to begin its answer.
    pub(super) fn with_head_timeout(upstream: Upstream, head: Duration) -> Self {
        let authority = match &upstream {
            Upstream::Tcp { .. } => upstream.to_string().parse().ok(),
            Upstream::Unix(_) => None,
        };
        let authority = authority.unwrap_or_else(|| Authority::from_static("localhost"));
        Self { pool: Pool::new(upstream, head), authority }
    }

    pub(super) fn upstream(&self) -> &Upstream {
        self.pool.upstream()
    }

    /// Carries a request over as `asking`'s, and brings the answer.
    pub(super) async fn send(
        &self,
        parts: &Parts,
        body: What,
        asking: &Asking<'_>,
    ) -> Result<Response<Answering>, ForwardError> {
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        let head = match asking.prefix {
            Some(prefix) => {
                let target = prefix.strip(target).ok_or(ForwardError::Unwritable("the target lies outside `path`"))?;
                headers::for_upstream(parts, &target, body.length(), asking)
            }
            None => headers::for_upstream(parts, target, body.length(), asking),
        };
        let head = head.ok_or(ForwardError::Unwritable("the login fits no header"))?;
        let mut answer = self.exchange(&parts.method, Sending::new(head, body)).await?;
        match answer.status() {
            // To the app this would mean that its password is wrong.
            status @ (StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED) => {
                return Err(ForwardError::Distrusts(status));
            }
            status if status.is_informational() => return Err(ForwardError::Switched(status)),
            _ => {}
        }
        headers::from_upstream(answer.headers_mut(), &self.authority, parts.headers.get(header::HOST));
        *answer.version_mut() = Version::HTTP_11;
        Ok(answer)
    }

    /// On a connection that is there already, if one is. Such a one may be
    /// closed from the other end at any moment: then the request goes out once
    /// more, on a new one, if nothing of it was sent, or if it is one that may
    /// well be heard twice and was answered by nothing at all.
    async fn exchange(&self, method: &Method, sending: Sending) -> Result<Response<Answering>, ForwardError> {
        let mut sending = sending;
        if let Some(line) = self.pool.kept() {
            let spare = may_be_heard_twice(method).then(|| sending.again()).flatten();
            let unanswered = match line.ask(sending, method, &self.pool).await {
                Ok(answer) => return Ok(answer),
                Err(unanswered) => *unanswered,
            };
            sending = match unanswered {
                Unanswered { error: error @ (LineError::Late | LineError::Request(_)), .. } => return Err(error.into()),
                Unanswered { sending, .. } if !sending.has_begun() => sending,
                Unanswered { error, has_spoken, .. } => spare.filter(|_| !has_spoken).ok_or(error)?,
            };
        }
        let line = self.pool.opened().await.map_err(ForwardError::Down)?;
        Ok(line.ask(sending, method, &self.pool).await.map_err(|unanswered| unanswered.error)?)
    }
}

impl From<LineError> for ForwardError {
    fn from(error: LineError) -> Self {
        if matches!(error, LineError::Late) { Self::Late } else { Self::Broken(error) }
    }
}

fn may_be_heard_twice(method: &Method) -> bool {
    matches!(method.as_str(), "GET" | "HEAD" | "OPTIONS" | "PROPFIND" | "REPORT")
}

/// An answer, for the client.
pub(super) fn passed_on(answer: Response<Answering>) -> Response<Body> {
    answer.map(body::from_body)
}

/// All of an answer, for us.
pub(super) async fn read_whole(
    answer: Response<Answering>,
    most: usize,
) -> Result<Response<bytes::Bytes>, ForwardError> {
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, most).collect().await.map_err(|_| ForwardError::Unreadable)?;
    Ok(Response::from_parts(head, body.to_bytes()))
}
