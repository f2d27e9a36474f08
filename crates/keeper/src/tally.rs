//! What sign-ins have come to, door by door, since this process began: numbers
//! for whoever watches over a site. No login, no address and no password is in
//! them, and there are as many as doors and reasons, whoever comes.

use std::sync::{
    Arc, PoisonError, RwLock,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use authority::Reason;

use crate::by_id::ById;

/// The numbers of one door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoorTally {
    /// Its name.
    pub door: Arc<str>,
    /// Let in.
    pub admitted: u64,
    /// Turned away, or put off, by reason; all reasons, zeros too.
    pub refused: Vec<(Reason, u64)>,
    /// Nobody could say.
    pub unavailable: u64,
    /// Let in, and then the server behind did not take the session.
    pub not_handed_over: u64,
    /// What the app lock has learnt or let pass.
    pub app_lock: Vec<(Lesson, u64)>,
}

/// What the app lock makes of a client that it lets in. Whom it turns away is among
/// the refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lesson {
    /// The first form of an app under a protocol.
    Learnt,
    /// Another form of it.
    Drifted,
    /// Another app, which is only watched.
    Watched,
}

impl Lesson {
    const ALL: [Self; 3] = [Self::Learnt, Self::Drifted, Self::Watched];

    /// The word in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Learnt => "learnt",
            Self::Drifted => "drifted",
            Self::Watched => "watched",
        }
    }
}

impl DoorTally {
    /// Of a door that nobody has come to.
    pub fn nobody(door: Arc<str>) -> Self {
        let refused = Reason::ALL.map(|reason| (reason, 0)).to_vec();
        let app_lock = Lesson::ALL.map(|lesson| (lesson, 0)).to_vec();
        Self { door, admitted: 0, refused, unavailable: 0, not_handed_over: 0, app_lock }
    }
}

/// How a sign-in ended.
#[derive(Clone, Copy)]
pub(crate) enum Came {
    In,
    Refused(Reason),
    Unavailable,
}

#[derive(Default)]
struct Counts {
    admitted: AtomicU64,
    refused: [AtomicU64; Reason::ALL.len()],
    unavailable: AtomicU64,
    not_handed_over: AtomicU64,
    app_lock: [AtomicU64; Lesson::ALL.len()],
}

#[derive(Default)]
pub(crate) struct Tally(RwLock<ById<Arc<str>, Arc<Counts>>>);

impl Tally {
    pub(crate) fn sign_in(&self, door: &Arc<str>, came: Came) {
        let counts = self.at(door);
        let counter = match came {
            Came::In => &counts.admitted,
            Came::Refused(reason) => &counts.refused[reason as usize],
            Came::Unavailable => &counts.unavailable,
        };
        counter.fetch_add(1, Relaxed);
    }

    pub(crate) fn not_handed_over(&self, door: &Arc<str>) {
        self.at(door).not_handed_over.fetch_add(1, Relaxed);
    }

    pub(crate) fn app_lock(&self, door: &Arc<str>, lesson: Lesson) {
        self.at(door).app_lock[lesson as usize].fetch_add(1, Relaxed);
    }

    /// By door; one that nobody has come to yet is not among them.
    pub(crate) fn read(&self) -> Vec<DoorTally> {
        let doors = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut tallies: Vec<_> = doors
            .iter()
            .map(|(door, counts)| DoorTally {
                door: door.clone(),
                admitted: counts.admitted.load(Relaxed),
                refused: Reason::ALL.map(|reason| (reason, counts.refused[reason as usize].load(Relaxed))).to_vec(),
                unavailable: counts.unavailable.load(Relaxed),
                not_handed_over: counts.not_handed_over.load(Relaxed),
                app_lock: Lesson::ALL.map(|lesson| (lesson, counts.app_lock[lesson as usize].load(Relaxed))).to_vec(),
            })
            .collect();
        tallies.sort_by(|one, other| one.door.cmp(&other.door));
        tallies
    }

    fn at(&self, door: &Arc<str>) -> Arc<Counts> {
        if let Some(counts) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(door) {
            return counts.clone();
        }
        self.0.write().unwrap_or_else(PoisonError::into_inner).entry(door.clone()).or_default().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_place() {
        for (n, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, n, "{reason:?}");
        }
        let (tally, door) = (Tally::default(), Arc::from("imap"));
        tally.sign_in(&door, Came::Refused(Reason::Scope));
        let refused: Vec<_> = tally.read().remove(0).refused.into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(refused, [(Reason::Scope, 1)]);
    }
}
