//! What only a gateway for http has: where there is which kind of data, and what
//! the server behind is told.

use std::path::PathBuf;

use authority::{Area, Needs, Scope, Scopes};
use gateway::{BasicHandover, Path, Prefix, Route};
use http::{HeaderName, HeaderValue};
use serde::Deserialize;

use super::{
    PasswordFile,
    values::{self, scopes},
};

/// HTTP with Basic in front.
#[derive(Debug)]
pub(crate) struct Http {
    pub(crate) handover: Handover,
    pub(crate) serves: Serves,
    pub(crate) prefix: Option<Prefix>,
    /// Where apps begin to look for calendars and contacts.
    pub(crate) begin: HeaderValue,
    pub(crate) http2: bool,
}

/// How the server behind learns who is there.
#[derive(Debug)]
pub(crate) enum Handover {
    /// By a header that holds the login.
    Header(HeaderName),
    /// By Basic, with the login in the user name.
    Basic {
        /// Holds `{login}`.
        user: String,
        /// Its password there.
        password: PasswordFile,
    },
}

/// Where there is which kind of data.
#[derive(Debug)]
pub(crate) enum Serves {
    /// All of them everywhere.
    Whole(Scopes),
    /// By path.
    Routes(Vec<Route>),
    /// One of them in each collection, which says itself which.
    ByResourceType(Scopes),
}

/// The keys as they are written.
#[derive(Debug, Default)]
pub(super) struct Raw {
    pub(super) data: Option<Scopes>,
    pub(super) path: Option<Path>,
    pub(super) prefix_header: Option<HeaderName>,
    pub(super) routes: Option<Vec<RawRoute>>,
    pub(super) kinds: Option<Kinds>,
    pub(super) well_known: Option<HeaderValue>,
    pub(super) http2: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRoute {
    #[serde(deserialize_with = "path")]
    path: Option<Path>,
    #[serde(default, deserialize_with = "scopes")]
    data: Option<Scopes>,
    #[serde(default, deserialize_with = "scopes")]
    any: Option<Scopes>,
    #[serde(default)]
    exact: bool,
}

/// By what collections are told apart.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) enum Kinds {
    #[serde(rename = "resourcetype")]
    ResourceType,
}

impl Raw {
    /// The first of these keys that is there.
    pub(super) fn first(&self) -> Option<&'static str> {
        [
            ("data", self.data.is_some()),
            ("path", self.path.is_some()),
            ("prefix_header", self.prefix_header.is_some()),
            ("routes", self.routes.is_some()),
            ("kinds", self.kinds.is_some()),
            ("well_known", self.well_known.is_some()),
            ("http2", self.http2.is_some()),
        ]
        .into_iter()
        .find_map(|(name, is_there)| is_there.then_some(name))
    }
}

impl Handover {
    pub(super) fn header(user: Option<String>) -> Result<Self, String> {
        let user = user.ok_or("handover of kind \"header\" needs user = \"X-Remote-User\"")?;
        let name = user.parse().map_err(|_| format!("user: {user:?} is no header: write X-Remote-User or the like"))?;
        Ok(Self::Header(name))
    }

    pub(super) fn basic(user: Option<String>, file: Option<PathBuf>) -> Result<Self, String> {
        let (user, file) =
            user.zip(file).ok_or("handover of kind \"basic\" needs user = \"{login}\" and password_file")?;
        BasicHandover::check(&user).map_err(|error| format!("user: {error}"))?;
        Ok(Self::Basic { user, password: PasswordFile(file) })
    }

    /// What it is that whoever reaches the server behind could use as well.
    pub(crate) fn word(&self) -> &str {
        match self {
            Self::Header(name) => name.as_str(),
            Self::Basic { .. } => "Authorization",
        }
    }
}

impl Http {
    pub(super) fn new(handover: Handover, raw: Raw) -> Result<Self, String> {
        const DATA: &str = "a gateway for http needs data = [\"calendars\", \"contacts\"] or the like, or routes";
        let serves = match (raw.data, raw.routes, raw.kinds) {
            (Some(data), None, None) => Serves::Whole(data),
            (None, Some(routes), None) => Serves::Routes(self::routes(routes)?),
            (Some(data), None, Some(Kinds::ResourceType)) => Serves::ByResourceType(by_type(data)?),
            (None, None, _) => return Err(DATA.into()),
            (Some(_), Some(_), _) => {
                return Err("data holds for the whole site, and routes for parts of it: write one of them".into());
            }
            (_, Some(_), Some(_)) => return Err("kinds and routes both say what lies where: write one of them".into()),
        };
        let prefix = match (raw.path, raw.prefix_header) {
            (None, None) => None,
            (Some(path), None) if path.as_str().is_empty() => None,
            (Some(path), Some(header)) => {
                Some(Prefix::new(path, header).ok_or("prefix_header is for a path other than \"/\"")?)
            }
            (Some(_), None) => {
                return Err("a path other than \"/\" needs prefix_header = \"X-Script-Name\" or the like, by which the server behind puts it before its references: what it says is passed on as it is".into());
            }
            (None, Some(_)) => {
                return Err("prefix_header is for a path other than \"/\": write path = \"/dav/\" or the like".into());
            }
        };
        let begin = match (raw.well_known, &prefix, &serves) {
            (Some(begin), _, _) => begin,
            (None, Some(prefix), _) => prefix.folder(),
            (None, None, Serves::Routes(routes)) => beginning(routes),
            (None, None, _) => HeaderValue::from_static("/"),
        };
        Ok(Self { handover, serves, prefix, begin, http2: raw.http2.unwrap_or(false) })
    }

