//! One account, one app password, and a keeper that threads of the model meet.

use std::{
    collections::BTreeSet,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use authority::{
    Account, Actor, AppName, AppPasswordId, AppPasswordRequest, AppPasswordRules, AuditKey, Catalogue, Client, Cutoff,
    Domain, Door, Label, LockMode, Networks, Protocol, Secret, Timestamp, audit::FactorsBy,
};
use loom::thread::JoinHandle;
use testkit::Seeded;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::{memory::MemoryStore, sync};
use crate::{
    Added, Clock, Fenced, FreshMandate, HashCost, Holder, Keeper, Keys, LiveSession, Mandate, NewAccount, ServerKey,
    SignIn, SignInAttempt, Site, Store, live_session::Around,
};

pub(super) const ANSWERS: [&str; 3] = ["admitted", "refused", "unavailable"];

pub(super) const LOGIN: &str = "alice@example.org";

/// What came of all the orders that were tried.
#[derive(Clone, Default)]
pub(super) struct Report(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    orders: usize,
    answers: BTreeSet<&'static str>,
    wrong: BTreeSet<&'static str>,
}

impl Report {
    fn with<T>(&self, look: impl FnOnce(&mut Seen) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn wrong(&self, what: &'static str) {
        self.with(|seen| seen.wrong.insert(what));
    }

    /// What should never happen, and did in some order.
    pub(super) fn what_went_wrong(&self) -> BTreeSet<&'static str> {
        self.with(|seen| seen.wrong.clone())
    }

    /// Nothing went wrong in any order; and sign-ins met all of these answers,
    /// or the threads have hardly met.
    pub(super) fn is_sound(&self, answers: &[&'static str]) {
        self.with(|seen| {
            assert!(seen.wrong.is_empty(), "in some of {} orders: {:?}", seen.orders, seen.wrong);
            assert_eq!(seen.answers, answers.iter().copied().collect(), "in {} orders", seen.orders);
        });
    }
}

pub(super) struct Scene {
    pub(super) keeper: Keeper,
    pub(super) store: MemoryStore,
    pub(super) account: Account,
    pub(super) mandate: FreshMandate,
    pub(super) password: AppPasswordId,
    pub(super) secret: Secret,
    pub(super) report: Report,
    /// Somebody was told: it is revoked. No step of the model: it is set and
    /// read in the very moment.
    acknowledged: AtomicBool,
}

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000)
    }
}

/// Which orders to try.
#[derive(Clone, Copy, Debug)]
pub(super) enum Orders {
    /// Every one.
    All,
    /// Every one when there are minutes to spend, else as `Interrupted`.
    AllIfFull(usize),
    /// Those in which threads are interrupted so often at most where they could
    /// have gone on; twice more when there are minutes to spend.
    Interrupted(usize),
}

