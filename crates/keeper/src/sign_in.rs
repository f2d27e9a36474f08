//! The one path: an attempt at a door, driven to an answer.

use std::{net::IpAddr, sync::Arc, time::Duration};

use authority::{
    Account, Actor, AppPassword, Asking, Catalogue, Client, Credential, Door, Effect, Entry, Event, Facts, Grant,
    Letters, Login, Otherwise, PinnedBy, Plan, Reason, Refusal, Secret, Signature, Timestamp, Use, Verdict,
    Whereabouts, app_lock::turns_on_whereabouts, decide, judge, plan, refuse_identity,
};
use tokio::time::Instant;

use crate::{
    Digest, Keeper, Keys, Learned, LiveSession, StoreError, Tenure,
    app_lock::Met,
    cache::Known,
    hashing::Busy,
    live_session::NotEntered,
    sync::sleep_until,
    tally::{Came, Lesson},
};

/// What a door asks.
#[derive(Debug)]
pub struct SignInAttempt<'a> {
    /// The user name, as the client sent it.
    pub login: &'a str,
    /// Whom the client wants to act as, if it says so (SASL's authzid): only itself.
    pub acting_as: Option<&'a str>,
    /// The password, as the client sent it.
    pub secret: &'a Secret,
    /// Where.
    pub door: &'a Door,
    /// From where.
    pub from: IpAddr,
    /// In which program.
    pub client: Client,
}

/// The answer a door acts on.
#[derive(Debug)]
#[must_use]
pub enum SignIn {
    /// Come in. The session is live until it is dropped or ended.
    Admitted(Grant, LiveSession),
    /// Come in as far as it takes to show yourself: see [`Keeper::judge`].
    Provisional(Provisional, LiveSession),
    /// Stay out. By now the common deadline has passed.
    Refused(TurnedAway),
    /// The password is good, and as many sessions stand under it as may: "try
    /// later", never "wrong password".
    TooMany,
    /// Nobody can say: "try later", never "wrong password".
    Unavailable,
}

/// All that a door may learn of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnedAway {
    /// The one refusal.
    Refused,
    /// The password is good here in every way, but opens something else. HTTP
    /// says 403, so that clients do not ask for the password again; mail
    /// protocols say the same as for the other.
    OutOfScope,
}

/// Refusals are given this long after they were asked for, plus up to
/// [`JITTER`]: wrong, unknown and revoked are told apart by neither.
pub const DEADLINE: Duration = Duration::from_millis(1000);
/// See [`DEADLINE`].
pub const JITTER: Duration = Duration::from_millis(200);

/// A sign-in whose client has yet to show itself. What it stands on is read anew
/// then: see [`Keeper::judge`].
#[derive(Debug)]
pub struct Provisional {
    grant: Grant,
    subject: Subject,
    door: Door,
    from: IpAddr,
    asked: Instant,
}

impl Provisional {
    /// What it will open, if the client is the one.
    pub fn grant(&self) -> &Grant {
        &self.grant
    }
}

/// What became of a client that has shown itself.
#[derive(Debug)]
#[must_use]
pub enum Judged {
    /// It stays.
    Stays,
    /// It goes. By now the common deadline has passed.
    Goes,
    /// Nobody can say: "try later".
    Unavailable,
}

/// What a sign-in is about: read from the cache as often as it takes.
#[derive(Debug)]
struct Subject {
    login: Login,
    /// Of the app password, if it is one.
    digest: Option<Digest>,
}

/// Who asks where: what does not change while a sign-in is decided.
#[derive(Clone, Copy)]
pub(crate) struct Knock<'k> {
    pub(crate) door: &'k Door,
    pub(crate) from: IpAddr,
    pub(crate) client: &'k Client,
    pub(crate) apps: &'k Catalogue,
}

/// An app password that is looked for.
struct Sought<'s> {
    /// Under the current key.
    digest: Digest,
    keys: &'s Keys,
    letters: &'s Letters,
    known: &'s Known,
}

/// How often a decision is made anew because what it stood on has changed.
const TRIES: usize = 4;

/// Why there is no verdict.
enum NoVerdict {
    Store(StoreError),
    /// Hashing is at its limit, or a revocation is just under way.
    Busy,
    /// There is no place for another session.
    TooMany(Refusal),
}

impl From<Busy> for NoVerdict {
    fn from(_: Busy) -> Self {
        Self::Busy
    }
}

