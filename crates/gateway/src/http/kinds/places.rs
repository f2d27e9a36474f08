//! What lies where, as the server behind tells the same person, and for a short
//! while remembered.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header, request::Parts};
use protocols::http::{
    Path,
    dav::{self, Kinds},
};
use tokio::time::Instant;

use crate::http::{
    forward::{Forward, ForwardError, read_whole},
    headers::Asking,
    sent::What,
};

/// Another app may make something else of a collection, by another way than
/// through here.
const FRESH: Duration = Duration::from_secs(10);
/// How many places are remembered, for everybody together.
const MOST: usize = 20_000;
/// The longest answer about kinds.
const LONGEST: usize = 4 << 20;

const QUESTION: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<propfind xmlns="DAV:"><prop><resourcetype/></prop></propfind>"#;

/// What a path is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A calendar or an address book, which is at this path, or something in it.
    Typed(Kinds, Path),
    /// A collection of collections, as a home is.
    Home,
    /// Something that is neither.
    Plain,
    /// Nothing that this person sees.
    Absent,
}

/// A login and a path: what one person sees is nothing to another.
type Whose = (Box<str>, Box<str>);

/// What is known of a path by itself, if anything is: that it says what it is, or
/// that nothing is there.
type Known = Option<Option<Kinds>>;

/// What was learnt.
#[derive(Default)]
pub(super) struct Places {
    known: Mutex<HashMap<Whose, (Option<Kinds>, Instant)>>,
    /// Counted up by each change, so that what was asked before is not kept after.
    changes: AtomicU64,
}

impl Places {
    /// Forgets all: something was made, moved, or changed into something else.
    pub(super) fn forget(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn known(&self, login: &str, path: &Path) -> Known {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (kinds, at) = known.get(&(login.into(), path.as_str().into()))?;
        (at.elapsed() < FRESH).then_some(*kinds)
    }

    fn learn(&self, login: &str, learnt: Vec<(Path, Option<Kinds>)>, changes: u64) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if self.changes.load(Ordering::SeqCst) != changes {
            return;
        }
        if known.len() + learnt.len() > MOST {
            known.clear();
        }
        let now = Instant::now();
        for (path, kinds) in learnt {
            known.insert((login.into(), path.as_str().into()), (kinds, now));
        }
    }
}

/// Asks the server behind for one person.
pub(super) struct Looking<'a> {
    pub(super) places: &'a Places,
    pub(super) forward: &'a Forward,
    pub(super) asking: &'a Asking<'a>,
    /// Where the server behind begins.
    pub(super) root: &'a Path,
    /// The name by which the client calls us.
    pub(super) host: Option<HeaderValue>,
}

impl Looking<'_> {
    /// What is at a path: the outermost collection on the way that says what it
    /// is decides, since neither kind has collections within (RFC 4791, 4.2).
    pub(super) async fn at(&self, path: &Path) -> Result<Place, ForwardError> {
        let mut way: Vec<Path> = std::iter::successors(Some(path.clone()), Path::parent)
            .take_while(|path| path.is_within(self.root))
            .collect();
        way.reverse();
        let mut place = Place::Absent;
        for step in way {
            place = match self.itself(&step).await? {
                Some(kinds) if kinds.is_typed() => return Ok(Place::Typed(kinds, step)),
                Some(kinds) if kinds.collection => Place::Home,
                // Xandikos does not call it a collection.
                _ if step.as_str() == self.root.as_str() => Place::Home,
                Some(_) => Place::Plain,
                // Some servers do not show the way to what they show.
                None => Place::Absent,
            };
        }
        Ok(place)
    }

    /// Learns what is in a collection, with one question.
    pub(super) async fn look_into(&self, path: &Path) -> Result<(), ForwardError> {
        self.ask(path, HeaderValue::from_static("1")).await.map(drop)
    }

    async fn itself(&self, path: &Path) -> Result<Option<Kinds>, ForwardError> {
        if let Some(known) = self.places.known(self.asking.login, path) {
            return Ok(known);
        }
        let found = self.ask(path, HeaderValue::from_static("0")).await?;
        Ok(found.into_iter().find(|(found, _)| found.as_str() == path.as_str()).and_then(|(_, kinds)| kinds))
    }

    async fn ask(&self, path: &Path, depth: HeaderValue) -> Result<Vec<(Path, Option<Kinds>)>, ForwardError> {
        let changes = self.places.changes.load(Ordering::SeqCst);
        let answer = self.forward.send(&self.question(path, depth)?, What::whole(QUESTION), self.asking).await?;
        let answer = read_whole(answer, LONGEST).await?;
        let mut found = match answer.status() {
            StatusCode::MULTI_STATUS => read_answer(answer.body())?,
            status if status.is_server_error() => return Err(ForwardError::Unreadable),
            _ => Vec::new(),
        };
        // A collection may be called without its slash, and answer with it.
        if !found.iter().any(|(found, _)| found.as_str() == path.as_str()) {
            found.push((path.clone(), None));
        }
        self.places.learn(self.asking.login, found.clone(), changes);
        Ok(found)
    }

    fn question(&self, path: &Path, depth: HeaderValue) -> Result<Parts, ForwardError> {
        let slash = if path.is_collection() { "/" } else { "" };
        let question = Request::builder().uri(format!("{}{slash}", path.encoded())).body(());
        let mut question = question.map_err(|_| ForwardError::Unwritable("a path fits no target"))?.into_parts().0;
        question.method = Method::from_bytes(b"PROPFIND").map_err(|_| ForwardError::Unwritable("no method"))?;
        let mut headers = HeaderMap::new();
        headers.insert("depth", depth);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml; charset=utf-8"));
        if let Some(host) = &self.host {
            headers.insert(header::HOST, host.clone());
        }
        question.headers = headers;
        Ok(question)
    }
}

fn read_answer(body: &Bytes) -> Result<Vec<(Path, Option<Kinds>)>, ForwardError> {
    let responses = dav::responses(body).map_err(|_| ForwardError::Unreadable)?;
    let found = responses.iter().filter_map(|response| match response.hrefs.as_slice() {
        [href] => Some((referred_to(href)?, response.kinds)),
        _ => None,
    });
    Ok(found.collect())
}

/// The path that an `href` means: itself a path, or an address.
pub(crate) fn referred_to(href: &str) -> Option<Path> {
    if href.starts_with('/') && !href.starts_with("//") {
        return Path::parse(href.split(['?', '#']).next().unwrap_or(href)).ok();
    }
    let uri: http::Uri = href.parse().ok()?;
    uri.scheme().and_then(|_| Path::parse(uri.path()).ok())
}
