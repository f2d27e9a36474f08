//! Who sits at which browser: kept here, under a hash of the cookie.
//!
//! In memory, bounded: after a restart people sign in again. A new cookie is
//! given with every step up, so that one planted before is worth nothing after.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use authority::{AppPasswordId, Timestamp};
use data_encoding::BASE64URL_NOPAD;
use http::{HeaderMap, HeaderValue, header};
use keeper::{Owner, Pending, Proposal, SettingUp};
use rand_core::{CryptoRng, Rng};
use sha2::{Digest, Sha256};

use crate::{after::After, csrf::Token};

/// `__Host-`: only over TLS, only from this very host, for all of it.
const COOKIE: &str = "__Host-postern";
/// Somebody who does nothing this long is signed out.
const IDLE: Duration = Duration::from_secs(3600);
/// And everybody after this.
const LONGEST: Duration = Duration::from_secs(12 * 3600);
/// So many browsers at once.
const BROWSERS: usize = 50_000;
/// So many forms that may be sent once are remembered per browser.
const FORMS: usize = 32;

/// What this browser has proved.
#[derive(Clone)]
pub(crate) enum Level {
    /// The primary password; there is a second factor to ask for. Then on to a page.
    Pending(Arc<Pending>, After),
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
    /// A second factor that this owner may put in the place of the other.
    proposed: Option<Arc<Proposal>>,
    /// What was done, to be told on the next page.
    notice: Option<String>,
    /// Forms that were sent, and what each made.
    forms: VecDeque<(Box<str>, Option<AppPasswordId>)>,
}

impl Session {
    /// True if this owner is signed in here.
    fn is_of(&self, owner: &Owner) -> bool {
        matches!(&self.level, Level::Owner(there) if there.is_beside(owner))
    }

    fn is_over(&self, now: Timestamp) -> bool {
        now.since(self.seen) > IDLE || now.since(self.since) > LONGEST
    }
}

/// A browser, as its owner is shown it from another.
pub(crate) struct BrowserSeen {
    /// Names it on the page. It is part of a hash of the cookie, and leads nowhere.
    pub(crate) handle: String,
    pub(crate) from: IpAddr,
    pub(crate) since: Timestamp,
    pub(crate) seen: Timestamp,
    pub(crate) is_this: bool,
}

/// What to do with a form that may be sent once.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Claim {
    /// Act on it, and say how it went with [`Sessions::settle`].
    First,
    /// It was sent before: a second click, or a reload of the answer. This is
    /// what it made, if it is known by now.
    Before(Option<AppPasswordId>),
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

pub(crate) struct Sessions {
    random: Mutex<Box<dyn CryptoRng + Send>>,
    browsers: Mutex<HashMap<Key, Session>>,
}

impl Sessions {
    pub(crate) fn new(random: Box<dyn CryptoRng + Send>) -> Self {
        Self { random: Mutex::new(random), browsers: Mutex::default() }
    }

    /// The session that this request's cookie names, if it is still going. Its
    /// owner is there: the idle time starts anew.
    pub(crate) fn seen(&self, headers: &HeaderMap, now: Timestamp) -> Option<Seen> {
        self.find(headers, now, true)
    }

    /// The same for a request that a page makes by itself: a page left open
    /// must not keep its owner signed in.
    pub(crate) fn glimpsed(&self, headers: &HeaderMap, now: Timestamp) -> Option<Seen> {
        self.find(headers, now, false)
    }

    fn find(&self, headers: &HeaderMap, now: Timestamp, is_active: bool) -> Option<Seen> {
        let key = hash(cookie(headers)?);
        let mut browsers = self.browsers();
        let session = browsers.get_mut(&key)?;
        if session.is_over(now) {
            browsers.remove(&key);
            return None;
        }
        if is_active {
            session.seen = now;
        }
        Some(Seen { key, level: session.level.clone(), token: session.token.clone() })
    }

    /// A session at this level, under a new cookie; `before` is over.
    pub(crate) fn step_up(&self, before: Option<&Seen>, level: Level, now: Timestamp) -> (Seen, HeaderValue) {
        let cookie = self.draw();
        let (key, token) = (hash(&cookie), Token::new(self.draw()));
        let seen = Seen { key, level: level.clone(), token: token.clone() };
        let session =
            Session { level, token, since: now, seen: now, proposed: None, notice: None, forms: VecDeque::new() };
        let mut browsers = self.browsers();
        if let Some(before) = before {
            browsers.remove(&before.key);
        }
        if browsers.len() >= BROWSERS {
            make_room(&mut browsers, now);
        }
        browsers.insert(key, session);
        let text = format!("{COOKIE}={cookie}; Path=/; Secure; HttpOnly; SameSite=Lax");
        (seen, HeaderValue::try_from(text).expect("base64 fits into a header"))
    }

