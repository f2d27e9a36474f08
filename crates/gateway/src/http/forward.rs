//! Carries decided requests to the server behind and its answers back.

use std::{io, time::Duration};

use http::{Request, Response, StatusCode, Uri, Version, header, request::Parts, uri::Authority};
use http_body_util::{BodyExt, Limited};

use super::{
    body::{self, Body},
    headers::{self, Asking},
    pool::{Answering, Failed, Line, Pool},
    sent::{Sent, What},
};
use crate::Upstream;

/// A server that has taken nothing of a request and said nothing to it for so
/// long is taken to be stuck.
const HEAD: Duration = Duration::from_secs(60);

/// The way to one server behind, with connections that are kept for the next request.
pub(super) struct Forward {
    pool: Pool,
    authority: Authority,
    head: Duration,
}

/// Why there is no answer. For the log: clients are told to try later.
#[derive(Debug, thiserror::Error)]
pub(super) enum ForwardError {
    #[error("{0}: is the server behind running, and listening there?")]
    Down(#[source] io::Error),
    #[error("it closed the connection, or does not speak HTTP/1.1 ({0}): look at its log")]
    Broken(#[source] hyper::Error),
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
        Self { pool: Pool::new(upstream, head), authority, head }
    }

    pub(super) fn upstream(&self) -> &Upstream {
        self.pool.upstream()
    }

    /// Carries a request over as `asking`'s, and brings the answer.
    pub(super) async fn send(
        &self,
        mut parts: Parts,
        body: What,
        asking: &Asking<'_>,
    ) -> Result<Response<Answering>, ForwardError> {
        headers::for_upstream(&mut parts.headers, asking)
            .ok_or(ForwardError::Unwritable("the login fits no header"))?;
        let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        let target = match asking.prefix {
            Some(prefix) => prefix.strip(target).ok_or(ForwardError::Unwritable("the target lies outside `path`"))?,
            None => target.to_owned(),
        };
        parts.uri = target.parse::<Uri>().map_err(|_| ForwardError::Unwritable("the target fits no URI"))?;
        parts.version = Version::HTTP_11;
        parts.extensions.clear();
        let mut answer = self.exchange(parts, body).await?;
        match answer.status() {
            // To the app this would mean that its password is wrong.
            status @ (StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED) => {
                return Err(ForwardError::Distrusts(status));
            }
            status if status.is_informational() => return Err(ForwardError::Switched(status)),
            _ => {}
        }
        headers::from_upstream(answer.headers_mut(), &self.authority, host.as_ref());
        *answer.version_mut() = Version::HTTP_11;
        Ok(answer)
    }

    /// On a connection that is there already, if one is. Such a one may be
    /// closed from the other end at any moment: then the request goes out once
    /// more, on a new one, if nothing of it was sent, or if it is one that may
    /// well be heard twice and was answered by nothing at all.
    async fn exchange(&self, parts: Parts, body: What) -> Result<Response<Answering>, ForwardError> {
        let (mut parts, mut body) = (parts, body);
        if let Some(line) = self.pool.kept().await {
            let spare = (body.is_nothing() && may_be_heard_twice(&parts)).then(|| parts.clone());
            let failed = match self.ask(line, parts, body).await {
                Ok(answer) => return Ok(answer),
                Err(Unanswered::Late) => return Err(ForwardError::Late),
                Err(Unanswered::Failed(failed)) => *failed,
            };
            (parts, body) = match (failed.unsent, spare) {
                (Some(request), _) => {
                    let (again, sent) = request.into_parts();
                    (again, sent.into_what())
                }
                (None, Some(spare)) if !failed.has_spoken => (spare, What::NOTHING),
                (None, _) => return Err(ForwardError::Broken(failed.error)),
            };
        }
        let line = self.pool.opened().await.map_err(ForwardError::Down)?;
        self.ask(line, parts, body).await.map_err(|unanswered| match unanswered {
            Unanswered::Late => ForwardError::Late,
            Unanswered::Failed(failed) => ForwardError::Broken(failed.error),
        })
    }

    async fn ask(&self, mut line: Line, parts: Parts, body: What) -> Result<Response<Answering>, Unanswered> {
        let (sent, progress) = Sent::new(body);
        let answer = tokio::select! {
            answer = line.ask(Request::from_parts(parts, sent)) => answer.map_err(|failed| Unanswered::Failed(Box::new(failed)))?,
            () = progress.stops(self.head) => return Err(Unanswered::Late),
        };
        let (head, body) = answer.into_parts();
        Ok(Response::from_parts(head, self.pool.answering(body, line).await))
    }
}

enum Unanswered {
    Late,
    Failed(Box<Failed>),
}

fn may_be_heard_twice(request: &Parts) -> bool {
    matches!(request.method.as_str(), "GET" | "HEAD" | "OPTIONS" | "PROPFIND" | "REPORT")
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
