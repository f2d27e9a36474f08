//! An account's notices: which are to be mailed, which are still shown, and which go
//! when there are too many.

use std::time::Duration;

use super::{DAY, GIVEN_UP_AFTER, KEPT, Kind, MOST_MAILS};
use crate::Timestamp;

/// The notices of one account, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tray(pub Vec<Held>);

/// A notice, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The number of its line of audit, which says all else.
    pub seq: u64,
    /// What it is about.
    pub kind: Kind,
    /// When, to the second.
    pub at: Timestamp,
    /// How it goes out.
    pub mailing: Mailing,
    /// When its mail is to be sent, to the second; `None`: no more.
    pub next_try: Option<Timestamp>,
    /// How often that could not be done.
    pub failures: u64,
    /// How many others its mail stands for.
    pub more: u64,
    /// The owner has seen it.
    pub dismissed: bool,
}

/// How a notice goes out by mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mailing {
    /// In a mail of its own, at once.
    Own,
    /// In the one that is sent when [`DAY`] is over, and says how many more there were.
    Gathering,
    /// As one of those.
    Gathered,
}

impl Tray {
    /// The next notice.
    pub fn tell(&mut self, seq: u64, kind: Kind, at: Timestamp) {
        let at = Timestamp::from_millis(at.as_secs().saturating_mul(1000));
        let of_kind = |held: &&Held| held.kind == kind;
        let mailed = self.0.iter().filter(of_kind).filter(|held| held.counts(at)).count();
        let (mailing, next_try) = if mailed < MOST_MAILS {
            (Mailing::Own, Some(at))
        } else if let Some(gathering) = self.0.iter_mut().rev().find(|held| held.kind == kind && held.is_open(at)) {
            gathering.more += 1;
            (Mailing::Gathered, None)
        } else {
            (Mailing::Gathering, Some(at.plus(DAY)))
        };
        self.0.push(Held { seq, kind, at, mailing, next_try, failures: 0, more: 0, dismissed: false });
        self.prune(at);
    }

    /// Leaves the newest, what waits to be sent, and what counts against today's mails.
    fn prune(&mut self, now: Timestamp) {
        let mut surplus = self.0.len().saturating_sub(KEPT);
        self.0.retain(|held| {
            let is_old = surplus > 0;
            surplus = surplus.saturating_sub(1);
            let waits = held.next_try.is_some() && now < held.at.plus(GIVEN_UP_AFTER);
            waits || held.counts(now) || !(is_old || held.dismissed)
        });
    }

    /// Those whose mail is to be sent by now, with the time since when.
    pub fn due(&self, now: Timestamp) -> impl Iterator<Item = (Timestamp, &Held)> {
        self.0.iter().filter_map(move |held| Some((held.next_try.filter(|at| *at <= now)?, held)))
    }

    /// When the next mail is to be sent.
    pub fn next_try(&self) -> Option<Timestamp> {
        self.0.iter().filter_map(|held| held.next_try).min()
    }

    /// How many mails wait.
    pub fn waiting(&self) -> usize {
        self.0.iter().filter(|held| held.next_try.is_some()).count()
    }

    /// What the owner has not dismissed, newest first.
    pub fn shown(&self) -> impl Iterator<Item = &Held> {
        self.0.iter().rev().filter(|held| !held.dismissed).take(KEPT)
    }

    /// Its mail needs no more tries.
    pub fn settle(&mut self, seq: u64) {
        self.with(seq, |held| held.next_try = None);
    }

    /// Its mail could not be sent, and is tried again then.
    pub fn failed(&mut self, seq: u64, next_try: Timestamp) {
        self.with(seq, |held| {
            if held.next_try.is_some() {
                held.failures += 1;
                held.next_try = Some(Timestamp::from_millis(next_try.as_secs().saturating_mul(1000)));
            }
        });
    }

    /// The owner has seen it. False if there is none, or they had before.
    pub fn dismiss(&mut self, seq: u64) -> bool {
        let mut was_shown = false;
        self.with(seq, |held| was_shown = !std::mem::replace(&mut held.dismissed, true));
        was_shown
    }

    fn with(&mut self, seq: u64, change: impl FnOnce(&mut Held)) {
        if let Some(held) = self.0.iter_mut().find(|held| held.seq == seq) {
            change(held);
        }
    }
}

impl Held {
    /// True if it is one of the mails that its account got within the day.
    fn counts(&self, now: Timestamp) -> bool {
        self.mailing == Mailing::Own && is_within(self.at, now, DAY)
    }

    /// True if more can be added to its mail: one that is due is as it will be sent.
    fn is_open(&self, now: Timestamp) -> bool {
        self.mailing == Mailing::Gathering && self.failures == 0 && self.next_try.is_some_and(|at| at > now)
    }
}

fn is_within(at: Timestamp, now: Timestamp, span: Duration) -> bool {
    now < at.plus(span)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_millis(0).plus(Duration::from_secs(secs))
    }

    fn tray(times: impl Iterator<Item = u64>) -> Tray {
        let mut tray = Tray::default();
        (1..).zip(times).for_each(|(seq, secs)| tray.tell(seq, Kind::OtherAppRefused, at(secs)));
        tray
    }

    #[test]
    fn ten_mails_a_day_then_one_for_all_that_follow() {
        let tray = tray(0..30);
        assert_eq!(tray.due(at(30)).count(), MOST_MAILS);
        assert_eq!(tray.waiting(), MOST_MAILS + 1);
        let all: Vec<_> = tray.due(at(10).plus(DAY)).map(|(_, held)| (held.seq, held.more)).collect();
        assert_eq!(all[MOST_MAILS..], [(11, 19)]);
    }

    #[test]
    fn other_kinds_count_apart() {
        let mut tray = tray(0..30);
        tray.tell(31, Kind::Revoked, at(31));
        assert_eq!(tray.0.last().unwrap().mailing, Mailing::Own);
    }

    #[test]
    fn it_stays_small_and_forgets_what_was_seen() {
        let mut tray = tray(0..10_000);
        assert!(tray.0.len() <= KEPT + MOST_MAILS + 1, "{}", tray.0.len());
        let later = at(10_000).plus(GIVEN_UP_AFTER);
        for seq in tray.0.iter().map(|held| held.seq).collect::<Vec<_>>() {
            assert!(tray.dismiss(seq) && !tray.dismiss(seq));
        }
        tray.tell(10_001, Kind::Revoked, later);
        assert_eq!(tray.0.iter().map(|held| held.seq).collect::<Vec<_>>(), [10_001]);
    }

    #[test]
    fn an_account_that_is_flooded_for_days_is_mailed_eleven_times_a_day() {
        let days = 4;
        let mut tray = Tray::default();
        let mut mailed = vec![];
        for minute in 0..days * 1440 {
            tray.tell(minute, Kind::OtherAppRefused, at(minute * 60));
            for seq in tray.due(at(minute * 60)).map(|(_, held)| held.seq).collect::<Vec<_>>() {
                mailed.push(minute);
                tray.settle(seq);
            }
            assert!(tray.0.len() <= KEPT + MOST_MAILS + 2);
        }
        for begin in 0..=(days - 1) * 1440 {
            let within = mailed.iter().filter(|minute| (begin..begin + 1440).contains(*minute)).count();
            assert!(within <= MOST_MAILS + 1, "{within} within a day");
        }
        assert!(mailed.len() as u64 >= days * 10);
    }
}