impl From<StoreError> for NoVerdict {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Keeper {
    /// Decides one attempt. An admission is answered at once, a refusal at the
    /// common deadline.
    pub async fn sign_in(&self, attempt: SignInAttempt<'_>) -> SignIn {
        let asked = Instant::now();
        let apps = self.apps();
        let knock = Knock { door: attempt.door, from: attempt.from, client: &attempt.client, apps: &apps };
        let outcome = loop {
            let keys = self.keys.in_use();
            match self.examine(&keys, &attempt, knock).await {
                // Its password may have been filed under another key meanwhile.
                Ok(Err(_)) if !self.keys.are_still(&keys) => {}
                outcome => break outcome,
            }
        };
        let door = &attempt.door.name;
        match outcome {
            Ok(Ok((Settled::Admitted(grant), session))) => {
                self.tally.sign_in(door, Came::In);
                SignIn::Admitted(grant, session)
            }
            Ok(Ok((Settled::HasToShow(grant, subject), session))) => {
                let (door, from) = (attempt.door.clone(), attempt.from);
                SignIn::Provisional(Provisional { grant, subject, door, from, asked }, session)
            }
            Ok(Err(refusal)) => {
                self.turned_away(&refusal, knock, asked).await;
                SignIn::Refused(match refusal.reason {
                    Reason::Scope => TurnedAway::OutOfScope,
                    _ => TurnedAway::Refused,
                })
            }
            Err(NoVerdict::Store(error)) => {
                tracing::error!(%door, %error, "a sign-in could not be decided");
                self.tally.sign_in(door, Came::Unavailable);
                SignIn::Unavailable
            }
            Err(NoVerdict::Busy) => {
                self.tally.sign_in(door, Came::Unavailable);
                SignIn::Unavailable
            }
            Err(NoVerdict::TooMany(refusal)) => {
                if let (true, Some(app_password)) = (self.note(&refusal, knock), refusal.app_password) {
                    tracing::warn!(%door, %app_password, from = %attempt.from,
                        "put off: as many sessions as one app password may have; see `postern session list`");
                }
                // An app that comes back at once, and again, is kept from running hot.
                sleep_until(asked + DEADLINE).await;
                SignIn::TooMany
            }
        }
    }

    /// Decides about a client that was let in provisionally, now that it has shown
    /// itself: on the state as it is now, which may have changed meanwhile.
    pub async fn judge(&self, provisional: Provisional, session: &LiveSession, shown: Signature) -> Judged {
        let Provisional { grant, subject, door, from, asked } = provisional;
        let client = Client::Shown(shown);
        let apps = self.apps();
        let knock = Knock { door: &door, from, client: &client, apps: &apps };
        let outcome = match self.settle(grant, subject, knock).await {
            Ok(Ok(_)) if !session.is_open() => Err(NoVerdict::Busy),
            // It was there when it signed in: it is filed under another key since.
            Ok(Err(refusal)) if refusal.reason == Reason::NoSuchPassword => Err(NoVerdict::Busy),
            outcome => outcome,
        };
        match outcome {
            Ok(Ok(_)) => {
                self.tally.sign_in(&door.name, Came::In);
                Judged::Stays
            }
            Ok(Err(refusal)) => {
                self.turned_away(&refusal, knock, asked).await;
                Judged::Goes
            }
            Err(no_verdict) => {
                if let NoVerdict::Store(error) = no_verdict {
                    tracing::error!(door = %door.name, %error, "a sign-in could not be decided");
                }
                self.tally.sign_in(&door.name, Came::Unavailable);
                Judged::Unavailable
            }
        }
    }

    /// What has to be done about a refusal; returns at the common deadline.
    async fn turned_away(&self, refusal: &Refusal, knock: Knock<'_>, asked: Instant) {
        self.note(refusal, knock);
        tracing::debug!(door = %knock.door.name, reason = refusal.reason.name(), "refused");
        if let (Reason::OtherApp, Some(account), Some(id)) = (refusal.reason, refusal.account, refusal.app_password) {
            self.tell_of_other_app(account, id, knock, Met::Refused).await;
        }
        sleep_until(asked + DEADLINE + self.jitter()).await;
    }

    /// Counts a refusal, and keeps it for its owner. True if it is news. Those of
    /// the canary are neither: it tells itself what came of it.
    fn note(&self, refusal: &Refusal, knock: Knock<'_>) -> bool {
        if refusal.account.is_some() && refusal.account == self.canary.get().copied() {
            return false;
        }
        self.tally.sign_in(&knock.door.name, Came::Refused(refusal.reason));
        self.journal.refused(refusal, &knock.door.name, knock.from, self.clock.now())
    }