    /// The same browser, with what it has proved since.
    pub(crate) fn update(&self, seen: &Seen, level: Level) {
        if let Some(session) = self.browsers().get_mut(&seen.key) {
            session.level = level;
        }
    }

    /// Keeps a second factor that was offered: it is shown, and comes into force,
    /// by later requests.
    pub(crate) fn propose(&self, seen: &Seen, proposal: Proposal) {
        if let Some(session) = self.browsers().get_mut(&seen.key) {
            session.proposed = Some(Arc::new(proposal));
        }
    }

    /// The second factor that was offered last.
    pub(crate) fn proposed(&self, seen: &Seen) -> Option<Arc<Proposal>> {
        self.browsers().get(&seen.key)?.proposed.clone()
    }

    /// Tells the browser's next page what was done.
    pub(crate) fn say(&self, seen: &Seen, notice: String) {
        if let Some(session) = self.browsers().get_mut(&seen.key) {
            session.notice = Some(notice);
        }
    }

    /// What was done, told once.
    pub(crate) fn hear(&self, seen: &Seen) -> Option<String> {
        self.browsers().get_mut(&seen.key)?.notice.take()
    }

    /// Asks whether this form has been sent before. A reload of a page that was
    /// the answer to a form sends the form again; it must make nothing twice.
    pub(crate) fn claim(&self, seen: &Seen, form: &str) -> Claim {
        let mut browsers = self.browsers();
        let Some(session) = browsers.get_mut(&seen.key) else { return Claim::Before(None) };
        if let Some((_, made)) = session.forms.iter().find(|(known, _)| **known == *form) {
            return Claim::Before(*made);
        }
        if session.forms.len() == FORMS {
            session.forms.pop_front();
        }
        session.forms.push_back((form.into(), None));
        Claim::First
    }

    /// What a claimed form made; nothing: it may be corrected and sent again.
    pub(crate) fn settle(&self, seen: &Seen, form: &str, made: Option<AppPasswordId>) {
        if let Some(session) = self.browsers().get_mut(&seen.key) {
            match made {
                None => session.forms.retain(|(known, _)| **known != *form),
                made => session.forms.iter_mut().filter(|(known, _)| **known == *form).for_each(|entry| entry.1 = made),
            }
        }
    }

    /// The browsers where this owner is signed in, the newest first.
    pub(crate) fn browsers_of(&self, owner: &Owner, seen: &Seen, now: Timestamp) -> Vec<BrowserSeen> {
        let browsers = self.browsers();
        let own = browsers.iter().filter(|(_, session)| session.is_of(owner) && !session.is_over(now));
        let mut list: Vec<_> = own
            .filter_map(|(key, session)| {
                let Level::Owner(there) = &session.level else { return None };
                let (from, since, seen_at) = (there.address(), session.since, session.seen);
                Some(BrowserSeen { handle: handle(key), from, since, seen: seen_at, is_this: *key == seen.key })
            })
            .collect();
        list.sort_by_key(|browser| (!browser.is_this, std::cmp::Reverse(browser.since)));
        list
    }

    /// Signs this owner out at one other browser, or at all others; returns at how many.
    pub(crate) fn end_others(&self, owner: &Owner, seen: &Seen, which: Option<&str>) -> usize {
        let mut browsers = self.browsers();
        let before = browsers.len();
        browsers.retain(|key, session| {
            *key == seen.key || !session.is_of(owner) || which.is_some_and(|which| handle(key) != which)
        });
        before - browsers.len()
    }

    /// Over. Returns the cookie that takes the cookie away.
    pub(crate) fn end(&self, seen: &Seen) -> HeaderValue {
        self.browsers().remove(&seen.key);
        HeaderValue::from_static("__Host-postern=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0")
    }

    fn browsers(&self) -> MutexGuard<'_, HashMap<Key, Session>> {
        self.browsers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// 256 bits, printable.
    pub(crate) fn draw(&self) -> String {
        let mut bytes = [0; 32];
        self.random.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(&mut bytes);
        BASE64URL_NOPAD.encode(&bytes)
    }
}

