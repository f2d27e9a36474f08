//! Admitted connections, and the fence that ends them.
//!
//! A revocation first raises a fence over what it ends: every session under it
//! is closed and no new one can be entered. Then it commits. Then the caches
//! forget. Only then is it acknowledged. A session is entered *before* its
//! state is read for the last time, so one of the two always sees the other:
//!
//! - entered before the fence: the fence closes it;
//! - entered under the fence: turned away with "try later";
//! - entered after: the last reading of state comes after the commit.
//!
//! `interleavings` tries this in every order of the steps.
//!
//! Closing takes the session's gate, which a writer holds only across one
//! non-blocking write. So a client that does not read holds nobody up, and when
//! the revocation is acknowledged no byte more is handed to its socket.

use std::{
    collections::{BTreeMap, hash_map::Entry},
    net::IpAddr,
    sync::{Arc, PoisonError, atomic::Ordering},
};

use authority::{AccountId, AppPasswordId, Credential, Door, Grant, Login, Protocol, Timestamp};
use tokio::{sync::Notify, time::Instant};

use crate::{
    by_id::ById,
    sync::{AtomicU64, Mutex, MutexGuard},
};

/// Names a live session until it ends. Not kept across restarts.
pub type SessionId = u64;

/// What "signed in now" shows of a session.
#[derive(Clone, Debug)]
pub struct SessionInfo {
    /// For `session end`.
    pub id: SessionId,
    /// Whose.
    pub account: AccountId,
    /// The login handed to the server behind.
    pub login: Login,
    /// What opened it.
    pub credential: Credential,
    /// The door's name.
    pub door: Arc<str>,
    /// How long it lasts.
    pub lasts: Lasts,
    /// The client's address.
    pub from: IpAddr,
    /// Since when.
    pub since: Timestamp,
    /// When it ends by itself: its password expires then.
    pub until: Option<Timestamp>,
}

/// How long a session lasts, by its nature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lasts {
    /// As long as its connection.
    Connection,
    /// As long as the answer to a request: each signs in for itself.
    Request,
}

impl Lasts {
    fn at(door: &Door) -> Self {
        match door.protocol {
            Protocol::Http => Self::Request,
            _ => Self::Connection,
        }
    }
}

/// Which live sessions of an account.
#[derive(Clone, Debug)]
pub enum Which {
    /// All of them.
    All,
    /// This one.
    One(SessionId),
    /// What one app has at one door, seen from one place.
    Of {
        /// What opened them.
        credential: Credential,
        /// The door's name.
        door: Arc<str>,
        /// The client's address.
        from: IpAddr,
    },
}

impl Which {
    fn covers(&self, info: &SessionInfo) -> bool {
        match self {
            Self::All => true,
            Self::One(id) => info.id == *id,
            Self::Of { credential, door, from } => {
                info.credential == *credential && info.door == *door && info.from == *from
            }
        }
    }
}

pub(crate) struct Session {
    info: SessionInfo,
    gate: Mutex<Gate>,
    ended: Notify,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Gate {
    /// Its state has not been read for the last time: nobody has it yet.
    Entered,
    /// Admitted.
    Open,
    /// Over.
    Closed,
}

impl Session {
    /// Does this while the gate is held open, and held; nothing if it is not open.
    pub(crate) fn while_open<T>(&self, act: impl FnOnce() -> T) -> Option<T> {
        let gate = lock(&self.gate);
        (*gate == Gate::Open).then(act)
    }

    /// From now on nothing passes. False if that was so before. Whoever waits for
    /// its end is to be told: [`Session::tell`].
    fn close(&self) -> bool {
        std::mem::replace(&mut *lock(&self.gate), Gate::Closed) != Gate::Closed
    }

    fn tell(&self) {
        self.ended.notify_waiters();
    }
}

/// A panic while a lock was held leaves plain maps and flags: all of them valid.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a fence stands around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Around {
    /// All sessions of the account.
    Account,
    /// Those of one app password.
    AppPassword(AppPasswordId),
}

impl Around {
    fn covers(self, credential: Credential) -> bool {
        match self {
            Self::Account => true,
            Self::AppPassword(id) => credential == Credential::AppPassword(id),
        }
    }
}

#[derive(Default)]
struct Sessions {
    fences: Vec<Around>,
    live: BTreeMap<SessionId, Arc<Session>>,
    /// How many of them there are under each app password. Nothing at zero.
    places: ById<(AppPasswordId, Lasts), usize>,
}