    async fn examine(
        &self,
        keys: &Keys,
        attempt: &SignInAttempt<'_>,
        knock: Knock<'_>,
    ) -> Result<Result<(Settled, LiveSession), Refusal>, NoVerdict> {
        let Ok(login) = Login::from_client(attempt.login, &self.site.domain) else {
            return Ok(Err(refuse_identity(Reason::UnknownLogin, None)));
        };
        let known = self.cache.account(&*self.store, &login).await?;
        let account = known.as_ref().map(|known| &known.account);
        if let Some(other) = attempt.acting_as
            && !self.is_same(other, account)
        {
            return Ok(Err(refuse_identity(Reason::ForeignIdentity, account)));
        }

        let plan = plan(attempt.secret, account, self.policy().cutoff);
        let sought = match (&plan, known.as_deref()) {
            (Plan::LookUp { letters, .. }, Some(known)) => {
                Some(Sought { digest: keys.current.app_password(known.account.id, letters), keys, letters, known })
            }
            _ => None,
        };
        let verdict = self.decide(knock, account, &login, &plan, sought.as_ref(), attempt.secret).await?;
        let grant = match verdict {
            Verdict::Admit(grant, _) | Verdict::Provisional(grant) => grant,
            Verdict::Refuse(refusal) => return Ok(Err(refusal)),
        };

        // Entered first, then read for the last time: see `live_session`.
        let session = self
            .registry
            .enter(&grant, attempt.door, attempt.from, self.clock.now(), self.policy().rules.sessions)
            .map_err(|why| match why {
                NotEntered::UnderFence => NoVerdict::Busy,
                NotEntered::TooMany => NoVerdict::TooMany(refusal(Reason::TooManySessions, &grant)),
            })?;
        let subject = Subject { login, digest: sought.map(|sought| sought.digest) };
        match self.settle(grant, subject, knock).await? {
            Ok(settled) if session.admit() => Ok(Ok((settled, session))),
            // Ended since it was entered.
            Ok(_) => Err(NoVerdict::Busy),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    /// The last reading of state, and what has to be kept of it before anybody is
    /// let in.
    async fn settle(
        &self,
        mut grant: Grant,
        subject: Subject,
        knock: Knock<'_>,
    ) -> Result<Result<Settled, Refusal>, NoVerdict> {
        for _ in 0..TRIES {
            let known = self.cache.account(&*self.store, &subject.login).await?;
            let password = self.known_app_password(known.as_deref(), subject.digest.as_ref()).await?;
            let account = known.as_ref().map(|known| &known.account);
            let whereabouts = self.whereabouts(account, password.as_deref(), knock).await?;
            let asking = self.asking(account, knock, whereabouts);
            let now = asking.now;
            let effect = match judge(grant, &asking, password.as_deref(), self.policy().cutoff) {
                Verdict::Admit(again, effect) => {
                    grant = again;
                    effect
                }
                Verdict::Provisional(grant) => return Ok(Ok(Settled::HasToShow(grant, subject))),
                Verdict::Refuse(refusal) => return Ok(Err(refusal)),
            };
            let kept = self.keep(&grant, effect, account, knock, now).await?;
            // Last of all: what was read from the cache may be another server's to change.
            self.is_at_work()?;
            match kept {
                Learned::Done => return Ok(Ok(Settled::Admitted(grant))),
                Learned::Outdated => {}
                // Revoked, or out of its time, between the last reading and this use.
                Learned::Gone => return Ok(Err(refusal(Reason::Revoked, &grant))),
            }
        }
        Err(NoVerdict::Busy)
    }

    fn asking<'a>(&'a self, account: Option<&'a Account>, knock: Knock<'a>, whereabouts: Whereabouts) -> Asking<'a> {
        let Knock { door, from, client, apps } = knock;
        Asking { account, door, from, now: self.clock.now(), client, whereabouts, apps }
    }

    /// Looked up only where it decides.
    async fn whereabouts(
        &self,
        account: Option<&Account>,
        password: Option<&AppPassword>,
        knock: Knock<'_>,
    ) -> Result<Whereabouts, StoreError> {
        match (account, password) {
            (Some(account), Some(password))
                if turns_on_whereabouts(password, knock.client, knock.apps)
                    && self.store.has_come_from(account.id, knock.from).await? =>
            {
                Ok(Whereabouts::UsedBefore)
            }
            _ => Ok(Whereabouts::New),
        }
    }

    /// Fails where another server may be at work on the store.
    pub(crate) fn is_at_work(&self) -> Result<(), StoreError> {
        match self.store.tenure() {
            Tenure::Ours => Ok(()),
            Tenure::Unsure => Err(StoreError::Unavailable("it is not known whether this server still holds it".into())),
            Tenure::Lost => Err(StoreError::Unavailable("another server has taken it over".into())),
        }
    }

