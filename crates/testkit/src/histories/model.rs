//! What should be: plain facts, no cache, nothing shared, every rule spelt out
//! once more.

use std::{collections::BTreeMap, time::Duration};

use authority::{CannotIssue, Reason, State, Timestamp};

use super::act::{Act, Answer, At, Code, From, Glance, Listed, Page, Pins, Program, Refusal, Shown, Who};

/// When histories begin.
pub(super) const BEGINNING: Timestamp = Timestamp::from_millis(1_800_000_000_000);
/// How many app passwords an account may have alive.
pub(super) const LIMIT: usize = 4;
/// How long a new one waits for its first use.
const FIRST_USE_WITHIN: Duration = Duration::from_secs(3600);
/// How long a set-up code is good.
const SET_UP_WITHIN: Duration = Duration::from_secs(86_400);
/// Of one refused app its owner is told again after this.
const TOLD_AGAIN: Duration = Duration::from_secs(60);
const RECOVERY_CODES: usize = 10;

const EVERYBODY: [Who; 2] = [Who::Alice, Who::Bob];

struct Person {
    is_suspended: bool,
    /// A primary password and a second factor, or neither.
    has_factors: bool,
    last_step: i64,
    recovery_codes: usize,
    /// The newest set-up code: good until then, unless spent.
    set_up: Option<Timestamp>,
    /// Changes of factors and standing.
    changes: u32,
    /// As of which change somebody signed in to the portal.
    signed_in: Option<u32>,
}

struct Password {
    of: Who,
    opens: &'static [At],
    at_home_only: bool,
    use_by: Timestamp,
    expires: Option<Timestamp>,
    first_used: Option<Timestamp>,
    revoked: Option<Timestamp>,
    uses: BTreeMap<At, (Timestamp, From)>,
    pins: Pins,
    /// Refused as another app, and not allowed since.
    strangers: Pins,
    /// When that was told last, since the server started.
    told: BTreeMap<(Program, At), Timestamp>,
}

pub(super) struct Model {
    /// The machine's clock, and the keeper's.
    clock: Timestamp,
    now: Timestamp,
    /// The newest time on record.
    recorded: Timestamp,
    people: [Person; 2],
    passwords: Vec<Password>,
    /// By app password.
    sessions: Vec<usize>,
    refusals: BTreeMap<Refusal, (u64, Timestamp, From)>,
    lines: u64,
    unwritten_uses: BTreeMap<(usize, At), (Timestamp, From)>,
    unwritten_refusals: BTreeMap<Refusal, (u64, Timestamp, From)>,
}

impl Password {
    fn is_over(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|end| now >= end) || (self.first_used.is_none() && now >= self.use_by)
    }

    fn is_alive(&self, now: Timestamp) -> bool {
        self.revoked.is_none() && !self.is_over(now)
    }

    /// The app lock: a program that was here before, or a first one, or one that has
    /// been at another door.
    fn accepts(&self, program: Program, at: At) -> bool {
        let has_been_here = self.pins.contains(&(program, at));
        let nobody_has = !self.pins.iter().any(|(_, door)| *door == at);
        let is_known = self.pins.is_empty() || self.pins.iter().any(|(other, _)| *other == program);
        has_been_here || (nobody_has && is_known)
    }

    fn state(&self, of: &Person, now: Timestamp) -> State {
        match () {
            () if self.revoked.is_some() => State::Revoked,
            () if self.is_over(now) => State::Expired,
            () if of.is_suspended || !of.has_factors => State::Suspended,
            () if self.first_used.is_none() => State::Waiting,
            () => State::Active,
        }
    }
}

/// The one that is `back` places before the newest; wraps around.
pub(super) fn choose(back: usize, of: usize) -> Option<usize> {
    (of > 0).then(|| of - 1 - back % of)
}

/// So much earlier.
pub(super) fn before(moment: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_millis(moment.as_millis() - i64::try_from(by.as_millis()).unwrap())
}

