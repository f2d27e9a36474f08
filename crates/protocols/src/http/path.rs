//! The path of a request target, for those who decide by it.
//!
//! What one server takes for a slash is an octet of a name to another; what one
//! resolves, another looks up. A path that could be read in two ways is refused:
//! else it would be judged as one thing and answered as another.

use std::fmt::Write as _;

use thiserror::Error;

/// A path that every server reads in the same way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Path {
    /// Decoded, each with a slash before it: `/remote.php/dav`. Empty for the root.
    text: Box<str>,
    /// It ends with a slash.
    is_collection: bool,
}

/// Why a path is not decided on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AmbiguousPath {
    /// It does not begin with a slash.
    #[error("no path from the root")]
    Relative,
    /// `//`, which some servers take for one slash.
    #[error("an empty segment")]
    Empty,
    /// `.` or `..`, however written, also before a `;`.
    #[error("a dot segment")]
    Dots,
    /// A slash, a backslash or a control character within a segment.
    #[error("a separator or a control character within a segment")]
    Separator,
    /// `%zz`, `%c3` alone, or what is still encoded once it was decoded.
    #[error("an encoding that can be read in two ways")]
    Encoding,
}

impl Path {
    /// Reads the path of a target, without query.
    ///
    /// # Errors
    /// Says in which way it could be read differently.
    pub fn parse(path: &str) -> Result<Self, AmbiguousPath> {
        let rest = path.strip_prefix('/').ok_or(AmbiguousPath::Relative)?;
        let (rest, is_collection) = match rest.strip_suffix('/') {
            Some(rest) => (rest, true),
            None => (rest, rest.is_empty()),
        };
        let mut text = String::with_capacity(path.len());
        if !rest.is_empty() || path.len() > 1 {
            for segment in rest.split('/') {
                text.push('/');
                decode(segment, &mut text)?;
            }
        }
        Ok(Self { text: text.into(), is_collection })
    }

    /// The root.
    #[must_use]
    pub fn root() -> Self {
        Self { text: Box::default(), is_collection: true }
    }

    /// Decoded, without a slash at its end: empty for the root.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// As it is written in a target: all but letters, digits and a few marks encoded.
    #[must_use]
    pub fn encoded(&self) -> String {
        let mut encoded = String::with_capacity(self.text.len());
        for octet in self.text.bytes() {
            if octet.is_ascii_alphanumeric() || b"/-._~@:!$&'()*+,;=".contains(&octet) {
                encoded.push(char::from(octet));
            } else {
                // To a String this cannot fail.
                let _ = write!(encoded, "%{octet:02X}");
            }
        }
        encoded
    }

    /// True if it was written with a slash at its end, which collections are.
    #[must_use]
    pub fn is_collection(&self) -> bool {
        self.is_collection
    }

    /// True if it is `other` or lies beneath it.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.text.strip_prefix(&*other.text).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The collection that it lies in. `None` for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let end = self.text.rfind('/')?;
        Some(Self { text: self.text[..end].into(), is_collection: true })
    }
}

fn decode(segment: &str, text: &mut String) -> Result<(), AmbiguousPath> {
    if segment.is_empty() {
        return Err(AmbiguousPath::Empty);
    }
    let mut octets = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'%' => {
                let mut digit =
                    || rest.next().and_then(|digit| char::from(digit).to_digit(16)).ok_or(AmbiguousPath::Encoding);
                let (high, low) = (digit()?, digit()?);
                u8::try_from(high * 16 + low).map_err(|_| AmbiguousPath::Encoding)?
            }
            other => other,
        });
    }
    let decoded = String::from_utf8(octets).map_err(|_| AmbiguousPath::Encoding)?;
    if decoded.contains(|c: char| matches!(c, '/' | '\\') || c.is_control()) {
        return Err(AmbiguousPath::Separator);
    }
    // `..;x` is `..` to servers that know parameters of segments.
    if matches!(decoded.split(';').next(), Some("." | ".." | "")) {
        return Err(AmbiguousPath::Dots);
    }
    if is_still_encoded(&decoded) {
        return Err(AmbiguousPath::Encoding);
    }
    text.push_str(&decoded);
    Ok(())
}

