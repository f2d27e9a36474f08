//! The one path: an attempt at a door, driven to an answer.

mod examine;

use std::{net::IpAddr, time::Duration};

use authority::{Catalogue, Client, Door, Grant, Login, Reason, Refusal, Secret, Signature};
use tokio::time::Instant;

use self::examine::Settled;
use crate::{Digest, Keeper, LiveSession, StoreError, app_lock::Met, hashing::Busy, sync::sleep_until, tally::Came};

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
}
