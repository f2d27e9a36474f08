//! HTTP/2, where it is switched on: many requests at once on one connection.
//!
//! A fence closes a connection as a whole, so such a connection is one person's:
//! whoever is admitted first, and by the same password, to its end. Each request
//! is judged for itself all the same; one with another password is told to come
//! on a connection of its own (421).

use std::{
    convert::Infallible,
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use fingerprint::Dialogue;
use front::{Connection, Seat};
use futures_util::stream::{FuturesUnordered, Stream as _};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header, request::Parts};
use hyper::{body::Incoming, rt::Executor, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use keeper::{Fenced, Holder, LiveSession};
use protocols::http::head;
use tokio::sync::Notify;

use super::{HttpDoor, body::Body, caller::Caller, malformed, response_policy, saying, steady::Source};

/// Requests at once. More have to wait.
const AT_ONCE: u32 = 32;
/// Answers that are held for a client, for each of them.
const AHEAD: usize = 64 * 1024;
/// A connection on which nothing is asked for so long is closed; and one that
/// does not answer a ping as well.
const IDLE: Duration = Duration::from_secs(60);
/// Streams that a client opened and took back before they were looked at (the
/// rapid reset, CVE-2023-44487), and those that it made us take back.
const TAKEN_BACK: usize = 20;

/// What the requests of a connection share.
struct Connected {
    seat: Seat,
    caller: Caller,
    holder: Holder,
    /// Whose it is, once somebody was admitted.
    owner: Mutex<Option<Arc<LiveSession>>>,
    owned: Notify,
    under_way: AtomicUsize,
}

impl Connected {
    /// The session that the connection is under; `None` if it is somebody else's.
    fn taken_by(&self, session: LiveSession) -> Option<Arc<LiveSession>> {
        let mut owner = self.owner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(owner) = &*owner {
            let (held, asked) = (owner.info(), session.info());
            let same = held.account == asked.account && held.credential == asked.credential;
            return same.then(|| owner.clone());
        }
        self.holder.hold(&session);
        let session = Arc::new(session);
        *owner = Some(session.clone());
        self.owned.notify_one();
        Some(session)
    }

    /// Returns when its session is ended.
    async fn is_cut(&self) {
        self.owned.notified().await;
        let owner = self.owner.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(owner) = owner {
            owner.ended().await;
        }
    }
}

/// Serves a connection to its end.
pub(super) async fn serve(door: &HttpDoor, connection: Connection) {
    let Connection { mut stream, peer, shutdown, seat, .. } = connection;
    let caller = Caller::on(&mut stream, peer.address);
    let holder = Holder::default();
    let connected = Connected {
        seat,
        caller,
        holder: holder.clone(),
        owner: Mutex::default(),
        owned: Notify::new(),
        under_way: AtomicUsize::new(0),
    };
    let requests = Requests::default();
    let answering = service_fn(async |request| Ok::<_, Infallible>(answer(door, request, &connected).await));
    let mut serving = pin!(
        http2::Builder::new(requests.clone())
            .timer(TokioTimer::new())
            .max_concurrent_streams(AT_ONCE)
            .max_send_buf_size(AHEAD)
            .max_header_list_size(u32::try_from(head::MAX_HEAD).unwrap_or(u32::MAX))
            .max_pending_accept_reset_streams(TAKEN_BACK)
            .max_local_error_reset_streams(TAKEN_BACK)
            .keep_alive_interval(IDLE)
            .serve_connection(TokioIo::new(Fenced::new(stream, holder)), answering)
    );
    let over = async {
        let (mut stopping, mut idle_before) = (false, false);
        loop {
            tokio::select! {
                over = serving.as_mut() => return over,
                () = shutdown.requested(), if !stopping => {
                    stopping = true;
                    serving.as_mut().graceful_shutdown();
                }
                () = tokio::time::sleep(IDLE / 2) => {
                    let idle = connected.under_way.load(Ordering::Relaxed) == 0;
                    if idle && idle_before && stopping {
                        return Ok(());
                    }
                    if idle && idle_before {
                        stopping = true;
                        serving.as_mut().graceful_shutdown();
                    }
                    idle_before = idle;
                }
            }
        }
    };
    tokio::select! {
        over = over => if let Err(error) = over {
            tracing::debug!(door = %door.door.name, %error, "the connection broke");
        },
        // They go on only as long as their connection.
        () = requests.run() => {}
        () = connected.is_cut() => {}
    }
}

async fn answer(door: &HttpDoor, request: Request<Incoming>, connected: &Connected) -> Response<Body> {
    let _under_way = UnderWay::new(&connected.under_way);
    let (mut parts, body) = request.into_parts();
    let seen = seen_in(&parts.headers);
    let mut answer = match is_addressed(&mut parts) {
        Err(status) => malformed(status),
        Ok(()) => match door.admit(&mut parts, &seen, &connected.caller).await {
            Err(refused) => refused,
            Ok((grant, session)) => match connected.taken_by(session) {
                None => saying(StatusCode::MISDIRECTED_REQUEST, "Sign in on a connection of your own."),
                Some(session) => {
                    connected.seat.settle();
                    door.fetch(parts, Source::Among(body), &connected.caller, &grant, session).await
                }
            },
        },
    };
    response_policy::apply(answer.headers_mut());
    // There is none in HTTP/2 (RFC 9113, 8.2.2): streams end by themselves.
    answer.headers_mut().remove(header::CONNECTION);
    answer
}

/// What HTTP/2 leaves of a client's own way to write: names are in lower case, and in
/// the order in which they came but for those that came twice.
fn seen_in(headers: &HeaderMap) -> Dialogue {
    let mut seen = fingerprint::http::Dialogue::default();
    headers.iter().for_each(|(name, value)| seen.header(name.as_str().as_bytes(), value.as_bytes()));
    Dialogue::Http(seen)
}

/// One server in `:authority`, the same in `Host` if that is there too, and TLS:
/// from here on it is `Host`, as in HTTP/1.1.
fn is_addressed(request: &mut Parts) -> Result<(), StatusCode> {
    let authority = request.uri.authority().ok_or(StatusCode::BAD_REQUEST)?.as_str().to_owned();
    let same = request.headers.get_all(header::HOST).iter().all(|host| host.as_bytes() == authority.as_bytes());
    if !same || request.uri.scheme_str() != Some("https") {
        return Err(StatusCode::BAD_REQUEST);
    }
    let host = HeaderValue::try_from(authority).map_err(|_| StatusCode::BAD_REQUEST)?;
    request.headers.insert(header::HOST, host);
    Ok(())
}

struct UnderWay<'a>(&'a AtomicUsize);