impl Sessions {
    /// False if as many are taken as there may be.
    fn take_place(&mut self, info: &SessionInfo, limit: usize) -> bool {
        let Credential::AppPassword(id) = info.credential else { return true };
        let taken = self.places.entry((id, info.lasts)).or_default();
        if *taken >= limit {
            return false;
        }
        *taken += 1;
        true
    }

    fn leave_place(&mut self, info: &SessionInfo) {
        let Credential::AppPassword(id) = info.credential else { return };
        if let Entry::Occupied(mut taken) = self.places.entry((id, info.lasts)) {
            *taken.get_mut() -= 1;
            if *taken.get() == 0 {
                taken.remove();
            }
        }
    }
}

type Shard = Mutex<ById<AccountId, Sessions>>;

/// All live sessions of this server.
#[derive(Clone)]
pub(crate) struct Registry(Arc<Inner>);

struct Inner {
    shards: Box<[Shard]>,
    next: AtomicU64,
}

/// Why a session is not entered: try later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotEntered {
    /// Somebody is just ending what it would stand on.
    UnderFence,
    /// Its password has as many as it may.
    TooMany,
}

impl Registry {
    pub(crate) fn new() -> Self {
        let shards = (0..64).map(|_| Shard::default()).collect();
        Self(Arc::new(Inner { shards, next: AtomicU64::new(1) }))
    }

    fn shard(&self, account: AccountId) -> MutexGuard<'_, ById<AccountId, Sessions>> {
        let bytes = account.as_bytes();
        lock(&self.0.shards[usize::from(bytes[0]) % self.0.shards.len()])
    }

    /// Enters a session, so that whatever ends it from now on finds it; at most
    /// `limit` of its kind under one app password.
    pub(crate) fn enter(
        &self,
        grant: &Grant,
        door: &Door,
        from: IpAddr,
        since: Timestamp,
        limit: usize,
    ) -> Result<LiveSession, NotEntered> {
        let info = SessionInfo {
            id: self.0.next.fetch_add(1, Ordering::Relaxed),
            account: grant.account(),
            login: grant.login().clone(),
            credential: grant.credential(),
            door: door.name.clone(),
            lasts: Lasts::at(door),
            from,
            since,
            until: grant.until(),
        };
        let mut shard = self.shard(info.account);
        let sessions = shard.entry(info.account).or_default();
        if sessions.fences.iter().any(|fence| fence.covers(info.credential)) {
            return Err(NotEntered::UnderFence);
        }
        if !sessions.take_place(&info, limit) {
            return Err(NotEntered::TooMany);
        }
        let session = Arc::new(Session { info, gate: Mutex::new(Gate::Entered), ended: Notify::new() });
        sessions.live.insert(session.info.id, session.clone());
        Ok(LiveSession { session, registry: self.clone() })
    }

    /// Closes what is covered and keeps it closed until the fence is dropped.
    pub(crate) fn fence(&self, account: AccountId, around: Around) -> Fence {
        let begun = Instant::now();
        let mut shard = self.shard(account);
        let sessions = shard.entry(account).or_default();
        sessions.fences.push(around);
        let closed = close(sessions.live.values(), |info| around.covers(info.credential));
        drop(shard);
        tracing::debug!(sessions = closed.len(), micros = begun.elapsed().as_micros(), "the fence is closed");
        Fence { registry: self.clone(), account, around, closed: tell(&closed) }
    }

    /// Closes some of an account's sessions, and counts those that were not over.
    pub(crate) fn end(&self, account: AccountId, which: &Which) -> usize {
        let shard = self.shard(account);
        let live = shard.get(&account).into_iter().flat_map(|sessions| sessions.live.values());
        let closed = close(live, |info| which.covers(info));
        drop(shard);
        tell(&closed)
    }

    /// Closes the sessions whose time has come.
    pub(crate) fn end_over(&self, now: Timestamp) {
        self.end_everywhere(|info| info.until.is_some_and(|end| now >= end));
    }

    /// Closes those that a primary password opened. Returns how many.
    pub(crate) fn end_primary(&self) -> usize {
        self.end_everywhere(|info| info.credential == Credential::Primary)
    }

    /// Closes all.
    pub(crate) fn end_all(&self) {
        self.end_everywhere(|_| true);
    }

    fn end_everywhere(&self, is_to_end: impl Fn(&SessionInfo) -> bool) -> usize {
        let end = |shard: &Shard| {
            let shard = lock(shard);
            let closed = close(shard.values().flat_map(|sessions| sessions.live.values()), &is_to_end);
            drop(shard);
            tell(&closed)
        };
        self.0.shards.iter().map(end).sum()
    }

    /// How many are open, by door.
    pub(crate) fn count(&self) -> BTreeMap<Arc<str>, usize> {
        let mut counts = BTreeMap::new();
        for shard in &self.0.shards {
            for session in lock(shard).values().flat_map(|sessions| sessions.live.values()) {
                if *lock(&session.gate) == Gate::Open {
                    *counts.entry(session.info.door.clone()).or_default() += 1;
                }
            }
        }
        counts
    }

    /// Live sessions of one account, or of all, oldest first.
    pub(crate) fn list(&self, account: Option<AccountId>) -> Vec<SessionInfo> {
        let open = |sessions: &Sessions| -> Vec<SessionInfo> {
            let open = sessions.live.values().filter(|s| *lock(&s.gate) == Gate::Open);
            open.map(|s| s.info.clone()).collect()
        };
        let mut list: Vec<SessionInfo> = match account {
            Some(account) => self.shard(account).get(&account).map(open).unwrap_or_default(),
            None => self.0.shards.iter().flat_map(|s| lock(s).values().flat_map(open).collect::<Vec<_>>()).collect(),
        };
        list.sort_by_key(|info| info.id);
        list
    }
}

