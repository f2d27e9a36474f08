//! One server that keeps calendars and address books side by side, and a
//! password that opens only one of the kinds.
//!
//! Which kind a collection is of is asked of the server behind, as the same
//! person. What is in it goes with it. Who opens both kinds is not looked after
//! any further; for everybody else what is of no known kind stays closed, but
//! for looking at homes, of whose answers what is closed is cut out.

mod filter;
mod places;

use authority::{Area, Door, Grant, Needs, Scope, Scopes};
use bytes::Bytes;
use http::{Method, StatusCode, request::Parts};
use protocols::http::{Path, dav, dav::Kinds};

pub(super) use self::places::referred_to;
use self::places::{Looking, Place, Places};
use super::{
    act::{self, Act},
    forward::{Forward, ForwardError},
    headers::Asking,
    sent::What,
    steady::Steady,
    xml_body,
};

/// How many other places one REPORT may name.
const ELSEWHERE: usize = 16;

/// The terms of a door whose collections are of different kinds.
pub(super) struct ByKind {
    data: Scopes,
    places: Places,
    root: Path,
}

/// What is to become of a request.
pub(super) enum Judged {
    /// It is passed on, and so is its answer.
    Open(What),
    /// It is passed on, and its answer looked through.
    Shown(What),
    /// The password does not open this.
    Closed,
    /// It cannot be judged.
    Refused(StatusCode),
}

/// Why it did not come to a judgement.
enum Stopped {
    Refused(StatusCode),
    Behind(ForwardError),
}

impl From<ForwardError> for Stopped {
    fn from(error: ForwardError) -> Self {
        Self::Behind(error)
    }
}

impl ByKind {
    pub(super) fn new(data: Scopes) -> Self {
        Self { data, places: Places::default(), root: Path::root() }
    }

    /// Where the server behind begins, as clients see it.
    pub(super) fn begin_at(&mut self, root: Path) {
        self.root = root;
    }

    /// What it takes to come in at all.
    pub(super) fn door(&self, door: &Door) -> Door {
        Door { needs: Needs::one_of(&self.data), ..door.clone() }
    }

    /// Something was made, moved or changed: what was learnt is void.
    pub(super) fn forget(&self) {
        self.places.forget();
    }

    /// Judges a request of somebody who is in.
    pub(super) async fn judge(
        &self,
        request: &Parts,
        body: Steady,
        grant: &Grant,
        (forward, asking): (&Forward, &Asking<'_>),
    ) -> Result<Judged, ForwardError> {
        let host = request.headers.get(http::header::HOST).cloned();
        let looking = Looking { places: &self.places, forward, asking, root: &self.root, host };
        let judging = Judging { terms: self, request, grant, looking };
        match judging.judge(body).await {
            Ok(judged) => Ok(judged),
            Err(Stopped::Refused(status)) => Ok(Judged::Refused(status)),
            Err(Stopped::Behind(error)) => Err(error),
        }
    }

    /// Cuts out of an answer what the password does not open.
    pub(super) async fn show(
        &self,
        request: &Parts,
        answer: Bytes,
        grant: &Grant,
        (forward, asking): (&Forward, &Asking<'_>),
    ) -> Result<Bytes, ForwardError> {
        let host = request.headers.get(http::header::HOST).cloned();
        let looking = Looking { places: &self.places, forward, asking, root: &self.root, host };
        filter::cut(self, &looking, request, answer, grant).await
    }

    fn opens(&self, grant: &Grant, kinds: Kinds, act: Act) -> bool {
        let areas = [(kinds.calendar, Area::Calendars), (kinds.addressbook, Area::Contacts)];
        let needs: Needs = areas.into_iter().filter(|(is, _)| *is).map(|(_, area)| Scope::Full(area)).collect();
        kinds.is_typed() && self.opens_at(grant, &needs, act)
    }

    fn opens_everything(&self, grant: &Grant, act: Act) -> bool {
        self.opens_at(grant, &self.data.clone().into(), act)
    }

    fn opens_at(&self, grant: &Grant, needs: &Needs, act: Act) -> bool {
        match act {
            Act::Reads => grant.opens(&needs.reading()),
            Act::Changes => grant.opens(needs),
        }
    }
}

struct Judging<'a> {
    terms: &'a ByKind,
    request: &'a Parts,
    grant: &'a Grant,
    looking: Looking<'a>,
}

impl Judging<'_> {
    async fn judge(&self, body: Steady) -> Result<Judged, Stopped> {
        let act = Act::of(&self.request.method);
        if self.terms.opens_everything(self.grant, act) {
            return Ok(Judged::Open(What::Streaming(body)));
        }
        let refused = |_| Stopped::Refused(StatusCode::BAD_REQUEST);
        let path = Path::parse(self.request.uri.path()).map_err(refused)?;
        let destination = act::destination(self.request).map_err(Stopped::Refused)?;
        let judged = match self.looking.at(&path).await? {
            Place::Typed(kinds, collection) => {
                self.in_collection(body, kinds, (&path, &collection), destination).await?
            }
            Place::Home => self.at_home(body).await?,
            Place::Absent => self.at_nothing(body).await?,
            Place::Plain => Judged::Closed,
        };
        Ok(judged)
    }

