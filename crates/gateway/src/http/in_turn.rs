//! HTTP/1.1: the requests of a connection, one after the other.
//!
//! Each signs in for itself, and its session lives until its answer has left. The
//! next is not looked at before that: no octet goes out under a session that it is
//! no part of.

use std::{
    future::{Future, poll_fn},
    io,
    net::IpAddr,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use front::{Seat, Shutdown, Stream};
use http::{HeaderValue, Request, Response, request::Parts};
use keeper::{Fenced, Holder};
use protocols::http::head::Asked;

use super::{
    HttpDoor,
    alarm::Alarm,
    answering::{self, To},
    body::{Body, from_body},
    caller::Caller,
    connection::Connection,
    malformed,
    named::Pages,
    steady::Source,
    strict,
};

/// The head of a request comes within this, also of the next one on a
/// connection that is kept open.
const HEAD: Duration = Duration::from_secs(60);

/// Who answers the requests of a connection.
pub(super) trait Hosts: Sync {
    /// Who answers this one.
    fn host(&self, request: &Parts) -> Host<'_>;

    /// The date of an answer.
    fn date(&self) -> HeaderValue;

    /// For the log.
    fn name(&self) -> &str;
}

/// Who answers a request.
pub(super) enum Host<'a> {
    /// A door, which sees this caller.
    Door(&'a HttpDoor, &'a Caller),
    /// A door, which sees another caller with each request: a web server in front
    /// speaks for all.
    DoorInFront(&'a HttpDoor, Box<Caller>),
    /// Pages, and their visitor's connection is from here.
    Pages(&'a dyn Pages, IpAddr),
    /// Nobody.
    Nobody(Response<Body>),
}

/// What the requests of a connection share.
struct Shared<'a, H> {
    hosts: &'a H,
    connection: Connection,
    holder: Holder,
    seat: Seat,
    shutdown: Shutdown,
}

/// Why a connection ends without another word.
enum Over {
    Broken(io::Error),
    /// The session was ended, or the client has gone.
    Cut,
}

impl From<io::Error> for Over {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

/// Serves a connection to its end.
pub(super) async fn serve(hosts: &impl Hosts, stream: Stream, seat: Seat, shutdown: Shutdown) {
    let holder = Holder::default();
    let connection = Connection::new(Fenced::new(stream, holder.clone()));
    let shared = Shared { hosts, connection, holder, seat, shutdown };
    match shared.serve().await {
        Ok(()) => shared.connection.close().await,
        Err(Over::Broken(error)) => tracing::debug!(door = hosts.name(), %error, "the connection broke"),
        Err(Over::Cut) => {}
    }
}

impl<H: Hosts> Shared<'_, H> {
    async fn serve(&self) -> Result<(), Over> {
        let mut stopping = pin!(self.shutdown.requested());
        let mut late = Alarm::default();
        loop {
            let mut waits = false;
            let head = poll_fn(|cx| {
                if let Poll::Ready(head) = self.connection.poll_head(cx) {
                    return Poll::Ready(head);
                }
                if self.connection.is_quiet() && stopping.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Ok(None));
                }
                if !std::mem::replace(&mut waits, true) {
                    late.set(HEAD);
                }
                late.poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
            });
            let goes_on = match head.await? {
                None => return Ok(()),
                Some(Ok(asked)) => self.answer(asked).await?,
                Some(Err(status)) => self.say(malformed(status), To::MALFORMED, false).await?,
            };
            if !goes_on {
                return Ok(());
            }
        }
    }

    /// False if it was the last.
    async fn answer(&self, asked: Asked) -> Result<bool, Over> {
        match self.hosts.host(&asked.parts) {
            Host::Door(door, caller) => self.answer_at(door, caller, asked).await,
            Host::DoorInFront(door, caller) => self.answer_at(door, &caller, asked).await,
            Host::Pages(pages, peer) => self.show(pages, peer, asked).await,
            Host::Nobody(answer) => Ok(self.say(answer, To::new(&asked.parts), false).await?),
        }
    }

    /// The path of every request to a door, top to bottom.
    async fn answer_at(&self, door: &HttpDoor, caller: &Caller, asked: Asked) -> Result<bool, Over> {
        let Asked { mut parts, goes_on, seen, .. } = asked;
        let (to, body) = (To::new(&parts), self.connection.body());
        let (grant, session) = match door.admit(&mut parts, &seen, caller).await {
            Ok(admitted) => admitted,
            // Nobody reads the rest of it.
            Err(refused) => return Ok(self.say(refused, to, goes_on && self.connection.is_read()).await?),
        };
        self.seat.settle();
        self.holder.hold(&session);
        let session = Arc::new(session);
        let answering = async {
            let body = Source::Alone(body);
            let answer = door.fetch(parts, body, caller, &grant, session.clone()).await;
            self.say(answer, to, goes_on).await
        };
        let goes_on = tokio::select! {
            biased;
            goes_on = answering => goes_on?,
            // Dropped where it stands, with all that is under way for it.
            () = session.ended() => return Err(Over::Cut),
            () = self.connection.is_left() => return Err(Over::Cut),
        };
        // First the connection, then the session: its end closes the gate.
        self.holder.release();
        drop(session);
        Ok(goes_on && self.connection.is_read())
    }

    async fn show(&self, pages: &dyn Pages, peer: IpAddr, asked: Asked) -> Result<bool, Over> {
        let Asked { parts, goes_on, .. } = asked;
        let (to, body) = (To::new(&parts), self.connection.body());
        if let Err(status) = strict::check(&parts) {
            return Ok(self.say(malformed(status), to, false).await?);
        }
        let answering = async {
            let answer = pages.answer(Request::from_parts(parts, from_body(body)), peer).await;
            self.say(answer, to.of_pages(), goes_on).await
        };
        let goes_on = tokio::select! {
            biased;
            goes_on = answering => goes_on?,
            () = self.connection.is_left() => return Err(Over::Cut),
        };
        Ok(goes_on && self.connection.is_read())
    }

    async fn say(&self, answer: Response<Body>, to: To, goes_on: bool) -> io::Result<bool> {
        let date = self.hosts.date();
        answering::answer(&self.connection, answer, to, &date, goes_on && !self.shutdown.is_requested()).await
    }
}