/// Closes the gates first, all of them: ten thousand in a millisecond. Whoever
/// waits for the end is told by [`tell`], when the shard is free again: told
/// earlier, they would take the processor from what closes the other gates, and
/// wait for the shard that it holds.
fn close<'s>(
    sessions: impl Iterator<Item = &'s Arc<Session>>,
    is_to_end: impl Fn(&SessionInfo) -> bool,
) -> Vec<Arc<Session>> {
    sessions.filter(|session| is_to_end(&session.info) && session.close()).cloned().collect()
}

/// How many these are.
fn tell(closed: &[Arc<Session>]) -> usize {
    closed.iter().for_each(|session| session.tell());
    closed.len()
}

/// Nothing under it is admitted or relayed while this stands.
#[must_use]
pub(crate) struct Fence {
    registry: Registry,
    account: AccountId,
    around: Around,
    /// How many sessions it closed.
    pub(crate) closed: usize,
}

impl Drop for Fence {
    fn drop(&mut self) {
        let mut shard = self.registry.shard(self.account);
        if let Some(sessions) = shard.get_mut(&self.account) {
            if let Some(at) = sessions.fences.iter().position(|fence| *fence == self.around) {
                sessions.fences.swap_remove(at);
            }
            if sessions.fences.is_empty() && sessions.live.is_empty() {
                shard.remove(&self.account);
            }
        }
    }
}

/// An admitted session. It is over when this is dropped, or when it is ended.
pub struct LiveSession {
    session: Arc<Session>,
    registry: Registry,
}

impl LiveSession {
    /// The session itself, for a connection that stands under it.
    pub(crate) fn session(&self) -> Arc<Session> {
        self.session.clone()
    }

    /// What is shown of it.
    pub fn info(&self) -> &SessionInfo {
        &self.session.info
    }

    /// Opens the gate, after the last reading of state. False if the session
    /// was ended since it was entered.
    #[must_use]
    pub(crate) fn admit(&self) -> bool {
        let mut gate = lock(&self.session.gate);
        if *gate == Gate::Entered {
            *gate = Gate::Open;
        }
        *gate == Gate::Open
    }

    /// True until somebody ended it.
    pub fn is_open(&self) -> bool {
        *lock(&self.session.gate) == Gate::Open
    }

    /// Returns once somebody has ended it.
    pub async fn ended(&self) {
        let ended = self.session.ended.notified();
        tokio::pin!(ended);
        // Registered before looking, or an end in between would be missed.
        ended.as_mut().enable();
        if self.is_open() {
            ended.await;
        }
    }
}

impl std::fmt::Debug for LiveSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LiveSession({})", self.session.info.id)
    }
}

impl Drop for LiveSession {
    fn drop(&mut self) {
        // Whatever still holds a connection of this session may not write on it.
        let _ = self.session.close();
        self.session.tell();
        let info = &self.session.info;
        let mut shard = self.registry.shard(info.account);
        if let Some(sessions) = shard.get_mut(&info.account) {
            sessions.live.remove(&info.id);
            sessions.leave_place(info);
            if sessions.fences.is_empty() && sessions.live.is_empty() {
                shard.remove(&info.account);
            }
        }
    }
}