    async fn decide(
        &self,
        knock: Knock<'_>,
        account: Option<&Account>,
        login: &Login,
        plan: &Plan,
        sought: Option<&Sought<'_>>,
        secret: &Secret,
    ) -> Result<Verdict, NoVerdict> {
        let asking = self.asking(account, knock, Whereabouts::New);
        let otherwise = match plan {
            Plan::LookUp { otherwise, .. } => *otherwise,
            Plan::VerifyPrimary => return Ok(self.decide_primary(&asking, login, secret).await?),
            Plan::Nothing => return Ok(decide(&asking, Facts::Unchecked)),
        };
        let password = match sought {
            Some(sought) => self.app_password(sought, asking.now).await?,
            None => None,
        };
        match (password, otherwise) {
            (None, Otherwise::VerifyPrimary) => Ok(self.decide_primary(&asking, login, secret).await?),
            (password, _) => {
                let whereabouts = self.whereabouts(account, password.as_deref(), knock).await?;
                Ok(decide(&Asking { whereabouts, ..asking }, Facts::AppPassword(password.as_deref())))
            }
        }
    }

    /// The app password with these letters. One that is filed under the old key
    /// is filed under the current one from now on.
    async fn app_password(&self, sought: &Sought<'_>, now: Timestamp) -> Result<Option<Arc<AppPassword>>, StoreError> {
        let Sought { digest, keys, letters, known } = sought;
        let found = self.cache.app_password(&*self.store, known, digest).await?;
        let Some(old) = keys.old(now).filter(|_| found.is_none()) else { return Ok(found) };
        if let Some(password) = self.store.app_password_by_digest(&old.app_password(known.account.id, letters)).await? {
            self.store.rehash(password.id, digest).await?;
        }
        // Also where there was none: another sign-in may have filed it anew
        // between the two look-ups.
        self.cache.app_password(&*self.store, known, digest).await
    }

    async fn known_app_password(
        &self,
        known: Option<&Known>,
        digest: Option<&Digest>,
    ) -> Result<Option<Arc<AppPassword>>, StoreError> {
        match (known, digest) {
            (Some(known), Some(digest)) => self.cache.app_password(&*self.store, known, digest).await,
            _ => Ok(None),
        }
    }

    /// Carries the effect out: what changes a credential before anything is
    /// admitted, routine when the journal is next written.
    async fn keep(
        &self,
        grant: &Grant,
        effect: Effect,
        account: Option<&Account>,
        knock: Knock<'_>,
        at: Timestamp,
    ) -> Result<Learned, StoreError> {
        let (door, from) = (&knock.door.name, knock.from);
        match effect {
            Effect::Learn(lesson) => {
                let actor = Actor::Door { door: door.to_string(), from };
                let entry = |event: &Event| Entry {
                    at,
                    actor: actor.clone(),
                    account: Some(grant.account()),
                    event: event.clone(),
                };
                let entries: Vec<Entry> = lesson.events.iter().map(entry).collect();
                let learned = self.store.learn(&lesson, &Use { door: Arc::clone(door), at, from }, &entries).await;
                if let Some(account) = account {
                    self.cache.forget(account);
                }
                if lesson.form_of.is_some() && learned.is_ok() {
                    self.learn_forms().await?;
                }
                if let (Ok(Learned::Done), Some(pin)) = (&learned, &lesson.pin) {
                    self.tally.app_lock(door, if pin.by == PinnedBy::Drift { Lesson::Drifted } else { Lesson::Learnt });
                }
                return learned;
            }
            Effect::Use(id) => self.journal.used(id, door, from, at),
            Effect::UseByOther(id) => {
                self.journal.used(id, door, from, at);
                self.tally.app_lock(door, Lesson::Watched);
                self.tell_of_other_app(grant.account(), id, knock, Met::Watched).await;
            }
            // Who still uses it is asked once the cutoff is announced and measured.
            Effect::PrimaryUse => {}
        }
        Ok(Learned::Done)
    }

    fn is_same(&self, other: &str, account: Option<&Account>) -> bool {
        let Ok(other) = Login::from_client(other, &self.site.domain) else {
            return false;
        };
        account.is_some_and(|account| account.login == other || account.aliases.contains(&other))
    }
}

/// Where a sign-in has come to.
enum Settled {
    Admitted(Grant),
    HasToShow(Grant, Subject),
}

fn refusal(reason: Reason, grant: &Grant) -> Refusal {
    let app_password = match grant.credential() {
        Credential::AppPassword(id) => Some(id),
        Credential::Primary => None,
    };
    Refusal { reason, account: Some(grant.account()), app_password }
}
