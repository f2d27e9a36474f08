//! HTTP/1.1: one request after the other on a connection.

use std::{convert::Infallible, future::Future, pin::pin, time::Duration};

use front::{Seat, Shutdown, Stream};
use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use keeper::{Fenced, Holder};

use super::{
    body::Body,
    framing::{Follower, Framing, Seen},
    strict,
    turn::Turn,
    watched::Watched,
};

/// The head of a request comes within this, also of the next one on a
/// connection that is kept open.
const HEAD: Duration = Duration::from_secs(60);

/// What the requests of a connection share.
pub(super) struct Shared {
    pub(super) seat: Seat,
    pub(super) turn: Turn,
    seen: Seen,
}

impl Shared {
    /// Waits until the answer before has left; how the request that is next says
    /// where it ends. To be called once for each.
    pub(super) async fn next(&self) -> Framing {
        self.turn.comes().await;
        self.seen.next()
    }
}

/// Whoever answers on a connection.
pub(super) trait Answers: Sync {
    /// Asks for [`Shared::next`] before all else.
    fn answer(&self, request: Request<Incoming>, connection: &Shared) -> impl Future<Output = Response<Body>> + Send;
}

/// Serves a connection to its end. `name` is for the log.
pub(super) async fn serve(by: &impl Answers, name: &str, stream: Stream, seat: Seat, shutdown: Shutdown) {
    let (holder, seen) = (Holder::default(), Seen::default());
    let shared = Shared { seat, turn: Turn::new(holder.clone()), seen: seen.clone() };
    let io = Watched::new(Fenced::new(stream, holder), Follower::new(seen), shared.turn.clone());
    let answering = service_fn(async |request| Ok::<_, Infallible>(by.answer(request, &shared).await));
    let mut serving = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .max_header_size(strict::MAX_HEAD)
            .serve_connection(TokioIo::new(io), answering)
    );
    let mut stopping = false;
    let over = async {
        loop {
            tokio::select! {
                over = serving.as_mut() => return over,
                () = shutdown.requested(), if !stopping => {
                    stopping = true;
                    serving.as_mut().graceful_shutdown();
                }
            }
        }
    };
    tokio::select! {
        over = over => if let Err(error) = over {
            tracing::debug!(door = name, %error, "the connection broke");
        },
        // Dropped where it stands, with the request it is under.
        () = shared.turn.is_cut_short() => {}
    }
}