    /// A calendar or an address book, or something in it.
    async fn in_collection(
        &self,
        body: Steady,
        kinds: Kinds,
        (path, collection): (&Path, &Path),
        destination: Option<Path>,
    ) -> Result<Judged, Stopped> {
        let is_itself = path.as_str() == collection.as_str();
        let act = Act::of(&self.request.method);
        if !act::names_all_it_touches(&self.request.method) || !self.terms.opens(self.grant, kinds, act) {
            return Ok(Judged::Closed);
        }
        match self.request.method.as_str() {
            // Radicale takes a whole collection so, of the kind of what is in it.
            "PUT" | "MKCOL" | "MKCALENDAR" if is_itself => Ok(Judged::Closed),
            "REPORT" => self.report(body, collection).await,
            "PROPPATCH" => {
                let body = self.read(body).await?;
                let changes_kind =
                    dav::kinds_asked_for(&body).map_err(|bad| Stopped::Refused(xml_body::status(bad)))?;
                Ok(if changes_kind.is_some() { Judged::Closed } else { Judged::Open(What::whole(body)) })
            }
            "COPY" | "MOVE" => {
                let destination = destination.ok_or(Stopped::Refused(StatusCode::BAD_REQUEST))?;
                let is_open = match self.looking.at(&destination).await? {
                    // Over a collection only goes a collection.
                    Place::Typed(there, at) => {
                        self.terms.opens(self.grant, there, Act::Changes)
                            && is_itself == (at.as_str() == destination.as_str())
                    }
                    // A collection stays what it is, wherever it goes.
                    Place::Absent => is_itself,
                    Place::Home | Place::Plain => false,
                };
                Ok(if is_open { Judged::Open(What::Streaming(body)) } else { Judged::Closed })
            }
            _ => Ok(Judged::Open(What::Streaming(body))),
        }
    }

    /// A collection of collections: it is looked at, and not changed.
    async fn at_home(&self, body: Steady) -> Result<Judged, Stopped> {
        match self.request.method.as_str() {
            "OPTIONS" => Ok(Judged::Open(What::Streaming(body))),
            "PROPFIND" if act::is_for_all(&self.request.headers) => Ok(Judged::Refused(StatusCode::FORBIDDEN)),
            "PROPFIND" => Ok(Judged::Shown(What::Streaming(body))),
            "REPORT" => {
                let body = self.read(body).await?;
                let hrefs = self.hrefs(&body)?;
                let is_open = self.are_open(&hrefs, None).await?;
                Ok(if is_open { Judged::Shown(What::whole(body)) } else { Judged::Closed })
            }
            _ => Ok(Judged::Closed),
        }
    }

    /// What is made where nothing is is of the kind that it is made as.
    async fn at_nothing(&self, body: Steady) -> Result<Judged, Stopped> {
        let is_calendar = self.request.method.as_str() == "MKCALENDAR";
        if !is_calendar && self.request.method.as_str() != "MKCOL" {
            let reads = Act::of(&self.request.method) == Act::Reads && self.request.method != Method::OPTIONS;
            return Ok(if reads { Judged::Refused(StatusCode::NOT_FOUND) } else { Judged::Closed });
        }
        let body = self.read(body).await?;
        let asked = match body.is_empty() {
            true => None,
            false => dav::kinds_asked_for(&body).map_err(|bad| Stopped::Refused(xml_body::status(bad)))?,
        };
        let mut kinds = asked.unwrap_or_default();
        kinds.calendar |= is_calendar;
        let is_open = self.terms.opens(self.grant, kinds, Act::Changes);
        Ok(if is_open { Judged::Open(What::whole(body)) } else { Judged::Closed })
    }

    async fn report(&self, body: Steady, collection: &Path) -> Result<Judged, Stopped> {
        let body = self.read(body).await?;
        let hrefs = self.hrefs(&body)?;
        let is_open = self.are_open(&hrefs, Some(collection)).await?;
        Ok(if is_open { Judged::Open(What::whole(body)) } else { Judged::Closed })
    }

    fn hrefs(&self, body: &Bytes) -> Result<Vec<Path>, Stopped> {
        let hrefs = dav::hrefs(body).map_err(|bad| Stopped::Refused(xml_body::status(bad)))?;
        let path = |href: &String| referred_to(href).ok_or(Stopped::Refused(StatusCode::BAD_REQUEST));
        hrefs.iter().map(path).collect()
    }

    /// True if all of these may be read: within the collection that was judged
    /// already, or in one that is open as well.
    async fn are_open(&self, hrefs: &[Path], judged: Option<&Path>) -> Result<bool, Stopped> {
        let is_judged = |href: &&Path| judged.is_some_and(|judged| href.is_within(judged));
        let elsewhere: Vec<&Path> = hrefs.iter().filter(|href| !is_judged(href)).collect();
        if elsewhere.len() > ELSEWHERE {
            return Ok(false);
        }
        for href in elsewhere {
            let is_open = match self.looking.at(href).await? {
                Place::Typed(kinds, _) => self.terms.opens(self.grant, kinds, Act::Reads),
                // Principals are named in searches and expansions.
                Place::Home | Place::Absent => true,
                Place::Plain => false,
            };
            if !is_open {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn read(&self, body: Steady) -> Result<Bytes, Stopped> {
        xml_body::read(&self.request.headers, body).await.map_err(Stopped::Refused)
    }
}
