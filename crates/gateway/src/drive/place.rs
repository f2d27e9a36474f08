//! Where in a folder: names that cannot lead anywhere else.

use std::ffi::{CStr, CString};

use dav_server::{davpath::DavPath, fs::FsError};

/// How deep folders may lie in each other. Copying, moving and deleting a tree
/// goes down one call a level, so the depth of a tree is memory on a stack.
pub(super) const MAX_DEPTH: usize = 64;

/// One step down. Never empty, `.` or `..`, and without `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name(CString);

impl Name {
    /// Control characters end lines in logs and listings; a backslash is a
    /// separator on Windows, and would let a synchronised file land outside the
    /// folder of the client.
    pub(super) fn new(bytes: &[u8]) -> Option<Self> {
        let odd = |&b: &u8| b == b'/' || b == b'\\' || b.is_ascii_control();
        if bytes.is_empty() || bytes == b"." || bytes == b".." || bytes.iter().any(odd) {
            return None;
        }
        CString::new(bytes).ok().map(Self)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.to_bytes()
    }

    pub(super) fn as_c_str(&self) -> &CStr {
        &self.0
    }
}

/// A path below the account's folder; without a name it is the folder itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place(Vec<Name>);

impl Place {
    /// Reads a path that was percent-decoded once. What is still encoded after
    /// that is a name with a `%` in it.
    pub(super) fn new(path: &DavPath) -> Result<Self, FsError> {
        let steps = path.as_bytes().split(|&b| b == b'/').filter(|step| !step.is_empty());
        let names: Option<Vec<Name>> = steps.map(Name::new).collect();
        let names = names.ok_or(FsError::Forbidden)?;
        if names.len() > MAX_DEPTH { Err(FsError::PathTooLong) } else { Ok(Self(names)) }
    }

    /// The steps to the folder it lies in, and its name there.
    pub(super) fn split(&self) -> Option<(&[Name], &Name)> {
        self.0.split_last().map(|(name, parents)| (parents, name))
    }

    /// True if it is the other place, or somewhere below it.
    pub(super) fn is_within(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    /// The steps from the folder to it.
    pub(super) fn steps(&self) -> &[Name] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(path: &str) -> Result<Place, FsError> {
        Place::new(&DavPath::new(path).expect("the library takes it"))
    }

    #[test]
    fn a_place_is_inside_or_nowhere() {
        assert_eq!(place("/").unwrap(), Place(Vec::new()));
        assert_eq!(place("/a//b/./c/").unwrap().steps().len(), 3);
        assert_eq!(place("/a/b/../c").unwrap(), place("/a/c").unwrap());
        assert_eq!(place("/%252e%252e/x").unwrap().steps()[0].as_bytes(), b"%2e%2e");
        for bad in ["/a%5cb", "/..%5c..%5cetc", "/a%0d%0ab", "/a%7f"] {
            assert_eq!(place(bad), Err(FsError::Forbidden), "{bad}");
        }
        for escape in ["/..", "/%2e%2e/x", "/a/../../x", "/a%2f..%2f..%2fx", "/a%00"] {
            assert!(DavPath::new(escape).is_err(), "{escape}");
        }
        assert_eq!(place(&"/d".repeat(MAX_DEPTH + 1)), Err(FsError::PathTooLong));
    }

    #[test]
    fn names_that_mean_somewhere_else_are_none() {
        for bad in [&b""[..], b".", b"..", b"a/b", b"a\0b", b"a\\b", b"a\nb"] {
            assert!(Name::new(bad).is_none(), "{}", bad.escape_ascii());
        }
        assert!(Name::new("…".as_bytes()).is_some());
        assert!(Name::new(b"...").is_some());
    }
}