/// Whoever is over goes first, then who has proved least, then who was quiet longest.
fn make_room(browsers: &mut HashMap<Key, Session>, now: Timestamp) {
    browsers.retain(|_, session| !session.is_over(now));
    let rank = |session: &Session| (matches!(session.level, Level::Owner(_)), session.seen);
    let mut ranks: Vec<_> = browsers.iter().map(|(key, session)| (rank(session), *key)).collect();
    ranks.sort_unstable_by_key(|(rank, _)| *rank);
    // A tenth at once, so that a flood does not sort the map for each of its requests.
    for (_, key) in ranks.iter().take((browsers.len() + BROWSERS / 10).saturating_sub(BROWSERS)) {
        browsers.remove(key);
    }
}

fn handle(key: &Key) -> String {
    BASE64URL_NOPAD.encode(&key[..12])
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

fn hash(cookie: &str) -> Key {
    Sha256::digest(cookie.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use authority::{AppPasswordRules, AuditKey, Catalogue, Cutoff, Domain, Login, Secret};
    use keeper::{AddAccount, HashCost, Keeper, Keys, ServerKey, Site};
    use testkit::{FixedClock, MemoryStore, Seeded};

    use super::*;

    /// Somebody halfway through a sign-in, and the same somebody at its end.
    async fn levels() -> (Level, Level) {
        let key = AuditKey::new([7; 32]);
        let site = Site {
            domain: Domain::parse("example.org").unwrap(),
            issuer: "Example".into(),
            cutoff: Cutoff::Enforced,
            rules: AppPasswordRules::default(),
            hash_cost: HashCost { memory: 64, passes: 1 },
            apps: Catalogue::default(),
        };
        let (store, keys) = (MemoryStore::new(key.clone()), Keys::new(ServerKey::new([1; 32]), key));
        let clock = FixedClock::new(NOW);
        let keeper = Keeper::new(site, Box::new(store), keys, Box::new(clock), Box::new(Seeded::new(1))).await.unwrap();
        let primary = Secret::new("correct horse battery staple".into());
        let login = Login::parse("alice@example.org").unwrap();
        let request = AddAccount { login, aliases: vec![], primary: Some(primary.clone()), totp: true };
        let codes = keeper.add_account(0, request).await.unwrap().recovery_codes;
        let pending = keeper.begin_sign_in("alice", &primary, [192, 0, 2, 7].into()).await.unwrap();
        let owner = keeper.finish_sign_in(&pending, codes[0].expose()).await.unwrap();
        (Level::Pending(Arc::new(pending), After::default()), Level::Owner(owner))
    }

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    #[tokio::test]
    async fn a_flood_of_halfway_sign_ins_pushes_nobody_out_who_is_signed_in() {
        let (pending, owner) = levels().await;
        let sessions = Sessions::new(Box::new(Seeded::new(2)));
        let (signed_in, _) = sessions.step_up(None, owner, NOW);
        let mut newest = signed_in.clone();
        for n in 0..BROWSERS + BROWSERS / 5 {
            newest = sessions.step_up(None, pending.clone(), NOW.plus(Duration::from_millis(n as u64))).0;
        }
        let browsers = sessions.browsers();
        assert!(browsers.len() <= BROWSERS, "{}", browsers.len());
        assert!(browsers.contains_key(&signed_in.key), "the oldest, but signed in");
        assert!(browsers.contains_key(&newest.key));
    }

    #[tokio::test]
    async fn a_form_is_acted_on_once_and_again_if_it_made_nothing() {
        let (_, owner) = levels().await;
        let sessions = Sessions::new(Box::new(Seeded::new(2)));
        let (seen, _) = sessions.step_up(None, owner, NOW);
        assert_eq!(sessions.claim(&seen, "form"), Claim::First);
        assert_eq!(sessions.claim(&seen, "form"), Claim::Before(None), "under way");
        sessions.settle(&seen, "form", None);
        assert_eq!(sessions.claim(&seen, "form"), Claim::First, "corrected");
        let made = AppPasswordId::from_bytes([1; 10]);
        sessions.settle(&seen, "form", Some(made));
        assert_eq!(sessions.claim(&seen, "form"), Claim::Before(Some(made)));
        sessions.end(&seen);
        assert_eq!(sessions.claim(&seen, "another"), Claim::Before(None), "signed out meanwhile");
    }
}
