//! HTTP/1.1: the requests of a connection, one after the other.
//!
//! Each signs in for itself, and its session lives until its answer has left. The
//! next is not looked at before that: no octet goes out under a session that it is
//! no part of.

use std::{
    future::{Future, poll_fn},
    io,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use front::{Seat, Shutdown};
use http::Response;
use keeper::{Fenced, Holder};
use protocols::http::head::Asked;

use super::{
    HttpDoor,
    alarm::Alarm,
    answering::{self, To},
    body::Body,
    caller::Caller,
    connection::Connection,
    malformed,
    steady::Source,
};

/// The head of a request comes within this, also of the next one on a
/// connection that is kept open.
const HEAD: Duration = Duration::from_secs(60);

/// What the requests of a connection share.
struct Shared<'a> {
    door: &'a HttpDoor,
    connection: Connection,
    holder: Holder,
    caller: Caller,
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
pub(super) async fn serve(door: &HttpDoor, connection: front::Connection) {
    let caller = Caller::on(&connection);
    let front::Connection { stream, shutdown, seat, .. } = connection;
    let holder = Holder::default();
    let connection = Connection::new(Fenced::new(stream, holder.clone()));
    let shared = Shared { door, connection, holder, caller, seat, shutdown };
    match shared.serve().await {
        Ok(()) => shared.connection.close().await,
        Err(Over::Broken(error)) => tracing::debug!(door = %door.door.name, %error, "the connection broke"),
        Err(Over::Cut) => {}
    }
}

impl Shared<'_> {
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

    /// The path of every request, top to bottom. False if it was the last.
    async fn answer(&self, asked: Asked) -> Result<bool, Over> {
        let Asked { mut parts, goes_on, .. } = asked;
        let (to, body) = (To::new(&parts), self.connection.body());
        let (grant, session) = match self.door.admit(&mut parts, &self.caller).await {
            Ok(admitted) => admitted,
            // Nobody reads the rest of it.
            Err(refused) => return Ok(self.say(refused, to, goes_on && self.connection.is_read()).await?),
        };
        self.seat.settle();
        self.holder.hold(&session);
        let session = Arc::new(session);
        let answering = async {
            let body = Source::Alone(body);
            let answer = self.door.fetch(parts, body, &self.caller, &grant, session.clone()).await;
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

    async fn say(&self, answer: Response<Body>, to: To, goes_on: bool) -> io::Result<bool> {
        let date = self.door.dated.at(self.door.keeper.now());
        answering::answer(&self.connection, answer, to, &date, goes_on && !self.shutdown.is_requested()).await
    }
}