/// A server that decodes twice, as some proxies make them do, would see another path.
fn is_still_encoded(text: &str) -> bool {
    let hex = |octet: Option<&u8>| octet.is_some_and(u8::is_ascii_hexdigit);
    let octets = text.as_bytes();
    octets.iter().enumerate().any(|(at, octet)| *octet == b'%' && hex(octets.get(at + 1)) && hex(octets.get(at + 2)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_in_one_way_or_not_at_all() {
        use AmbiguousPath::{Dots, Empty, Encoding, Relative, Separator};
        for (path, read) in [
            ("/", Ok(("", true))),
            ("/a", Ok(("/a", false))),
            ("/a/", Ok(("/a", true))),
            ("/alice%40example.org/cal/", Ok(("/alice@example.org/cal", true))),
            ("/%61", Ok(("/a", false))),
            ("/t%c3%a9l", Ok(("/tél", false))),
            ("/tél", Ok(("/tél", false))),
            ("/a;b/c%3bd", Ok(("/a;b/c;d", false))),
            ("/100%25/a", Ok(("/100%/a", false))),
            ("/...", Ok(("/...", false))),
            ("/.well-known/caldav", Ok(("/.well-known/caldav", false))),
            ("", Err(Relative)),
            ("a", Err(Relative)),
            ("*", Err(Relative)),
            ("//", Err(Empty)),
            ("//a", Err(Empty)),
            ("/a//b", Err(Empty)),
            ("/a//", Err(Empty)),
            ("/..", Err(Dots)),
            ("/a/../b", Err(Dots)),
            ("/a/./b", Err(Dots)),
            ("/a/..", Err(Dots)),
            ("/a/../", Err(Dots)),
            ("/%2e%2E/b", Err(Dots)),
            ("/.%2e/b", Err(Dots)),
            ("/..;x/b", Err(Dots)),
            ("/;x/b", Err(Dots)),
            ("/..%3bx/b", Err(Dots)),
            ("/a%2fb", Err(Separator)),
            ("/a%2Fb", Err(Separator)),
            ("/a%5cb", Err(Separator)),
            ("/a\\b", Err(Separator)),
            ("/a%00", Err(Separator)),
            ("/a%0d%0aX:y", Err(Separator)),
            ("/a%c2%85", Err(Separator)),
            ("/a%", Err(Encoding)),
            ("/a%2", Err(Encoding)),
            ("/a%zz", Err(Encoding)),
            ("/a%ff", Err(Encoding)),
            ("/a%c0%af", Err(Encoding)),
            ("/a%252fb", Err(Encoding)),
            ("/%252e%252e/b", Err(Encoding)),
        ] {
            let got = Path::parse(path);
            let got = got.as_ref().map(|path| (path.as_str(), path.is_collection())).map_err(|error| *error);
            assert_eq!(got, read, "{path}");
        }
    }

    #[test]
    fn beneath_is_beneath_a_whole_segment() {
        let path = |text| Path::parse(text).unwrap();
        for (inner, outer, within) in [
            ("/a/b", "/a/", true),
            ("/a", "/a/", true),
            ("/a/", "/a", true),
            ("/ab", "/a", false),
            ("/", "/a", false),
            ("/a", "/", true),
            ("/", "/", true),
            ("/A/b", "/a", false),
        ] {
            assert_eq!(path(inner).is_within(&path(outer)), within, "{inner} in {outer}");
        }
        assert_eq!(path("/t%c3%a9l 100%25/@").encoded(), "/t%C3%A9l%20100%25/@");
        assert_eq!(path("/a/b").parent(), Some(path("/a/")));
        assert_eq!(path("/a/").parent(), Some(Path::root()));
        assert_eq!(Path::root().parent(), None);
    }
}
