//! How the server behind learns who is there.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{HeaderName, HeaderValue, header};
use protocols::http::Path;
use zeroize::Zeroizing;

/// How the server behind learns who is there.
pub enum HttpHandover {
    /// By this header, which holds the login.
    Header(HeaderName),
    /// By Basic, as a user who may act for everybody.
    Basic(BasicHandover),
}

/// A user name with the login in it, and a password that is the same for all.
pub struct BasicHandover {
    before: Box<str>,
    after: Box<str>,
    password: authority::Secret,
}

/// The user name does not name the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("user has to hold {{login}} once, and no colon: write user = \"{{login}}\" or user = \"{{login}}*master\"")]
pub struct NotATemplate;

impl BasicHandover {
    /// `user` holds `{login}` once, as `{login}*master`.
    ///
    /// # Errors
    /// It does not, so that everybody would be the same; or it holds a colon,
    /// which would end it.
    pub fn new(user: &str, password: authority::Secret) -> Result<Self, NotATemplate> {
        Self::check(user).map(|(before, after)| Self { before: before.into(), after: after.into(), password })
    }

    /// Takes a user name apart.
    ///
    /// # Errors
    /// As for [`BasicHandover::new`].
    pub fn check(user: &str) -> Result<(&str, &str), NotATemplate> {
        let (before, after) = user.split_once("{login}").ok_or(NotATemplate)?;
        let rest = [before, after].concat();
        let fit = !after.contains("{login}") && !rest.contains(|c: char| c == ':' || c.is_control());
        if fit { Ok((before, after)) } else { Err(NotATemplate) }
    }

    fn value(&self, login: &str) -> Option<HeaderValue> {
        if login.contains(':') {
            return None;
        }
        let Self { before, after, password } = self;
        let pair = Zeroizing::new(format!("{before}{login}{after}:{}", password.expose()));
        let value = Zeroizing::new(format!("Basic {}", BASE64_STANDARD.encode(pair.as_bytes())));
        let mut value = HeaderValue::from_str(&value).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl HttpHandover {
    /// The header by which it says who is there.
    pub(super) fn header(&self) -> &HeaderName {
        match self {
            Self::Header(name) => name,
            Self::Basic(_) => &header::AUTHORIZATION,
        }
    }

    /// What it says. `None` if the login does not fit.
    pub(super) fn value(&self, login: &str) -> Option<HeaderValue> {
        match self {
            Self::Header(_) => HeaderValue::from_bytes(login.as_bytes()).ok(),
            Self::Basic(basic) => basic.value(login),
        }
    }
}

/// A folder of the site that is the whole site to the server behind, which
/// learns of it by a header and puts it before what it refers to.
#[derive(Clone, Debug)]
pub struct Prefix {
    path: Path,
    header: HeaderName,
    value: HeaderValue,
}

impl Prefix {
    /// The folder `path`, told by `header`. `None` for the root, and for what
    /// fits into no header.
    #[must_use]
    pub fn new(path: Path, header: HeaderName) -> Option<Self> {
        let value = HeaderValue::from_str(path.as_str()).ok().filter(|value| !value.is_empty())?;
        Some(Self { path, header, value })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The folder, as clients are led to it.
    #[must_use]
    pub fn folder(&self) -> HeaderValue {
        HeaderValue::try_from(format!("{}/", self.path.encoded())).unwrap_or(HeaderValue::from_static("/"))
    }

    pub(super) fn header(&self) -> &HeaderName {
        &self.header
    }

    pub(super) fn value(&self) -> &HeaderValue {
        &self.value
    }

    /// A target as the server behind sees it. Segments are counted, since they
    /// may be written in several ways; `None` if it is not in here.
    pub(super) fn strip(&self, target: &str) -> Option<String> {
        let (path, query) = target.find('?').map_or((target, ""), |at| target.split_at(at));
        let parsed = Path::parse(path).ok().filter(|path| path.is_within(&self.path))?;
        let depth = self.path.as_str().matches('/').count();
        let rest = path.match_indices('/').nth(depth).map_or("/", |(at, _)| &path[at..]);
        debug_assert!(parsed.as_str().len() >= self.path.as_str().len(), "it is within");
        Some(format!("{rest}{query}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_name_names_the_person() {
        for (user, fit) in [
            ("{login}", true),
            ("{login}*master", true),
            ("proxy\\{login}", true),
            ("postern", false),
            ("{login}{login}", false),
            ("{login}:x", false),
            ("", false),
        ] {
            assert_eq!(BasicHandover::check(user).is_ok(), fit, "{user}");
        }
        let basic = BasicHandover::new("{login}*master", authority::Secret::new("pw:x".into())).unwrap();
        let value = basic.value("alice@example.org").unwrap();
        assert!(value.is_sensitive());
        let pair = BASE64_STANDARD.decode(&value.as_bytes()[6..]).unwrap();
        assert_eq!(pair, b"alice@example.org*master:pw:x");
        assert!(basic.value("alice:x").is_none());
    }

    #[test]
    fn a_prefix_is_taken_off_however_it_is_written() {
        let header = HeaderName::from_static("x-script-name");
        let prefix = Prefix::new(Path::parse("/dav/all/").unwrap(), header.clone()).unwrap();
        assert_eq!(prefix.value, "/dav/all");
        for (target, stripped) in [
            ("/dav/all/", Some("/")),
            ("/dav/all", Some("/")),
            ("/dav/all?x=/a", Some("/?x=/a")),
            ("/dav/all/alice/?x", Some("/alice/?x")),
            ("/%64av/all/alice%40example.org/", Some("/alice%40example.org/")),
            ("/dav/allx", None),
            ("/dav/", None),
            ("/dav/all/../x", None),
            ("/", None),
        ] {
            assert_eq!(prefix.strip(target).as_deref(), stripped, "{target}");
        }
        assert!(Prefix::new(Path::root(), header).is_none());
    }
}
