//! The server behind: where it is, and how long it may take to answer there.

use std::{fmt, io, path::PathBuf, time::Duration};

use front::Stream;
use tokio::{
    net::{TcpStream, UnixStream},
    time::timeout,
};

/// A server that does not take a connection within this is taken to be down.
const CONNECT: Duration = Duration::from_secs(5);

/// Where a server behind listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upstream {
    /// `imap://127.0.0.1:10143`, `http://[::1]:5232`.
    Tcp {
        /// A name or an address; IPv6 without brackets.
        host: Box<str>,
        /// The port.
        port: u16,
    },
    /// `imap+unix:/run/dovecot/imap`.
    Unix(PathBuf),
}

/// The text is no address of a server behind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no upstream: write {scheme}://HOST:PORT or {scheme}+unix:/PATH")]
pub struct NotAnUpstream {
    text: String,
    scheme: &'static str,
}

impl Upstream {
    /// Reads `SCHEME://HOST:PORT` or `SCHEME+unix:/PATH`.
    ///
    /// # Errors
    /// Names the two forms.
    pub fn parse(text: &str, scheme: &'static str) -> Result<Self, NotAnUpstream> {
        let no = || NotAnUpstream { text: text.to_owned(), scheme };
        let rest = text.strip_prefix(scheme).ok_or_else(no)?;
        if let Some(path) = rest.strip_prefix("+unix:") {
            return if path.starts_with('/') { Ok(Self::Unix(path.into())) } else { Err(no()) };
        }
        let authority = rest.strip_prefix("://").map(|rest| rest.strip_suffix('/').unwrap_or(rest)).ok_or_else(no)?;
        let (host, port) = authority.rsplit_once(':').ok_or_else(no)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '_');
        let port = port.parse().map_err(|_| no())?;
        if host.is_empty() || !host.chars().all(plain) || port == 0 {
            return Err(no());
        }
        Ok(Self::Tcp { host: host.into(), port })
    }

    /// Opens a connection to it.
    ///
    /// # Errors
    /// It is down, or does not answer in time.
    pub async fn connect(&self) -> io::Result<Stream> {
        let connecting = async {
            Ok(match self {
                Self::Tcp { host, port } => {
                    let stream = TcpStream::connect((&**host, *port)).await?;
                    // Small commands and answers: waiting to fill a packet costs 40 ms each.
                    stream.set_nodelay(true)?;
                    stream.into()
                }
                Self::Unix(path) => UnixStream::connect(path).await?.into(),
            })
        };
        timeout(CONNECT, connecting).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// True if only this machine can reach it by this address.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Unix(_) => true,
            Self::Tcp { host, .. } => {
                &**host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
            }
        }
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_prints_and_nothing_else() {
        for (text, shown, local) in [
            ("imap://127.0.0.1:10143", "127.0.0.1:10143", true),
            ("imap://[::1]:143", "[::1]:143", true),
            ("imap://mail.example.org:143/", "mail.example.org:143", false),
            ("imap+unix:/run/dovecot/imap", "unix:/run/dovecot/imap", true),
        ] {
            let upstream = Upstream::parse(text, "imap").unwrap();
            assert_eq!((upstream.to_string(), upstream.is_local()), (shown.to_owned(), local));
        }
        for bad in [
            "",
            "imap://",
            "imap://host",
            "imap://host:0",
            "imap://host:x",
            "http://host:1",
            "imap+unix:run",
            "imap://a b:1",
            "imap://user@host:143",
        ] {
            let error = Upstream::parse(bad, "imap").unwrap_err().to_string();
            assert!(error.contains("imap://HOST:PORT"), "{bad}: {error}");
        }
    }
}