impl Model {
    pub(super) fn new() -> Self {
        let person = |has_factors: bool| Person {
            is_suspended: false,
            has_factors,
            last_step: 0,
            recovery_codes: if has_factors { RECOVERY_CODES } else { 0 },
            set_up: (!has_factors).then(|| BEGINNING.plus(SET_UP_WITHIN)),
            changes: 0,
            signed_in: None,
        };
        Self {
            clock: BEGINNING,
            now: BEGINNING,
            recorded: BEGINNING,
            people: [person(true), person(false)],
            passwords: vec![],
            sessions: vec![],
            refusals: BTreeMap::new(),
            lines: 2,
            unwritten_uses: BTreeMap::new(),
            unwritten_refusals: BTreeMap::new(),
        }
    }

    /// How the second factor is shown, if the act takes one and there is one
    /// left: a TOTP code works once in its half minute.
    pub(super) fn code(&self, act: &Act) -> Option<Code> {
        let Act::ChangePrimary(who) = act else { return None };
        let person = &self.people[*who as usize];
        match () {
            () if self.step() > person.last_step => Some(Code::Totp),
            () if person.recovery_codes > 0 => Some(Code::Recovery),
            () => None,
        }
    }

    pub(super) fn act(&mut self, act: &Act, code: Option<Code>) -> Answer {
        match *act {
            Act::Issue { who, opens, at_home_only, expires_in } => self.issue(who, opens, at_home_only, expires_in),
            Act::SignIn { who, shown, at, from, program } => self.sign_in(who, shown, at, from, program),
            Act::Leave { session } => {
                let Some(one) = choose(session, self.sessions.len()) else { return Answer::Nothing };
                self.sessions.remove(one);
                Answer::Done
            }
            Act::Revoke { who, issued } => {
                let Some(one) = choose(issued, self.passwords.len()) else { return Answer::Nothing };
                let password = &mut self.passwords[one];
                if password.of != who || password.revoked.is_some() {
                    return Answer::Ended(None);
                }
                password.revoked = Some(self.now);
                self.record(1);
                let before = self.sessions.len();
                self.sessions.retain(|session| *session != one);
                Answer::Ended(Some(before - self.sessions.len()))
            }
            Act::LearnAnew { who, issued } => {
                let Some(one) = choose(issued, self.passwords.len()) else { return Answer::Nothing };
                let (password, now) = (&mut self.passwords[one], self.now);
                if password.of != who {
                    return Answer::Ended(None);
                }
                let before = self.sessions.len();
                // Also of one that is over: it has no business with any.
                self.sessions.retain(|session| *session != one);
                if !password.is_alive(now) {
                    return Answer::Ended(None);
                }
                (password.first_used, password.use_by) = (None, now.plus(FIRST_USE_WITHIN));
                (password.pins, password.strangers) = (Pins::new(), Pins::new());
                password.told.clear();
                self.record(1);
                Answer::Ended(Some(before - self.sessions.len()))
            }
            Act::Allow { who, issued, program, at } => {
                let Some(one) = choose(issued, self.passwords.len()) else { return Answer::Nothing };
                let (password, now) = (&mut self.passwords[one], self.now);
                if password.of != who || !password.is_alive(now) || !password.strangers.remove(&(program, at)) {
                    return Answer::Refused;
                }
                password.pins.insert((program, at));
                self.record(1);
                Answer::Done
            }
            Act::RevokeAll(who) => {
                self.end_sessions(who);
                let revoked = self.revoke_alive(who);
                if revoked > 0 {
                    self.record(1);
                }
                Answer::Revoked(revoked)
            }
            Act::EndSessions(who) => {
                let ended = self.end_sessions(who);
                if ended > 0 {
                    self.record(1);
                }
                Answer::Ended(Some(ended))
            }
            Act::Suspend(who) => self.set_standing(who, true),
            Act::Resume(who) => self.set_standing(who, false),
            Act::Reset(who) => {
                let person = &mut self.people[who as usize];
                (person.has_factors, person.recovery_codes) = (false, 0);
                person.set_up = Some(self.now.plus(SET_UP_WITHIN));
                self.factors_changed(who);
                Answer::Done
            }
            Act::SetUp(who) => self.set_up(who),
            Act::ChangePrimary(who) => self.change_primary(who, code),
            Act::Forward(by) => {
                self.clock = self.clock.plus(by);
                self.now = self.now.max(self.clock);
                Answer::Done
            }
            Act::ToItsEnd { issued, early } => {
                let Some(one) = choose(issued, self.passwords.len()) else { return Answer::Nothing };
                let password = &self.passwords[one];
                let end = password.expires.unwrap_or(password.use_by);
                self.clock = self.clock.max(before(end, early));
                self.now = self.now.max(self.clock);
                Answer::Done
            }
            Act::Back(by) => {
                self.clock = before(self.clock, by);
                Answer::Done
            }
            Act::Look => Answer::Shown(Box::new(self.look())),
            Act::Restart { crash } => {
                if !crash {
                    self.write_journal();
                }
                self.unwritten_uses.clear();
                self.unwritten_refusals.clear();
                self.sessions.clear();
                self.passwords.iter_mut().for_each(|password| password.told.clear());
                self.now = self.recorded.max(self.clock);
                Answer::Done
            }
        }
    }

