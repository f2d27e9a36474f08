//! What happened to an account, until its owner has dismissed it.

use askama::Template;
use authority::notice::Kind;
use keeper::Told;
use notices::words::{self, Part};
use serde::Deserialize;

use super::{Answer, Frame, Here, SignedIn, go, page};
use crate::{Shared, after::After, csrf::Sent, time::Moment, turned::Turned};

/// So many stand above a page.
const FEW: usize = 3;

const HERE: &str = "/security/notices";

/// Notices above a page; nothing where there are none.
#[derive(Template)]
#[template(path = "notices.html")]
pub(super) struct Banner<'a> {
    token: &'a str,
    rows: Vec<Row>,
    /// How many there are besides.
    more: usize,
    /// The page that a dismissal leads back to.
    back: &'static str,
}

/// A notice as pages show it.
struct Row {
    seq: u64,
    parts: Vec<Part>,
    at: Moment,
    is_alarming: bool,
    /// What to do, where somebody else may be at work.
    advice: Option<&'static str>,
    /// The password that it is about.
    password: Option<String>,
    /// It can be revoked.
    is_alive: bool,
    /// The app that was refused can be let in.
    may_be_let_in: bool,
}

impl Row {
    fn new(here: &Shared, told: &Told) -> Self {
        let kind = told.notice.kind;
        let is_alive = told.password.as_ref().is_some_and(|about| !about.is_over);
        Self {
            seq: told.notice.seq,
            parts: words::sentence(told, |door| here.door_title(door).to_owned()).0,
            at: Moment(told.notice.entry.at),
            is_alarming: kind.is_alarming(),
            advice: kind.is_alarming().then(|| words::advice(kind)),
            password: told.password.as_ref().map(|about| about.id.to_string()),
            is_alive,
            may_be_let_in: is_alive && kind == Kind::OtherAppRefused,
        }
    }
}

/// Advice is not given twice in a row.
fn rows(here: &Shared, told: &[Told]) -> Vec<Row> {
    let mut rows: Vec<Row> = told.iter().map(|told| Row::new(here, told)).collect();
    let mut given = None;
    for row in &mut rows {
        let advice = row.advice;
        row.advice = advice.filter(|_| advice != given);
        given = advice;
    }
    rows
}

/// The few that stand above a page: what may be somebody else's doing comes first,
/// then the newest.
pub(super) async fn banner<'a>(here: &Shared, signed_in: &'a SignedIn, back: After) -> Result<Banner<'a>, Turned> {
    let mut all = here.keeper.notices(&signed_in.owner.mandate()).await?;
    all.sort_by_key(|told| !told.notice.kind.is_alarming());
    let more = all.len().saturating_sub(FEW);
    let rows = rows(here, &all[..all.len().min(FEW)]);
    Ok(Banner { token: signed_in.token().as_str(), rows, more, back: back.path() })
}

#[derive(Template)]
#[template(path = "all_notices.html")]
struct All<'a> {
    frame: Frame<'a>,
    notice: Option<String>,
    token: &'a str,
    all: Banner<'a>,
}

pub(super) async fn list(here: Here, signed_in: SignedIn) -> Answer {
    let told = here.keeper.notices(&signed_in.owner.mandate()).await?;
    let rows = rows(&here, &told);
    let token = signed_in.token().as_str();
    page(&All {
        frame: Frame::of(&here, &signed_in),
        notice: here.sessions.hear(&signed_in.seen),
        token,
        all: Banner { token, rows, more: 0, back: HERE },
    })
}

#[derive(Deserialize)]
pub(super) struct Seen {
    notice: u64,
    #[serde(default)]
    back: String,
}

pub(super) async fn dismiss(here: Here, signed_in: SignedIn, Sent(seen): Sent<Seen>) -> Answer {
    // Dismissed before, in another window, is what was wanted.
    here.keeper.dismiss_notice(&signed_in.owner.mandate(), seen.notice).await?;
    go(After::from_path(&seen.back).path(), None)
}

#[derive(Deserialize)]
pub(super) struct AllSeen {
    /// The newest that was on the page: what came meanwhile has not been seen.
    newest: u64,
}

pub(super) async fn dismiss_all(here: Here, signed_in: SignedIn, Sent(seen): Sent<AllSeen>) -> Answer {
    let mandate = signed_in.owner.mandate();
    for told in here.keeper.notices(&mandate).await? {
        if told.notice.seq <= seen.newest {
            here.keeper.dismiss_notice(&mandate, told.notice.seq).await?;
        }
    }
    go(After::Security.path(), None)
}
