//! What can happen, and what may be said about it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use authority::{CannotIssue, Reason, State, Timestamp};
use proptest::{prelude::*, sample::select};

/// Whose account. Both are there from the beginning: Alice's with both factors,
/// Bob's waiting for him to set it up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    Alice,
    Bob,
}

/// Which door. An app password opens one of them or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum At {
    Imap,
    Dav,
}

/// From where: some app passwords are held to the home network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum From {
    Home,
    Away,
}

/// With which program. Each tells its name, at either door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Program {
    Mail,
    Organizer,
}

/// What is typed where a password goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shown {
    /// One of the app passwords issued so far, whoever's.
    Issued(usize),
    /// The account's own password.
    Primary,
    /// The shape of an app password, and none.
    Invented,
}

/// How the second factor is shown.
#[derive(Clone, Copy, Debug)]
pub(super) enum Code {
    Totp,
    Recovery,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    Issue {
        who: Who,
        opens: &'static [At],
        at_home_only: bool,
        expires_in: Option<Duration>,
    },
    SignIn {
        who: Who,
        shown: Shown,
        at: At,
        from: From,
        program: Program,
    },
    /// The app goes away.
    Leave {
        session: usize,
    },
    Revoke {
        who: Who,
        issued: usize,
    },
    /// "Learn anew": the password forgets its app.
    LearnAnew {
        who: Who,
        issued: usize,
    },
    /// "Allow this app too", of one that was refused there.
    Allow {
        who: Who,
        issued: usize,
        program: Program,
        at: At,
    },
    RevokeAll(Who),
    EndSessions(Who),
    Suspend(Who),
    Resume(Who),
    Reset(Who),
    /// With the newest code there is, good or not.
    SetUp(Who),
    /// Through the portal, with both factors.
    ChangePrimary(Who),
    Forward(Duration),
    /// To the moment at which an app password ends, or so long before.
    ToItsEnd {
        issued: usize,
        early: Duration,
    },
    /// The machine's clock; the keeper's holds still.
    Back(Duration),
    /// A page is looked at, which writes the journal first.
    Look,
    /// The server stops and starts; in a crash, without writing the journal.
    Restart {
        crash: bool,
    },
}

/// What whoever acts is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Done,
    /// It was not possible to begin with: there is nothing yet to do it to.
    Nothing,
    NotIssued(CannotIssue),
    Admitted,
    Refused,
    OutOfScope,
    /// It is so already.
    Already,
    /// So many sessions were ended; `None` if there was nothing to end.
    Ended(Option<usize>),
    /// So many app passwords were revoked.
    Revoked(usize),
    /// The page shows this.
    Shown(Box<Page>),
    /// What should never be said.
    Unforeseen(String),
}

/// What can be seen without changing anything.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Glance {
    pub(super) now: Timestamp,
    /// The app passwords under which somebody is signed in.
    pub(super) sessions: Vec<usize>,
    /// Whether who signed in to the portal last still is.
    pub(super) signed_in: Vec<bool>,
}

/// All that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// Everything about each app password, in the order they were issued.
    pub(super) passwords: Vec<Listed>,
    pub(super) recovery_codes_left: Vec<usize>,
    pub(super) refusals: BTreeMap<Refusal, (u64, Timestamp, From)>,
    /// Of the audit, all of whose seals hold.
    pub(super) lines: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) state: State,
    pub(super) first_used: Option<Timestamp>,
    pub(super) revoked: Option<Timestamp>,
    pub(super) uses: BTreeMap<At, (Timestamp, From)>,
    pub(super) pins: Pins,
}

/// The programs that a password has accepted, and where.
pub(super) type Pins = BTreeSet<(Program, At)>;

/// Whose, with which app password, where, why.
pub(super) type Refusal = (Who, Option<usize>, At, Reason);

const JUST_BEFORE: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
const WEEK: Duration = Duration::from_secs(7 * 86_400);

/// Steps of the clock: round ones meet the very moments at which things end.
fn step() -> impl Strategy<Value = Duration> {
    select(vec![JUST_BEFORE, SECOND, MINUTE, 30 * MINUTE, HOUR, DAY, WEEK, 40 * DAY])
}

fn who() -> impl Strategy<Value = Who> {
    prop_oneof![3 => Just(Who::Alice), 1 => Just(Who::Bob)]
}

/// Any of those issued so far, the newest ones more often: see `Model::issued`.
fn issued() -> impl Strategy<Value = usize> {
    prop_oneof![3 => Just(0), 2 => 0..3_usize, 1 => 0..12_usize]
}

fn issue() -> impl Strategy<Value = Act> {
    let opens = select(vec![&[At::Imap] as &[At], &[At::Dav], &[At::Imap, At::Dav]]);
    let expires_in = prop_oneof![Just(None), select(vec![Some(SECOND), Some(HOUR), Some(DAY), Some(WEEK)])];
    (who(), opens, prop::bool::weighted(0.2), expires_in)
        .prop_map(|(who, opens, at_home_only, expires_in)| Act::Issue { who, opens, at_home_only, expires_in })
}

fn sign_in() -> impl Strategy<Value = Act> {
    let shown =
        prop_oneof![12 => issued().prop_map(Shown::Issued), 1 => Just(Shown::Primary), 1 => Just(Shown::Invented)];
    let from = prop_oneof![3 => Just(From::Home), 1 => Just(From::Away)];
    (who(), shown, at(), from, program()).prop_map(|(who, shown, at, from, program)| Act::SignIn {
        who,
        shown,
        at,
        from,
        program,
    })
}

fn at() -> impl Strategy<Value = At> {
    select(vec![At::Imap, At::Dav])
}

fn program() -> impl Strategy<Value = Program> {
    prop_oneof![4 => Just(Program::Mail), 1 => Just(Program::Organizer)]
}

fn allow() -> impl Strategy<Value = Act> {
    (who(), issued(), program(), at()).prop_map(|(who, issued, program, at)| Act::Allow { who, issued, program, at })
}

pub(super) fn any() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => issue(),
        16 => sign_in(),
        2 => (0..4_usize).prop_map(|session| Act::Leave { session }),
        3 => (who(), issued()).prop_map(|(who, issued)| Act::Revoke { who, issued }),
        2 => (who(), issued()).prop_map(|(who, issued)| Act::LearnAnew { who, issued }),
        3 => allow(),
        1 => who().prop_map(Act::RevokeAll),
        1 => who().prop_map(Act::EndSessions),
        2 => who().prop_map(Act::Suspend),
        3 => who().prop_map(Act::Resume),
        1 => who().prop_map(Act::Reset),
        3 => who().prop_map(Act::SetUp),
        1 => who().prop_map(Act::ChangePrimary),
        4 => step().prop_map(Act::Forward),
        3 => (issued(), select(vec![Duration::ZERO, JUST_BEFORE])).prop_map(|(issued, early)| Act::ToItsEnd { issued, early }),
        2 => step().prop_map(Act::Back),
        2 => Just(Act::Look),
        2 => prop::bool::ANY.prop_map(|crash| Act::Restart { crash }),
    ]
}
