//! The one that writes: every transaction counts on the lease, and none is
//! taken for done, or for not done, that may have been the other.

use std::{sync::Arc, thread, time::Duration};

use super::{
    failure::Unreachable,
    lease::{self, Ended, Trust, since_boot},
    server::Server,
    session::{Health, Session},
};
use crate::{
    database::{Undone, Writable},
    failure::{Failure, Outcome},
};

/// So often a transaction is tried that others get in the way of.
const TRIES: usize = 5;
/// So long a server that was lost in a commit is asked what became of it.
const ASKING: Duration = Duration::from_secs(15);
/// Between two questions.
const AGAIN: Duration = Duration::from_millis(250);

pub(super) struct Leader {
    pub(super) server: Server,
    pub(super) session: Session,
    pub(super) run: [u8; 16],
    /// Transactions that are known to be committed.
    pub(super) commits: i64,
    /// True while it is not known what became of one more.
    pub(super) is_unsettled: bool,
    pub(super) trust: Arc<Trust>,
}

/// What came of trying once.
enum Try {
    Undone(Undone),
    /// Certainly undone, and not by what was done in it.
    Again(Failure),
}

impl From<Failure> for Try {
    fn from(failure: Failure) -> Self {
        Self::Undone(Undone::Transaction(failure))
    }
}

impl Leader {
    fn attempt(&mut self, act: &mut dyn FnMut(&Session) -> Outcome<()>) -> Result<(), Try> {
        self.revive()?;
        self.session.begin_anew();
        let asked = since_boot();
        if let Err(failure) = self.session.batch("BEGIN") {
            return Err(self.undo(failure, Undone::Transaction));
        }
        match lease::count_on(&self.session, &self.run, self.commits) {
            Ok(true) => {}
            Ok(false) => {
                let _ = self.session.batch("ROLLBACK");
                return Err(self.lost().into());
            }
            Err(failure) => return Err(self.undo(failure, Undone::Transaction)),
        }
        if let Err(failure) = act(&self.session) {
            return Err(self.undo(failure, Undone::Inside));
        }
        match self.session.wait(self.session.client().batch_execute("COMMIT")) {
            Ok(()) => {}
            Err(no) if no.is_no() => return Err(self.undo(no.into(), Undone::Transaction)),
            Err(silence) => self.settle(silence)?,
        }
        self.commits += 1;
        self.trust.counted(asked);
        Ok(())
    }

    /// Takes back what was begun. A connection that broke has taken it back.
    fn undo(&mut self, failure: Failure, undone: impl FnOnce(Failure) -> Undone) -> Try {
        let health = self.session.health();
        if health != Health::Broken {
            let _ = self.session.batch("ROLLBACK");
        }
        match health {
            Health::Well => Try::Undone(undone(failure)),
            Health::Conflict | Health::Broken => Try::Again(failure),
        }
    }

    /// A connection that works, and no transaction of which the end is unknown.
    fn revive(&mut self) -> Outcome<()> {
        if self.session.health() == Health::Broken {
            self.session = Session::connect(&self.server)?;
        }
        if self.is_unsettled {
            let ended = lease::ended(&self.session, &self.run, self.commits)?;
            self.is_unsettled = false;
            if ended == Ended::Committed {
                self.commits += 1;
            }
        }
        Ok(())
    }

    /// The answer to a COMMIT was lost: asks what happened, and never guesses.
    fn settle(&mut self, silence: Unreachable) -> Result<(), Try> {
        let begun = since_boot();
        self.is_unsettled = true;
        let why = Failure::from(silence);
        let limit = u64::try_from(ASKING.as_millis()).unwrap_or(0);
        while since_boot() - begun < limit {
            let asked = Session::connect(&self.server).and_then(|session| {
                let ended = lease::ended(&session, &self.run, self.commits)?;
                Ok((session, ended))
            });
            match asked {
                Ok((session, ended)) => {
                    self.session = session;
                    self.is_unsettled = false;
                    return match ended {
                        Ended::Committed => Ok(()),
                        Ended::Undone => Err(Try::Again(why)),
                        Ended::Forgotten => Err(self.lost().into()),
                    };
                }
                Err(_) => self.session.pause(AGAIN),
            }
        }
        Err(Failure::unsettled(why).into())
    }

    fn lost(&self) -> Failure {
        self.trust.lose();
        Failure::unavailable("another server has taken this database over: look who, and start one of them only")
    }
}

impl Writable for Leader {
    type Db = Session;

    fn transact(&mut self, act: &mut dyn FnMut(&Session) -> Outcome<()>) -> Result<(), Undone> {
        let mut tried = 1;
        loop {
            match self.attempt(act) {
                Ok(()) => return Ok(()),
                Err(Try::Again(_)) if tried < TRIES => tried += 1,
                Err(Try::Again(failure)) => return Err(Undone::Transaction(failure)),
                Err(Try::Undone(undone)) => return Err(undone),
            }
        }
    }

    fn lasting(&mut self) -> Outcome<Box<dyn FnMut() -> Outcome<()> + Send>> {
        // Its server waits for its disk before it answers a COMMIT.
        Ok(Box::new(|| Ok(())))
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        // In a thread of its own: where it is dropped others may be waited for, and
        // a runtime refuses to wait there.
        let given_back = thread::scope(|scope| {
            scope.spawn(|| self.revive().and_then(|()| lease::give_back(&self.session, &self.run))).join()
        });
        // If it cannot be told now, the next one watches for half a minute.
        if let Ok(Err(Failure(error))) = given_back {
            tracing::warn!(%error, "the lease could not be given back");
        }
    }
}