    fn issue(&mut self, of: Who, opens: &'static [At], at_home_only: bool, expires_in: Option<Duration>) -> Answer {
        let person = &self.people[of as usize];
        let alive = self.passwords.iter().filter(|one| one.of == of && one.is_alive(self.now)).count();
        let why_not = match () {
            () if person.is_suspended => CannotIssue::Suspended,
            () if !person.has_factors => CannotIssue::NoSecondFactor,
            () if expires_in.is_some_and(|end| end < Duration::from_secs(3600)) => CannotIssue::Expiry,
            () if alive >= LIMIT => CannotIssue::LimitReached(LIMIT),
            () => {
                self.passwords.push(Password {
                    of,
                    opens,
                    at_home_only,
                    use_by: self.now.plus(FIRST_USE_WITHIN),
                    expires: expires_in.map(|after| self.now.plus(after)),
                    first_used: None,
                    revoked: None,
                    uses: BTreeMap::new(),
                    pins: Pins::new(),
                    strangers: Pins::new(),
                    told: BTreeMap::new(),
                });
                self.record(1);
                return Answer::Done;
            }
        };
        Answer::NotIssued(why_not)
    }

    fn sign_in(&mut self, who: Who, shown: Shown, at: At, from: From, program: Program) -> Answer {
        let one = match shown {
            Shown::Primary => return self.refuse((who, None, at, Reason::NotAnAppPassword), from),
            Shown::Invented => None,
            Shown::Issued(back) => choose(back, self.passwords.len()).filter(|one| self.passwords[*one].of == who),
        };
        let Some(one) = one else { return self.refuse((who, None, at, Reason::NoSuchPassword), from) };
        let (password, person) = (&mut self.passwords[one], &self.people[who as usize]);
        let why_not = match password.state(person, self.now) {
            State::Revoked => Some(Reason::Revoked),
            State::Expired if password.first_used.is_none() => Some(Reason::NotUsedInTime),
            State::Expired => Some(Reason::Expired),
            State::Suspended if person.is_suspended => Some(Reason::AccountSuspended),
            State::Suspended => Some(Reason::NoSecondFactor),
            State::Waiting | State::Active if password.at_home_only && from == From::Away => Some(Reason::Network),
            State::Waiting | State::Active if !password.accepts(program, at) => Some(Reason::OtherApp),
            State::Waiting | State::Active if !password.opens.contains(&at) => Some(Reason::Scope),
            State::Waiting | State::Active => None,
        };
        if let Some(reason) = why_not {
            if reason == Reason::OtherApp {
                self.tell_of(one, program, at);
            }
            return self.refuse((who, Some(one), at, reason), from);
        }
        let lines = usize::from(password.first_used.is_none()) + usize::from(password.pins.insert((program, at)));
        if lines > 0 {
            password.first_used.get_or_insert(self.now);
            password.uses.insert(at, (self.now, from));
            self.record(lines);
        } else {
            self.unwritten_uses.insert((one, at), (self.now, from));
        }
        self.sessions.push(one);
        Answer::Admitted
    }

    fn tell_of(&mut self, one: usize, program: Program, at: At) {
        let (password, now) = (&mut self.passwords[one], self.now);
        if password.told.get(&(program, at)).is_some_and(|last| now < last.plus(TOLD_AGAIN)) {
            return;
        }
        password.told.insert((program, at), now);
        let is_new = password.strangers.insert((program, at));
        self.record(usize::from(is_new));
    }

