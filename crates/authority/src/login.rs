//! The names an account signs in with.

use std::{fmt, str::FromStr};

use unicode_normalization::UnicodeNormalization;

/// A canonical login: `local@domain`, NFC, lower case, no surprise in it.
///
/// This is the form that is stored, compared and handed to servers behind.
/// Characters that mean something to a server behind, a filter or a header are
/// refused here once, so that nothing downstream has to escape them.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Login(Box<str>);

/// Why a text is no login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotALogin {
    /// Nothing was left after trimming.
    #[error("the login is empty: write it as name@example.org")]
    Empty,
    /// Longer than RFC 5321, 4.5.3.1 allows an address to be.
    #[error("the login is longer than 254 octets")]
    TooLong,
    /// Zero or several `@`, or nothing on one side of it.
    #[error("the login needs one @ with something on both sides: write it as name@example.org")]
    Shape,
    /// A character that would mean something to a server behind us.
    #[error("the login contains {0:?}, which servers behind would misread: use letters, digits and . _ -")]
    Character(char),
    /// A `+tag`: it belongs to addresses, not to accounts.
    #[error("a login has no +tag: leave it out; mail to name+tag still arrives")]
    Tag,
}

impl Login {
    /// Reads a full login, as an administrator writes it.
    pub fn parse(text: &str) -> Result<Self, NotALogin> {
        let text = text.trim();
        let text = match text.is_ascii() {
            // The same, at a fraction of the cost: each request to an HTTP door signs in.
            true => text.to_ascii_lowercase(),
            false => text.nfc().flat_map(char::to_lowercase).nfc().collect(),
        };
        let Some((local, domain)) = text.split_once('@') else {
            return Err(if text.is_empty() { NotALogin::Empty } else { NotALogin::Shape });
        };
        if local.is_empty() || domain.is_empty() || domain.contains('@') {
            return Err(NotALogin::Shape);
        }
        if text.len() > 254 {
            return Err(NotALogin::TooLong);
        }
        if local.contains('+') {
            return Err(NotALogin::Tag);
        }
        // Dots first or doubled are path traversal to who maps logins to folders.
        let dots = |s: &str| s.starts_with('.') || s.ends_with('.') || s.contains("..");
        if dots(local) || dots(domain) {
            return Err(NotALogin::Character('.'));
        }
        if local.starts_with('-') {
            return Err(NotALogin::Character('-'));
        }
        match text.chars().find(|&c| !allowed(c)) {
            Some(c) => Err(NotALogin::Character(c)),
            None => Ok(Self(text.into())),
        }
    }

    /// Reads what an app or a person sent: without a domain, with a `+tag`, as
    /// `DOMAIN\user`, in any case. The result is the name to look up.
    pub fn from_client(text: &str, default_domain: &Domain) -> Result<Self, NotALogin> {
        let text = text.trim();
        let text = text.rsplit_once('\\').map_or(text, |(_, user)| user);
        let (local, domain) = text.split_once('@').unwrap_or((text, default_domain.as_str()));
        let local = local.split_once('+').map_or(local, |(name, _)| name);
        if local.is_empty() {
            return Err(NotALogin::Empty);
        }
        Self::parse(&[local, domain].join("@"))
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `*` and `%` separate master users in Dovecot; the rest are the specials of
/// headers, LDAP filters, SQL, shells, paths and line protocols.
fn allowed(c: char) -> bool {
    match c {
        '@' | '.' | '_' | '-' => true,
        c if c.is_ascii() => c.is_ascii_alphanumeric(),
        c => c.is_alphanumeric(),
    }
}

impl fmt::Display for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login({})", self.0)
    }
}

impl FromStr for Login {
    type Err = NotALogin;
    fn from_str(text: &str) -> Result<Self, NotALogin> {
        Self::parse(text)
    }
}

/// The domain that is added to a login without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain(Box<str>);

impl Domain {
    /// Reads `example.org` or `localhost`.
    pub fn parse(text: &str) -> Result<Self, NotALogin> {
        let probe = Login::parse(&format!("x@{text}"))?;
        let domain = probe.as_str().split_once('@').map_or("", |(_, domain)| domain);
        Ok(Self(domain.into()))
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Domain {
    type Err = NotALogin;
    fn from_str(text: &str) -> Result<Self, NotALogin> {
        Self::parse(text)
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_account_however_it_is_typed() {
        let domain = Domain::parse("Example.org").unwrap();
        for typed in [
            "alice",
            "Alice",
            " alice@example.org ",
            "ALICE@EXAMPLE.ORG",
            "alice+shop@example.org",
            "EXAMPLE\\alice",
            "alice+x",
        ] {
            assert_eq!(Login::from_client(typed, &domain).unwrap().as_str(), "alice@example.org", "{typed}");
        }
        let composed = Login::from_client("ren\u{e9}e", &domain).unwrap();
        assert_eq!(Login::from_client("RENE\u{301}E", &domain).unwrap(), composed);
    }

    #[test]
    fn refuses_what_means_something_elsewhere() {
        let domain = Domain::parse("example.org").unwrap();
        for typed in [
            "",
            " ",
            "+x",
            "alice*postern",
            "alice%postern",
            "a\0b",
            "a\rb",
            "a\nb",
            "a\tb",
            "a/b",
            "../etc",
            "a..b",
            ".a",
            "-oProxy",
            "a@b@c",
            "alice@",
            "a b",
            "a\"b",
            "a(b",
            "a:b",
            "alice@ex ample.org",
        ] {
            assert!(Login::from_client(typed, &domain).is_err(), "{typed:?}");
        }
        assert_eq!(Login::from_client(&"a".repeat(250), &domain), Err(NotALogin::TooLong));
        assert_eq!(Login::parse("alice+shop@example.org"), Err(NotALogin::Tag));
    }
}