/// Runs `act` in a new scene for each order of the threads that it starts.
pub(super) fn explore<F>(orders: Orders, act: impl Fn(Arc<Scene>) -> F + Send + Sync + 'static) -> Report
where
    F: Future<Output = ()> + Send + 'static,
{
    let full = std::env::var_os("POSTERN_FULL").is_some();
    let mut model = loom::model::Builder::new();
    model.preemption_bound = match orders {
        Orders::All => None,
        Orders::AllIfFull(times) => (!full).then_some(times),
        Orders::Interrupted(times) => Some(if full { times + 2 } else { times }),
    };
    let (report, act) = (Report::default(), Arc::new(act));
    let seen = report.clone();
    model.check(move || {
        seen.with(|seen| seen.orders += 1);
        let (seen, act) = (seen.clone(), act.clone());
        let director = sync::spawn(async move {
            let scene = Arc::new(Scene::new(seen).await);
            act(scene.clone()).await;
            scene.is_left_tidy();
        });
        director.join().unwrap();
    });
    report
}

impl Scene {
    /// Starts a thread of the model.
    pub(super) fn spawn<T, F>(self: &Arc<Self>, act: impl FnOnce(Arc<Self>) -> F) -> JoinHandle<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        sync::spawn(act(self.clone()))
    }

    async fn new(report: Report) -> Self {
        let key = AuditKey::new([7; 32]);
        let store = MemoryStore::new(key.clone());
        let site = Site {
            domain: Domain::parse("example.org").unwrap(),
            issuer: "Example".into(),
            cutoff: Cutoff::Enforced,
            rules: AppPasswordRules::default(),
            hash_cost: HashCost { memory: 64, passes: 1 },
            apps: Catalogue::default(),
        };
        let keys = Keys::new(ServerKey::new([1; 32]), key);
        let keeper =
            Keeper::new(site, Box::new(store.clone()), keys, Box::new(Still), Box::new(Seeded::new(1))).await.unwrap();
        let account = testkit::account(LOGIN);
        let mandate = FreshMandate(Mandate { account: account.id, actor: Actor::Administrator { uid: 0 } });
        let new = NewAccount { account: account.clone(), recovery: vec![], set_up: None };
        let event = authority::Event::AccountAdded { login: LOGIN.into(), factors: FactorsBy::Administrator };
        assert_eq!(store.add_account(&new, &mandate.entry(Still.now(), event)).await.unwrap(), Added::Done);
        let request = AppPasswordRequest {
            label: Label::parse("Laptop").unwrap(),
            app: AppName::parse("thunderbird").unwrap(),
            scopes: "mail".parse().unwrap(),
            networks: Networks::default(),
            expires_in: None,
            lock: LockMode::Lock,
        };
        let issued = keeper.issue(&mandate, request).await.unwrap();
        let (password, secret) = (issued.password.id, issued.secret);
        Self { keeper, store, account, mandate, password, secret, report, acknowledged: AtomicBool::new(false) }
    }

    /// One attempt with the password.
    pub(super) async fn sign_in(&self) -> SignIn {
        let door = Door { name: Arc::from("imap"), protocol: Protocol::Imap, needs: "mail".parse().unwrap() };
        let from = [192, 0, 2, 7].into();
        self.keeper
            .sign_in(SignInAttempt {
                login: LOGIN,
                acting_as: None,
                secret: &self.secret,
                door: &door,
                from,
                client: Client::Unseen,
            })
            .await
    }

    /// An app: signs in, and writes on its connection if it is let in.
    pub(super) async fn app(&self) -> Option<LiveSession> {
        match self.sign_in().await {
            SignIn::Admitted(_, session) => {
                self.answered("admitted");
                self.relay(&session).await;
                Some(session)
            }
            SignIn::Refused(_) => {
                self.answered("refused");
                None
            }
            SignIn::Unavailable | SignIn::TooMany | SignIn::Provisional(..) => {
                self.answered("unavailable");
                None
            }
        }
    }

    fn answered(&self, how: &'static str) {
        self.report.with(|seen| seen.answers.insert(how));
    }

    /// Writes one byte under `session`.
    pub(super) async fn relay(&self, session: &LiveSession) {
        let holder = Holder::default();
        holder.hold(session);
        let _ = Fenced::new(Wire(self), holder).write_all(&[0]).await;
    }

    /// Somebody is told: it is gone.
    pub(super) fn acknowledge(&self) {
        self.acknowledged.store(true, Ordering::SeqCst);
        if !self.keeper.sessions(Some(self.account.id)).is_empty() {
            self.report.wrong("a session is listed after the acknowledgement");
        }
    }

    /// Looks at what is left, when all threads are done.
    pub(super) async fn look_back(&self, sessions: impl IntoIterator<Item = LiveSession>) {
        if sessions.into_iter().any(|session| session.is_open()) {
            self.report.wrong("a session is open after the acknowledgement");
        }
        match self.sign_in().await {
            SignIn::Refused(_) => {}
            SignIn::Admitted(..) => self.report.wrong("a sign-in is admitted after the acknowledgement"),
            SignIn::Unavailable | SignIn::TooMany | SignIn::Provisional(..) => {
                self.report.wrong("a sign-in is put off after the acknowledgement")
            }
        }
    }

    /// When all have gone, the registry knows none of them.
    fn is_left_tidy(&self) {
        if self.keeper.registry.fence(self.account.id, Around::Account).closed > 0 {
            self.report.wrong("an ended session is still in the registry");
        }
    }
}

/// A connection that knows when nothing may pass any more.
struct Wire<'s>(&'s Scene);

impl AsyncWrite for Wire<'_> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.0.acknowledged.load(Ordering::SeqCst) {
            self.0.report.wrong("a byte passes after the acknowledgement");
        }
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Wire<'_> {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