    fn refuse(&mut self, refusal: Refusal, from: From) -> Answer {
        let count = self.unwritten_refusals.get(&refusal).map_or(0, |(count, ..)| *count);
        self.unwritten_refusals.insert(refusal, (count + 1, self.now, from));
        if refusal.3 == Reason::Scope { Answer::OutOfScope } else { Answer::Refused }
    }

    fn set_standing(&mut self, who: Who, suspended: bool) -> Answer {
        let person = &mut self.people[who as usize];
        if person.is_suspended == suspended {
            return Answer::Already;
        }
        person.is_suspended = suspended;
        person.changes += 1;
        self.end_sessions(who);
        self.record(1);
        Answer::Done
    }

    fn set_up(&mut self, who: Who) -> Answer {
        let step = self.step();
        let person = &mut self.people[who as usize];
        if person.set_up.is_none_or(|end| self.now >= end) || person.is_suspended {
            return Answer::Refused;
        }
        (person.has_factors, person.set_up) = (true, None);
        (person.last_step, person.recovery_codes) = (step, RECOVERY_CODES);
        person.changes += 1;
        person.signed_in = Some(person.changes);
        self.end_sessions(who);
        self.record(1);
        Answer::Done
    }

    fn change_primary(&mut self, who: Who, code: Option<Code>) -> Answer {
        let step = self.step();
        let person = &mut self.people[who as usize];
        if !person.has_factors || person.is_suspended {
            return Answer::Refused;
        }
        match code {
            None => return Answer::Nothing,
            Some(Code::Totp) => person.last_step = step,
            Some(Code::Recovery) => person.recovery_codes -= 1,
        }
        self.record(1);
        self.factors_changed(who);
        let person = &mut self.people[who as usize];
        person.signed_in = Some(person.changes);
        Answer::Done
    }

    fn factors_changed(&mut self, who: Who) {
        self.people[who as usize].changes += 1;
        self.end_sessions(who);
        self.revoke_alive(who);
        self.record(1);
    }

    fn revoke_alive(&mut self, who: Who) -> usize {
        let now = self.now;
        let mut revoked = 0;
        for password in self.passwords.iter_mut().filter(|one| one.of == who && one.is_alive(now)) {
            password.revoked = Some(now);
            revoked += 1;
        }
        if revoked > 0 {
            self.record(revoked);
        }
        revoked
    }

    fn end_sessions(&mut self, who: Who) -> usize {
        let before = self.sessions.len();
        self.sessions.retain(|session| self.passwords[*session].of != who);
        before - self.sessions.len()
    }

    fn record(&mut self, lines: usize) {
        self.lines += lines as u64;
        self.recorded = self.recorded.max(self.now);
    }

    fn write_journal(&mut self) {
        for ((one, at), used) in std::mem::take(&mut self.unwritten_uses) {
            // A first use after learning anew is written at once, ahead of one before it.
            let last = self.passwords[one].uses.entry(at).or_insert(used);
            if used.0 >= last.0 {
                *last = used;
            }
            self.recorded = self.recorded.max(used.0);
        }
        for (refusal, (count, at, from)) in std::mem::take(&mut self.unwritten_refusals) {
            let before = self.refusals.get(&refusal).map_or(0, |(count, ..)| *count);
            self.refusals.insert(refusal, (before + count, at, from));
            self.recorded = self.recorded.max(at);
        }
    }

    pub(super) fn glance(&self) -> Glance {
        let is_signed_in =
            |person: &Person| person.signed_in.is_some_and(|as_of| as_of == person.changes && !person.is_suspended);
        Glance {
            now: self.now,
            sessions: self.sessions.clone(),
            signed_in: self.people.iter().map(is_signed_in).collect(),
        }
    }

    pub(super) fn look(&mut self) -> Page {
        self.write_journal();
        let listed = |one: &Password| Listed {
            state: one.state(&self.people[one.of as usize], self.now),
            first_used: one.first_used,
            revoked: one.revoked,
            uses: one.uses.clone(),
            pins: one.pins.clone(),
        };
        Page {
            passwords: self.passwords.iter().map(listed).collect(),
            recovery_codes_left: EVERYBODY.map(|who| self.people[who as usize].recovery_codes).to_vec(),
            refusals: self.refusals.clone(),
            lines: self.lines,
        }
    }

    fn step(&self) -> i64 {
        self.now.as_secs() / 30
    }
}
