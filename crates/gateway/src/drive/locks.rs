//! Locks (RFC 4918, 6 and 7): a short list for each account. All of them end,
//! or a client that crashed would keep all others out until a restart.

use std::{
    fmt,
    future::ready,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use dav_server::{
    davpath::DavPath,
    ls::{DavLock, DavLockSystem, LsFuture},
};
use rand_core::Rng;
use tokio::time::Instant;
use xmltree::Element;

use super::place::Place;

/// How long a lock lives that is not refreshed.
const LONGEST: Duration = Duration::from_secs(600);
/// Locks of one account at a time; each takes memory, and is shown with all
/// that it covers.
const MOST: usize = 100;

/// The locks of one account. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Locks {
    held: Arc<Mutex<Vec<Held>>>,
    tokens: Tokens,
}

/// One lock, at its place.
#[derive(Debug)]
struct Held {
    place: Place,
    lock: DavLock,
    until: Instant,
}

impl Held {
    /// True if it is a lock on what is at `place`.
    fn covers(&self, place: &Place) -> bool {
        self.place == *place || (self.lock.deep && place.is_within(&self.place))
    }
}

impl Locks {
    pub(super) fn new(tokens: Tokens) -> Self {
        Self { held: Arc::default(), tokens }
    }

    /// No further lock is granted.
    pub(super) fn are_full(&self) -> bool {
        self.held().len() >= MOST
    }

    /// The locks that have not ended.
    fn held(&self) -> MutexGuard<'_, Vec<Held>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        held.retain(|held| held.until > now);
        held
    }

    /// The lock with this token, if it is one on `path`. It may be named by
    /// anything that it covers (RFC 4918, 9.10.2 and 9.11).
    fn named<'a>(held: &'a mut [Held], path: &DavPath, token: &str) -> Option<&'a mut Held> {
        let place = Place::new(path).ok()?;
        held.iter_mut().find(|held| held.lock.token == token && held.covers(&place))
    }
}

/// `dav-server` hands paths over that the folder may refuse later. Nothing is
/// locked there.
impl DavLockSystem for Locks {
    /// Fails with a lock that is in the way; where it is another thing, with the
    /// one that was asked for.
    fn lock(
        &self,
        path: &DavPath,
        principal: Option<&str>,
        owner: Option<&Element>,
        timeout: Option<Duration>,
        shared: bool,
        deep: bool,
    ) -> LsFuture<'_, Result<DavLock, DavLock>> {
        let time = timeout.unwrap_or(LONGEST).min(LONGEST);
        let lock = DavLock {
            token: self.tokens.next(),
            path: Box::new(path.clone()),
            principal: principal.map(str::to_owned),
            owner: owner.cloned().map(Box::new),
            timeout_at: None,
            timeout: Some(time),
            shared,
            deep,
        };
        let mut held = self.held();
        let Ok(place) = Place::new(path) else { return done(Err(lock)) };
        let meets = |held: &&Held| held.covers(&place) || (deep && held.place.is_within(&place));
        if let Some(other) = held.iter().filter(meets).find(|held| !(shared && held.lock.shared)) {
            return done(Err(other.lock.clone()));
        }
        if held.len() >= MOST {
            return done(Err(lock));
        }
        held.push(Held { place, lock: lock.clone(), until: Instant::now() + time });
        done(Ok(lock))
    }

    fn unlock(&self, path: &DavPath, token: &str) -> LsFuture<'_, Result<(), ()>> {
        let mut held = self.held();
        let found = Self::named(&mut held, path, token).is_some();
        if found {
            held.retain(|held| held.lock.token != token);
        }
        done(if found { Ok(()) } else { Err(()) })
    }

    fn refresh(&self, path: &DavPath, token: &str, timeout: Option<Duration>) -> LsFuture<'_, Result<DavLock, ()>> {
        let time = timeout.unwrap_or(LONGEST).min(LONGEST);
        let mut held = self.held();
        let refreshed = Self::named(&mut held, path, token).map(|held| {
            held.until = Instant::now() + time;
            held.lock.timeout = Some(time);
            held.lock.clone()
        });
        done(refreshed.ok_or(()))
    }

    /// Each place that is touched is free: not locked, or by one of these tokens
    /// among others. Everybody with an account's locks is that account.
    fn check(
        &self,
        path: &DavPath,
        _principal: Option<&str>,
        _ignore_principal: bool,
        deep: bool,
        tokens: &[String],
    ) -> LsFuture<'_, Result<(), DavLock>> {
        let Ok(place) = Place::new(path) else { return done(Ok(())) };
        let held = self.held();
        let in_the_way_at = |place: &Place| {
            let mut covering = held.iter().filter(|held| held.covers(place));
            let first = covering.clone().next()?;
            let ours = covering.any(|held| tokens.contains(&held.lock.token));
            (!ours).then(|| first.lock.clone())
        };
        let below = held.iter().map(|held| &held.place).filter(|below| deep && below.is_within(&place));
        done(match std::iter::once(&place).chain(below).find_map(in_the_way_at) {
            Some(lock) => Err(lock),
            None => Ok(()),
        })
    }

    fn discover(&self, path: &DavPath) -> LsFuture<'_, Vec<DavLock>> {
        let Ok(place) = Place::new(path) else { return done(Vec::new()) };
        done(self.held().iter().filter(|held| held.covers(&place)).map(|held| held.lock.clone()).collect())
    }

    fn delete(&self, path: &DavPath) -> LsFuture<'_, Result<(), ()>> {
        if let Ok(place) = Place::new(path) {
            self.held().retain(|held| !held.place.is_within(&place));
        }
        done(Ok(()))
    }
}

/// There is nothing to wait for.
fn done<'a, T: Send + 'a>(answer: T) -> LsFuture<'a, T> {
    Box::pin(ready(answer))
}

/// Makes tokens: unique for all time (RFC 4918, 6.5), and no secrets.
#[derive(Clone)]
pub(super) struct Tokens(Arc<Mutex<Box<dyn Rng + Send>>>);

impl Tokens {
    pub(super) fn new(random: Box<dyn Rng + Send>) -> Self {
        Self(Arc::new(Mutex::new(random)))
    }

    /// A random UUID (RFC 9562, 5.4).
    fn next(&self) -> String {
        let mut octets = [0; 16];
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(&mut octets);
        octets[6] = octets[6] & 0x0f | 0x40;
        octets[8] = octets[8] & 0x3f | 0x80;
        let hex = format!("{:032x}", u128::from_be_bytes(octets));
        format!("urn:uuid:{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens")
    }
}
