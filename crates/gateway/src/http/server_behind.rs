//! The server behind, and what is held to the terms only once somebody is in:
//! what a REPORT refers to, and which kind a collection is of.

use authority::Grant;
use http::{Request, Response, StatusCode, header, request::Parts};
use protocols::http::{Path, dav};

use super::{
    act::Act,
    body::{self, Body},
    caller::Caller,
    forward::{Forward, ForwardError, passed_on, read_whole},
    handover::HttpHandover,
    headers::Asking,
    kinds::{ByKind, Judged},
    routes::Routes,
    sent::What,
    steady::Steady,
    terms::{Serves, Terms},
    xml_body,
};

/// The longest answer that is looked through.
const LONGEST: usize = 16 << 20;

/// A server, and how it learns who is there.
pub(super) struct ServerBehind {
    pub(super) forward: Forward,
    pub(super) handover: HttpHandover,
}

/// Why a request of somebody who is in has no answer from behind.
pub(super) enum Turned {
    /// The password does not open this.
    OutOfScope,
    /// It cannot be judged.
    Refused(StatusCode),
    /// Nobody can say.
    Outage(ForwardError),
}

impl From<ForwardError> for Turned {
    fn from(error: ForwardError) -> Self {
        Self::Outage(error)
    }
}

impl ServerBehind {
    /// The answer to a request.
    pub(super) async fn answer(
        &self,
        request: Request<Steady>,
        caller: &Caller,
        grant: &Grant,
        terms: &Terms,
    ) -> Result<Response<Body>, Turned> {
        let asking =
            Asking { login: grant.login().as_str(), handover: &self.handover, prefix: terms.prefix.as_ref(), caller };
        let (parts, body) = request.into_parts();
        match &terms.serves {
            Serves::ByKind(_, kinds) => self.by_kind(kinds, parts, body, grant, &asking).await,
            Serves::Routes(routes) if parts.method.as_str() == "REPORT" => {
                let body = xml_body::read(&parts.headers, body).await.map_err(Turned::Refused)?;
                hold_to_routes(routes, &body, grant)?;
                Ok(passed_on(self.forward.send(&parts, What::whole(body), &asking).await?))
            }
            Serves::Routes(_) | Serves::Whole(_) => {
                Ok(passed_on(self.forward.send(&parts, What::Streaming(body), &asking).await?))
            }
        }
    }

    async fn by_kind(
        &self,
        kinds: &ByKind,
        mut parts: Parts,
        body: Steady,
        grant: &Grant,
        asking: &Asking<'_>,
    ) -> Result<Response<Body>, Turned> {
        let behind = (&self.forward, asking);
        let changes = Act::of(&parts.method) == Act::Changes;
        let (body, is_shown) = match kinds.judge(&parts, body, grant, behind).await? {
            Judged::Open(body) => (body, false),
            Judged::Shown(body) => (body, true),
            Judged::Closed => return Err(Turned::OutOfScope),
            Judged::Refused(status) => return Err(Turned::Refused(status)),
        };
        if !is_shown {
            // Whoever asks meanwhile may learn what was before, or what is then.
            let _forgetting = changes.then(|| Forgetting(kinds));
            return Ok(passed_on(self.forward.send(&parts, body, asking).await?));
        }
        // What is compressed cannot be looked through.
        parts.headers.remove(header::ACCEPT_ENCODING);
        let answer = self.forward.send(&parts, body, asking).await?;
        if answer.status() != StatusCode::MULTI_STATUS {
            return Ok(passed_on(answer));
        }
        if answer.headers().contains_key(header::CONTENT_ENCODING) {
            return Err(Turned::Outage(ForwardError::Unreadable));
        }
        let (mut head, answer) = read_whole(answer, LONGEST).await?.into_parts();
        let shown = kinds.show(&parts, answer, grant, behind).await?;
        head.headers.remove(header::CONTENT_LENGTH);
        Ok(Response::from_parts(head, body::from_body(http_body_util::Full::new(shown))))
    }
}

/// Forgets what was learnt, however a change ends, also when it is cut off.
struct Forgetting<'a>(&'a ByKind);

impl Drop for Forgetting<'_> {
    fn drop(&mut self) {
        self.0.forget();
    }
}

/// A REPORT on one place may ask for what lies in another.
fn hold_to_routes(routes: &Routes, body: &[u8], grant: &Grant) -> Result<(), Turned> {
    for href in dav::hrefs(body).map_err(|bad| Turned::Refused(xml_body::status(bad)))? {
        let path: Path = super::kinds::referred_to(&href).ok_or(Turned::Refused(StatusCode::BAD_REQUEST))?;
        let ways = routes.at(&path).ok_or(Turned::OutOfScope)?;
        if !grant.opens(&ways.door(Act::Reads).needs) {
            return Err(Turned::OutOfScope);
        }
    }
    Ok(())
}