impl<'a> UnderWay<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

type Task<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// The requests of a connection, carried by its own task: so they end with it,
/// and borrow what is the connection's.
#[derive(Clone, Default)]
struct Requests<'a>(Arc<Waiting<'a>>);

#[derive(Default)]
struct Waiting<'a> {
    new: Mutex<Vec<Task<'a>>>,
    come: Notify,
}

impl<'a, F: Future<Output = ()> + Send + 'a> Executor<F> for Requests<'a> {
    fn execute(&self, request: F) {
        self.0.new.lock().unwrap_or_else(PoisonError::into_inner).push(Box::pin(request));
        self.0.come.notify_one();
    }
}

impl Requests<'_> {
    /// Carries them all; never returns.
    async fn run(&self) {
        let mut running = FuturesUnordered::new();
        loop {
            running.extend(self.0.new.lock().unwrap_or_else(PoisonError::into_inner).drain(..));
            tokio::select! {
                () = self.0.come.notified() => {}
                () = std::future::poll_fn(|cx| finish(&mut running, cx)) => {}
            }
        }
    }
}

/// Polls those that are ready; ready when the last of them has ended.
fn finish(running: &mut FuturesUnordered<Task<'_>>, cx: &mut Context<'_>) -> Poll<()> {
    while let Poll::Ready(Some(())) = Pin::new(&mut *running).poll_next(cx) {}
    Poll::Pending
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_one_server() {
        for (uri, host, passes) in [
            ("https://dav.example.org/a", None, true),
            ("https://dav.example.org/a", Some("dav.example.org"), true),
            ("https://dav.example.org/a", Some("other.example.org"), false),
            ("https://dav.example.org:8444/a", Some("dav.example.org"), false),
            ("http://dav.example.org/a", None, false),
            ("/a", Some("dav.example.org"), false),
        ] {
            let mut request = Request::builder().uri(uri);
            if let Some(host) = host {
                request = request.header(header::HOST, host);
            }
            let mut parts = request.body(()).unwrap().into_parts().0;
            assert_eq!(is_addressed(&mut parts).is_ok(), passes, "{uri} {host:?}");
            assert!(!passes || parts.headers[header::HOST] == parts.uri.authority().unwrap().as_str());
        }
    }
}
