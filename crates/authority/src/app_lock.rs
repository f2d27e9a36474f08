//! One password, one app.
//!
//! A password keeps pins: signatures of clients that it has accepted, a set for
//! each protocol, because one app may come in several forms (Thunderbird's
//! calendar is not its address book, an iPhone has a program for each).
//!
//! ```text
//!  made ─> waiting ── a client that its catalogue entry allows ──> pinned under this protocol
//!             ^                                                        │
//!             │ the owner has it learn anew: all pins go               │ another protocol, for the first time:
//!             └────────────────────────────────────────────────────────┤ pinned, if it has a tie to a pin there is
//!                                                                      │
//!             under a protocol that has pins, a client that is         │
//!               the same as one of them ─────────> admitted           <┘
//!               one of them, changed a little ───> admitted, pinned too, told after the first day
//!               another ─────────────────────────> refused and told; pinned if the owner allows it
//! ```
//!
//! What owners' apps have in common is learnt as well: [`OWNERS`].
//!
//! In the mode `watch` another app is admitted and told; in `off` nothing is
//! compared and nothing learnt.
//!
//! A client without a name that is the same in all but what it does first is taken for
//! the app where its owner has used one before.
//!
//! A tie is the same declared product, or the same TLS library from a network
//! that the owner has used before. Without it a password that leaked could be
//! pinned by its thief under the one protocol that its owner does not use.
//!
//! What it is worth, and what it is not: docs/app-lock.md.

use std::{net::IpAddr, sync::Arc, time::Duration};

use fingerprint::{Compared, Signature, Tie, What, Why, compare, tie};

use crate::{AppPassword, AppPasswordId, Asking, Catalogue, Event, LockMode, Timestamp, catalogue::AppId};

/// What a door can tell of a client.
#[derive(Clone, Debug)]
pub enum Client {
    /// All that it will know before it has to decide.
    Shown(Signature),
    /// More is to come once the client believes to be signed in.
    ToShow,
    /// Nothing, ever: the client talks to somebody else, who asks here.
    Unseen,
}

/// A signature that a password has accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Whose.
    pub signature: Signature,
    /// Since when.
    pub since: Timestamp,
    /// From where it came then.
    pub from: IpAddr,
    /// How it came to be.
    pub by: PinnedBy,
}

/// A client that was refused as another app, as its owner is shown it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stranger {
    /// Which.
    pub signature: Signature,
    /// The door that it came to last.
    pub door: Arc<str>,
    /// From where, the last time.
    pub from: IpAddr,
    /// When, the last time.
    pub at: Timestamp,
}

/// How a pin came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinnedBy {
    /// The first client under this protocol.
    FirstUse,
    /// A form of an app that was pinned.
    Drift,
    /// The owner.
    Owner,
}

/// Whether the owner has been where a client comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whereabouts {
    /// An app of theirs has come in from this network.
    UsedBefore,
    /// None has, or it was not asked: see [`turns_on_whereabouts`].
    New,
}

/// What has to be kept before a client is let in, all at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lesson {
    /// Of which password.
    pub password: AppPasswordId,
    /// What it was when this was decided.
    pub was: Was,
    /// To be added to them.
    pub pin: Option<Pin>,
    /// The app of the catalogue whose new form the pin may be: see [`OWNERS`].
    pub form_of: Option<AppId>,
    /// For the audit log, and the owner.
    pub events: Vec<Event>,
}

/// What a decision to learn stood on. With anything else it has to be made anew: of
/// two apps that come at the same moment for the first time, one is pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Was {
    /// When the password had been used first.
    pub first_used: Option<Timestamp>,
    /// How many pins it had.
    pub pins: usize,
}

impl Was {
    /// What it is now.
    pub fn of(password: &AppPassword) -> Self {
        Self { first_used: password.first_used, pins: password.pins.len() }
    }
}

/// A new form of an app within this of its first use is the app setting itself up:
/// kept, and not told.
const SETTING_UP: Duration = Duration::from_secs(24 * 3600);
/// So many new forms of its app a password learns within a day; others that are
/// alike enough are let in, and not kept. A client that comes in a new form each time
/// would have each of its requests committed, and told in the audit.
pub const MOST_A_DAY: usize = 16;
/// Forms of clients that one password keeps. A client that shows ever new ones pays
/// with its oldest.
pub const MOST_PINS: usize = 32;

/// When so many accounts' passwords for one app of the catalogue have drifted to the
/// same form, each where its owner has been, it is a form of the app: the next ones
/// take it too. One thief is one account; an update is everybody's. What an owner lets
/// in beside the app teaches nothing: it is another.
pub const OWNERS: u64 = 3;

/// What the lock says of a client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ruling {
    /// One that it knows, or it does not look.
    Known,
    /// The first under this protocol.
    First,
    /// A known one, changed.
    Drifted(What),
    /// Another app.
    Other,
}

/// True if [`Whereabouts`] decide about this client.
pub fn turns_on_whereabouts(password: &AppPassword, client: &Client, apps: &Catalogue) -> bool {
    let Client::Shown(seen) = client else { return false };
    password.lock != LockMode::Off
        && match likeness(password, seen) {
            None => tied(password, seen, apps) == Some(Tied::ByLibrary),
            // For a drift, whether it may be one of the app's for everybody.
            Some(Compared::Drifted(_)) => apps.find(&password.app).is_some(),
            Some(likeness) => likeness == Compared::Other(Why::Opening),
        }
}