    /// Each scope that is asked for somewhere.
    pub(crate) fn scopes(&self) -> Vec<&Scope> {
        match &self.serves {
            Serves::Whole(data) | Serves::ByResourceType(data) => data.iter().collect(),
            Serves::Routes(routes) => routes.iter().flat_map(|route| route.needs.iter()).collect(),
        }
    }

    /// What is asked for of everybody.
    pub(crate) fn needs(&self) -> Needs {
        match &self.serves {
            Serves::Whole(data) => data.clone().into(),
            Serves::ByResourceType(data) => Needs::one_of(data),
            Serves::Routes(_) => Needs::what_nobody_has(),
        }
    }

    /// Each kind of data that people may look for, with where it begins.
    pub(crate) fn places(&self) -> Vec<(Needs, String)> {
        let root = || self.prefix.as_ref().map_or_else(|| "/".to_owned(), |prefix| text(&prefix.folder()));
        match &self.serves {
            Serves::Whole(data) => vec![(data.clone().into(), root())],
            Serves::ByResourceType(data) => {
                data.iter().map(|scope| ([scope.clone()].into_iter().collect(), root())).collect()
            }
            Serves::Routes(routes) => {
                let place = |route: &Route| (route.needs.clone(), text(&folder(&route.path)));
                routes.iter().filter(|route| !route.exact).map(place).collect()
            }
        }
    }
}

fn text(value: &HeaderValue) -> String {
    value.to_str().unwrap_or("/").to_owned()
}

fn routes(raw: Vec<RawRoute>) -> Result<Vec<Route>, String> {
    if raw.is_empty() {
        return Err("routes: expected [{ path = \"/calendars/\", data = [\"calendars\"] }] or the like".into());
    }
    let mut routes: Vec<Route> = Vec::new();
    for RawRoute { path, data, any, exact } in raw {
        let path = path.unwrap_or_else(Path::root);
        let needs = match (data, any) {
            (Some(data), None) => data.into(),
            (None, Some(any)) => Needs::one_of(&any),
            _ => {
                return Err(format!(
                    "routes: {:?} needs data = [...], all of which are required, or any = [...], of which one will do",
                    path.as_str()
                ));
            }
        };
        if routes.iter().any(|other| other.path.as_str() == path.as_str() && other.exact == exact) {
            return Err(format!("routes: {:?} is there twice: take one out", path.as_str()));
        }
        routes.push(Route { path, exact, needs });
    }
    Ok(routes)
}

fn by_type(data: Scopes) -> Result<Scopes, String> {
    let both: Scopes = [Scope::Full(Area::Calendars), Scope::Full(Area::Contacts)].into_iter().collect();
    if data == both {
        Ok(data)
    } else {
        Err("kinds = \"resourcetype\" tells calendars from contacts: write data = [\"calendars\", \"contacts\"]".into())
    }
}

/// Where the routes have what apps discover the rest from: the shortest path.
fn beginning(routes: &[Route]) -> HeaderValue {
    routes
        .iter()
        .min_by_key(|route| route.path.as_str().len())
        .map_or(HeaderValue::from_static("/"), |route| folder(&route.path))
}

fn folder(path: &Path) -> HeaderValue {
    HeaderValue::try_from(format!("{}/", path.encoded())).unwrap_or(HeaderValue::from_static("/"))
}

/// A path on this site.
pub(super) fn path<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<Path>, D::Error> {
    let path: String = Deserialize::deserialize(d)?;
    let wrong = |error| serde::de::Error::custom(format!("{path:?} is no path ({error}): write \"/dav/\" or the like"));
    Path::parse(&path).map(Some).map_err(wrong)
}

/// Where a redirect leads to, on this site.
pub(super) fn place<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<HeaderValue>, D::Error> {
    Ok(path(d)?.as_ref().map(folder))
}

pub(super) fn prefix_header<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<HeaderName>, D::Error> {
    values::header(d)
}
