//! Locks (RFC 4918, 6) that end. `dav-server` keeps them in memory for ever, and
//! a client that crashed would keep all others out of a file until a restart.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use dav_server::{
    davpath::DavPath,
    ls::{DavLockSystem, LsFuture},
    memls::MemLs,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tokio::time::Instant;

/// How long a lock lives that is not refreshed. `dav-server` grants no more.
const LONGEST: Duration = Duration::from_secs(600);
/// Locks of one account at a time; each takes memory.
const MOST: usize = 1000;

/// The locks of one account.
#[derive(Debug)]
pub(super) struct Locks {
    memory: Box<MemLs>,
    held: Mutex<Vec<Held>>,
}

#[derive(Debug)]
struct Held {
    path: DavPath,
    token: String,
    until: Instant,
}

/// What a request wants of the locks.
pub(super) enum Request {
    /// LOCK, for that long.
    Lock(Duration),
    /// LOCK without a body: the lock whose token is in this `If` header goes on.
    Refresh { condition: String, by: Duration },
    /// UNLOCK of the lock with this token.
    Unlock(String),
    /// Something else.
    Other,
}

impl Locks {
    pub(super) fn new() -> Self {
        Self { memory: MemLs::new(), held: Mutex::default() }
    }

    /// The locks as `dav-server` asks for them, without those that ran out.
    pub(super) fn system(&self) -> Box<dyn DavLockSystem> {
        let now = Instant::now();
        self.held().retain(|held| {
            let lives = held.until > now;
            if !lives {
                done_at_once(self.memory.unlock(&held.path, &held.token));
            }
            lives
        });
        self.memory.clone()
    }

    /// No further lock is granted.
    pub(super) fn are_full(&self) -> bool {
        self.held().len() >= MOST
    }

    /// Learns from the answer what became of a request.
    pub(super) fn note(&self, path: DavPath, request: Request, status: StatusCode, answer: &HeaderMap) {
        if !status.is_success() {
            return;
        }
        let mut held = self.held();
        match request {
            Request::Lock(time) => {
                if let Some(token) = answer.get("lock-token").and_then(token) {
                    held.push(Held { path, token, until: Instant::now() + time });
                }
            }
            Request::Refresh { condition, by } => {
                let refreshed = held.iter_mut().filter(|held| condition.contains(&held.token));
                refreshed.for_each(|held| held.until = Instant::now() + by);
            }
            Request::Unlock(token) => held.retain(|held| held.token != token),
            Request::Other => {}
        }
    }

    fn held(&self) -> MutexGuard<'_, Vec<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The memory lock system has done its work when it returns; there is nothing
/// to wait for.
fn done_at_once<T>(future: LsFuture<'_, T>) {
    drop(future);
}

/// Reads what a request wants, and shortens the time it asks for: refreshing
/// with "Infinite" would be granted.
pub(super) fn read_request(method: &Method, headers: &mut HeaderMap, empty: bool) -> Request {
    match method.as_str() {
        "LOCK" => {
            let asked = headers.get("timeout").and_then(|value| value.to_str().ok()).and_then(seconds);
            let time = asked.map_or(LONGEST, |asked| asked.min(LONGEST));
            // A header of digits and letters is always valid.
            if let Ok(value) = HeaderValue::try_from(format!("Second-{}", time.as_secs())) {
                headers.insert("timeout", value);
            }
            let condition = headers.get("if").map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
            match condition {
                Some(condition) if empty => Request::Refresh { condition, by: time },
                _ => Request::Lock(time),
            }
        }
        "UNLOCK" => headers.get("lock-token").and_then(token).map_or(Request::Other, Request::Unlock),
        _ => Request::Other,
    }
}

/// The first of `Second-600, Infinite`, if it is a number.
fn seconds(value: &str) -> Option<Duration> {
    let first = value.split(',').next()?.trim();
    first.strip_prefix("Second-")?.parse().ok().map(Duration::from_secs)
}

/// `<urn:uuid:...>` without the brackets.
fn token(value: &HeaderValue) -> Option<String> {
    value.to_str().ok()?.trim().strip_prefix('<')?.strip_suffix('>').map(str::to_owned)
}
