//! What the client's sides have in common: each hands one session to the server
//! behind.

use std::fmt;
use std::net::SocketAddr;

use thiserror::Error;
use zeroize::Zeroizing;

use crate::sasl::{self, SaslError};

/// The longest line the server behind may send before the session is handed over.
pub(crate) const MAX_LINE: usize = 8192;
/// Lines it may send before an answer.
pub(crate) const MAX_LINES: usize = 64;
/// How much of its words is kept for the log, in characters.
const MAX_TEXT: usize = 256;

/// What the caller has to do next.
pub enum Event {
    /// Write these octets to the server. They may hold the master password.
    Send(Zeroizing<Vec<u8>>),
    /// The session stands.
    Ready(Ready),
    /// It does not: close the connection. The person's password is not to blame.
    Failed(HandoverError),
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(octets) => write!(f, "Send([{} octets, redacted])", octets.len()),
            Self::Ready(ready) => f.debug_tuple("Ready").field(ready).finish(),
            Self::Failed(error) => f.debug_tuple("Failed").field(error).finish(),
        }
    }
}

/// A session at the server behind.
#[derive(Debug, PartialEq, Eq)]
pub struct Ready {
    /// What it can do in this session, as its protocol lists it, not yet masked.
    pub capabilities: String,
    /// What it sent after its answer: the first octets of the relay to the client.
    pub leftover: Vec<u8>,
}

/// Why a session could not be handed over: in each case an outage for the
/// client, never a wrong password. The text is for the log.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HandoverError {
    /// It said no to the master user or to the person's name.
    #[error(
        "the server behind refused the handover ({0}): check the name and password in [[gateway]] handover, and that the account exists there"
    )]
    Refused(String),
    /// It is shutting down, overloaded or closing.
    #[error("the server behind is unavailable ({0}): look at its own log")]
    Unavailable(String),
    /// It takes anybody who connects for somebody: nobody's mail is safe there.
    #[error(
        "the server behind signs everybody in by itself (PREAUTH): point [[gateway]] upstream at a listener that asks for a password"
    )]
    PreAuthenticated,
    /// It does not offer PLAIN on this connection.
    #[error(
        "the server behind offers no PLAIN here: let it accept cleartext passwords from Postern's address, or choose another [[gateway]] handover"
    )]
    NoPlain,
    /// It does not let this address say who the client is.
    #[error(
        "the server behind offers no XCLIENT with {0} to Postern's address: add that to smtpd_authorized_xclient_hosts (Postfix), or choose another [[gateway]] handover"
    )]
    NoXclient(&'static str),
    /// A client could sign in to it again, past Postern (RFC 8437, RFC 5804).
    #[error(
        "the server behind offers UNAUTHENTICATE, by which an app could become somebody else there without Postern: switch it off"
    )]
    LeadsPast,
    /// It does not speak its protocol, or not to the end.
    #[error("the server behind does not speak {protocol} as expected ({heard}): check [[gateway]] upstream")]
    Unexpected {
        /// What was to be spoken.
        protocol: &'static str,
        /// What was heard instead.
        heard: String,
    },
}

/// The client's side of one connection to the server behind, until the session
/// stands. [Feed](Self::feed) it what arrives, then take
/// [events](Self::next_event) until there are none; after `Ready` or `Failed`
/// there are none any more.
pub trait ClientSide: Send {
    /// Takes what arrived.
    fn feed(&mut self, octets: &[u8]);

    /// The next thing to do; `None` until there is more input.
    fn next_event(&mut self) -> Option<Event>;

    /// The server closed the connection.
    #[must_use]
    fn closed(&mut self) -> HandoverError;
}

/// Who signs in to the server behind, and whom it acts as there.
pub struct ActingAs<'a> {
    /// The person.
    pub person: &'a str,
    /// The master user (Dovecot), the proxy server (Cyrus).
    pub master: &'a str,
    /// The master user's password.
    pub password: &'a str,
    /// Between the two names where the server behind knows no authzid: `*`, as
    /// in `alice@example.org*master`.
    pub separator: Option<char>,
}

impl ActingAs<'_> {
    /// The PLAIN message, in base64.
    ///
    /// # Errors
    /// When a name is empty or holds a control character, or the password is
    /// empty or holds NUL: it would change who is meant.
    pub(crate) fn message(&self) -> Result<Zeroizing<String>, SaslError> {
        for name in [self.person, self.master] {
            sasl::name(name.into())?;
        }
        if self.password.is_empty() {
            return Err(SaslError::EmptyPassword);
        }
        if self.password.contains('\0') {
            return Err(SaslError::Syntax);
        }
        Ok(match self.separator {
            None => sasl::plain_message(self.person, self.master, self.password),
            // The separator in a person's name would move the border between the two.
            Some(separator) if self.person.contains(separator) => return Err(SaslError::Name),
            Some(separator) => {
                sasl::plain_message("", &format!("{}{separator}{}", self.person, self.master), self.password)
            }
        })
    }
}

impl fmt::Debug for ActingAs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActingAs").field("master", &self.master).finish_non_exhaustive()
    }
}

/// Dovecot's XCLIENT, by which its POP3 and ManageSieve learn where the client
/// is. Port 0 is none; it would be refused.
pub(crate) fn xclient(from: SocketAddr) -> String {
    let port = if from.port() == 0 { String::new() } else { format!(" PORT={}", from.port()) };
    format!("XCLIENT ADDR={}{port}\r\n", from.ip())
}

/// Words of the server, fit for one line of a log.
pub(crate) fn excerpt(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_TEXT).collect()
}
