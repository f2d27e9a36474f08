//! Where to listen, as it is written in the configuration.

use std::{fmt, net::SocketAddr, path::PathBuf, str::FromStr};

use thiserror::Error;

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// `127.0.0.1:993`, `[2001:db8::1]:993`; `[::]:993` means every address of
    /// the machine, IPv4 included; port 0 lets the system choose.
    Tcp(SocketAddr),
    /// `unix:/run/postern/imap.sock`.
    Unix(PathBuf),
}

/// Why a text is not an [`Address`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AddressError {
    /// Neither form was recognised.
    #[error(
        "`{0}` is not an address to listen on: write `[::]:993` (every address, IPv4 too), \
         `127.0.0.1:993` or `unix:/run/postern.sock`"
    )]
    Form(String),
    /// A host name stands where an address belongs.
    #[error("`{text}` names a host: write one of its addresses, or `[::]:{port}` for all")]
    Name {
        /// What was written.
        text: String,
        /// The port in it.
        port: u16,
    },
    /// Only the port was written.
    #[error("`{0}` has no address: write `[::]:{0}` for all, or `127.0.0.1:{0}` for this machine")]
    PortAlone(u16),
    /// The path of a Unix socket does not fit into `sun_path` (unix(7)).
    #[error("the socket path `{0}` is longer than the system's 107 bytes: choose a shorter one")]
    LongPath(String),
}

/// `sun_path` has 108 bytes, the last one is NUL (unix(7)).
const LONGEST_PATH: usize = 107;

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(path) = text.strip_prefix("unix:") {
            if path.len() > LONGEST_PATH {
                return Err(AddressError::LongPath(path.to_owned()));
            }
            if path.is_empty() || path.contains('\0') {
                return Err(AddressError::Form(text.to_owned()));
            }
            return Ok(Self::Unix(PathBuf::from(path)));
        }
        text.parse().map(Self::Tcp).map_err(|_| why_not(text).unwrap_or_else(|| AddressError::Form(text.to_owned())))
    }
}

/// The two slips that people make most often get a hint of their own.
fn why_not(text: &str) -> Option<AddressError> {
    let port = ["*:", ":"].iter().find_map(|any| text.strip_prefix(any)).unwrap_or(text);
    if let Ok(port) = port.parse() {
        return Some(AddressError::PortAlone(port));
    }
    let (host, port) = text.rsplit_once(':')?;
    let is_name = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
        && host.bytes().any(|byte| byte.is_ascii_alphabetic());
    is_name.then_some(AddressError::Name { text: text.to_owned(), port: port.parse().ok()? })
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_forms_are_read_and_printed_alike() {
        for text in ["[::]:993", "127.0.0.1:993", "[2001:db8::1]:0", "unix:/run/x.sock"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn every_error_says_what_form_is_expected() {
        for (text, hint) in [
            ("", "`[::]:993`"),
            ("::1", "`127.0.0.1:993`"),
            ("127.0.0.1", "unix:/run/postern.sock"),
            ("127.0.0.1:99999", "`127.0.0.1:993`"),
            ("unix:", "unix:/run/postern.sock"),
            ("unix:/run/\0", "unix:/run/postern.sock"),
            ("localhost:993", "write one of its addresses, or `[::]:993`"),
            ("993", "write `[::]:993` for all"),
            ("*:993", "write `[::]:993` for all"),
        ] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains(hint), "{text}: {error}");
        }
        let error = format!("unix:/{}", "x".repeat(107)).parse::<Address>().unwrap_err();
        assert!(matches!(error, AddressError::LongPath(_)), "{error}");
    }
}
