//! Who sits at which browser: kept here, under a hash of the cookie.
//!
//! In memory, bounded: after a restart people sign in again. A new cookie is
//! given with every step up, so that one planted before is worth nothing after.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use authority::Timestamp;
use data_encoding::BASE64URL_NOPAD;
use http::{HeaderMap, HeaderValue, header};
use keeper::{Owner, Pending, Proposal, SettingUp};
use rand_core::{CryptoRng, Rng};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// `__Host-`: only over TLS, only from this very host, for all of it.
const COOKIE: &str = "__Host-postern";
/// Somebody who does nothing this long is signed out.
const IDLE: Duration = Duration::from_secs(3600);
/// And everybody after this.
const LONGEST: Duration = Duration::from_secs(12 * 3600);
/// So many browsers at once.
const BROWSERS: usize = 50_000;

/// What this browser has proved.
#[derive(Clone)]
pub(crate) enum Level {
    /// The primary password; there is a second factor to ask for.
    Pending(Arc<Pending>),
    /// The primary password; a second factor is being set up.
    Enrolling(Arc<Pending>, Arc<Proposal>),
    /// A set-up code; all factors are being chosen.
    SettingUp(Arc<SettingUp>, Arc<Proposal>),
    /// Both factors.
    Owner(Owner),
}

struct Session {
    level: Level,
    token: Token,
    since: Timestamp,
    seen: Timestamp,
}

/// A session as one request sees it.
#[derive(Clone)]
pub(crate) struct Seen {
    key: Key,
    pub(crate) level: Level,
    /// Goes into every form, and comes back with it.
    pub(crate) token: Token,
}

type Key = [u8; 32];

/// The form's proof that it came from a page of this session.
#[derive(Clone)]
pub(crate) struct Token(Box<str>);

impl Token {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn matches(&self, sent: &str) -> bool {
        self.0.as_bytes().ct_eq(sent.as_bytes()).into()
    }
}

pub(crate) struct Sessions {
    random: Mutex<Box<dyn CryptoRng + Send>>,
    browsers: Mutex<HashMap<Key, Session>>,
}

impl Sessions {
    pub(crate) fn new(random: Box<dyn CryptoRng + Send>) -> Self {
        Self { random: Mutex::new(random), browsers: Mutex::default() }
    }

    /// The session that this request's cookie names, if it is still going.
    pub(crate) fn seen(&self, headers: &HeaderMap, now: Timestamp) -> Option<Seen> {
        let key = key(headers)?;
        let mut browsers = self.browsers();
        let session = browsers.get_mut(&key)?;
        if now.since(session.seen) > IDLE || now.since(session.since) > LONGEST {
            browsers.remove(&key);
            return None;
        }
        session.seen = now;
        Some(Seen { key, level: session.level.clone(), token: session.token.clone() })
    }

    /// A session at this level, under a new cookie; `before` is over.
    pub(crate) fn step_up(&self, before: Option<&Seen>, level: Level, now: Timestamp) -> HeaderValue {
        let (cookie, token) = (self.draw(), self.draw());
        let mut browsers = self.browsers();
        if let Some(before) = before {
            browsers.remove(&before.key);
        }
        if browsers.len() >= BROWSERS {
            make_room(&mut browsers, now);
        }
        let session = Session { level, token: Token(token.into()), since: now, seen: now };
        browsers.insert(hash(&cookie), session);
        let text = format!("{COOKIE}={cookie}; Path=/; Secure; HttpOnly; SameSite=Lax");
        HeaderValue::try_from(text).expect("base64 fits into a header")
    }

    /// The same browser, with what it has proved since.
    pub(crate) fn update(&self, seen: &Seen, level: Level) {
        if let Some(session) = self.browsers().get_mut(&seen.key) {
            session.level = level;
        }
    }

    /// Over. Returns the cookie that takes the cookie away.
    pub(crate) fn end(&self, seen: &Seen) -> HeaderValue {
        self.browsers().remove(&seen.key);
        HeaderValue::from_static("__Host-postern=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0")
    }

    fn browsers(&self) -> MutexGuard<'_, HashMap<Key, Session>> {
        self.browsers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn draw(&self) -> String {
        let mut bytes = [0; 32];
        self.random.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(&mut bytes);
        BASE64URL_NOPAD.encode(&bytes)
    }
}

/// Whoever is over goes first, then who has proved least, then who was quiet longest.
fn make_room(browsers: &mut HashMap<Key, Session>, now: Timestamp) {
    browsers.retain(|_, session| now.since(session.seen) <= IDLE && now.since(session.since) <= LONGEST);
    let rank = |session: &Session| (matches!(session.level, Level::Owner(_)), session.seen);
    let mut ranks: Vec<_> = browsers.iter().map(|(key, session)| (rank(session), *key)).collect();
    ranks.sort_unstable_by_key(|(rank, _)| *rank);
    // A tenth at once, so that a flood does not sort the map for each of its requests.
    for (_, key) in ranks.iter().take((browsers.len() + BROWSERS / 10).saturating_sub(BROWSERS)) {
        browsers.remove(key);
    }
}

fn key(headers: &HeaderMap) -> Option<Key> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut named = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    named.find(|(name, _)| *name == COOKIE).map(|(_, value)| hash(value))
}

fn hash(cookie: &str) -> Key {
    Sha256::digest(cookie.as_bytes()).into()
}