pub(crate) fn rule(password: &AppPassword, seen: &Signature, whereabouts: Whereabouts, apps: &Catalogue) -> Ruling {
    if password.lock == LockMode::Off {
        return Ruling::Known;
    }
    let has_been_there = whereabouts == Whereabouts::UsedBefore;
    match likeness(password, seen) {
        Some(Compared::Same) => Ruling::Known,
        Some(Compared::Drifted(what)) => Ruling::Drifted(what),
        // An app that says no name, on another of its connections.
        Some(Compared::Other(Why::Opening)) if has_been_there => Ruling::Drifted(What::Opening),
        Some(Compared::Other(_)) if apps.has_learnt(&password.app, seen) => Ruling::Drifted(What::Form),
        Some(Compared::Other(_)) => Ruling::Other,
        None if apps.objects(&password.app, seen.protocol(), seen.declared()).is_some() => Ruling::Other,
        None if password.pins.is_empty() => Ruling::First,
        None => match tied(password, seen, apps) {
            Some(Tied::ByName) => Ruling::First,
            Some(Tied::ByLibrary) if has_been_there => Ruling::First,
            Some(Tied::ByLibrary) | None => Ruling::Other,
        },
    }
}

/// The best that the pins under its protocol say of a client; `None` if there are none.
fn likeness(password: &AppPassword, seen: &Signature) -> Option<Compared> {
    let rank = |compared: &Compared| match compared {
        Compared::Same => 0,
        Compared::Drifted(_) => 1,
        Compared::Other(Why::Opening) => 2,
        Compared::Other(_) => 3,
    };
    under_protocol_of(seen, password).map(|pin| compare(&pin.signature, seen)).min_by_key(rank)
}

/// What is to be kept of an admission: `None` where it is routine.
pub(crate) fn learn(password: &AppPassword, ruling: &Ruling, asking: &Asking<'_>) -> Option<Lesson> {
    let (door, now, from) = (&asking.door.name, asking.now, asking.from);
    let id = password.id;
    let mut events = vec![];
    if password.first_used.is_none() {
        events.push(Event::AppPasswordFirstUsed { id });
    }
    let by = match ruling {
        Ruling::First => Some(PinnedBy::FirstUse),
        Ruling::Drifted(_) if has_learnt_enough(password, now) => None,
        Ruling::Drifted(_) => Some(PinnedBy::Drift),
        Ruling::Known | Ruling::Other => None,
    };
    let pin = match (by, asking.client) {
        (Some(by), Client::Shown(seen)) => {
            let door = door.to_string();
            events.push(match ruling {
                Ruling::Drifted(what) if !is_setting_up(seen, password, now) => {
                    Event::AppLockDrifted { id, door, what: changed(*what).to_owned() }
                }
                _ => Event::AppLockPinned { id, door, client: seen.to_string() },
            });
            Some(Pin { signature: seen.clone(), since: now, from, by })
        }
        _ => None,
    };
    if events.is_empty() {
        return None;
    }
    let has_been_there = asking.whereabouts == Whereabouts::UsedBefore;
    let is_a_form = has_been_there && matches!(ruling, Ruling::Drifted(_));
    let form_of = asking.apps.find(&password.app).filter(|_| is_a_form).map(|app| app.id.clone());
    Some(Lesson { password: id, was: Was::of(password), pin, form_of, events })
}

/// The pins of a password once this one is among them.
pub fn pins_with(pins: &[Pin], new: Pin) -> Arc<[Pin]> {
    let surplus = (pins.len() + 1).saturating_sub(MOST_PINS);
    pins[surplus..].iter().cloned().chain([new]).collect()
}

fn under_protocol_of<'p>(seen: &Signature, password: &'p AppPassword) -> impl Iterator<Item = &'p Pin> {
    let protocol = seen.protocol();
    password.pins.iter().filter(move |pin| pin.signature.protocol() == protocol)
}

fn has_learnt_enough(password: &AppPassword, now: Timestamp) -> bool {
    let lately = |pin: &&Pin| pin.by == PinnedBy::Drift && now < pin.since.plus(SETTING_UP);
    password.pins.iter().filter(lately).count() >= MOST_A_DAY
}

fn is_setting_up(seen: &Signature, password: &AppPassword, now: Timestamp) -> bool {
    under_protocol_of(seen, password).next().is_none_or(|first| now < first.since.plus(SETTING_UP))
}

/// What ties a client to an app that the password knows from another protocol.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tied {
    /// Its name.
    ByName,
    /// Its TLS library, which others have too.
    ByLibrary,
}

fn tied(password: &AppPassword, seen: &Signature, apps: &Catalogue) -> Option<Tied> {
    let is_own =
        |one: &Signature| one.declared().is_some_and(|name| apps.is_own_name(&password.app, one.protocol(), name));
    let mut by_library = None;
    for pin in &*password.pins {
        match tie(&pin.signature, seen) {
            Some(Tie::Product) => return Some(Tied::ByName),
            // An iPhone's mail is `com.apple.email.maild` in IMAP and `iphone mail` in
            // its messages; the catalogue knows both.
            _ if is_own(seen) && is_own(&pin.signature) => return Some(Tied::ByName),
            Some(Tie::Family) => by_library = Some(Tied::ByLibrary),
            Some(Tie::FamilyByAnotherName) | None => {}
        }
    }
    by_library
}

/// What has changed, in a word of the audit log.
fn changed(what: What) -> &'static str {
    match what {
        What::Tls => "tls",
        What::Form => "form",
        What::Opening => "opening",
        What::Name => "name",
    }
}
