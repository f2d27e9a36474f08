//! What an attempt comes to: facts fetched once, decided on, and read a last time.

use std::sync::Arc;

use authority::{
    Account, Actor, AppPassword, Asking, Credential, Effect, Entry, Event, Facts, Grant, Letters, Login, Otherwise,
    PinnedBy, Plan, Reason, Refusal, Secret, Timestamp, Use, Verdict, Whereabouts, app_lock::turns_on_whereabouts,
    decide, judge, plan, refuse_identity,
};

use super::{Knock, NoVerdict, SignInAttempt, Subject};
use crate::{
    Digest, Keeper, Keys, Learned, LiveSession, StoreError, Tenure, app_lock::Met, cache::Known,
    live_session::NotEntered, tally::Lesson,
};

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

impl Keeper {
    pub(super) async fn examine(
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
    pub(super) async fn settle(
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
pub(super) enum Settled {
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
