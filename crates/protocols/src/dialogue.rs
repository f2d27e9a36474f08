//! What every protocol's dialogue has in common: the words between a
//! [`ServerSide`] and whoever carries its octets.

use crate::sasl::Credentials;

/// How much a client may send ahead while its sign-in is being decided, in octets.
pub const MAX_PIPELINED: usize = 64 * 1024;
/// The longest line of a SASL exchange, in octets with its end (RFC 4954 has 12288).
pub const MAX_SASL_LINE: usize = 12288;
/// Refusals on one connection; the attempt after the last is not looked at.
///
/// Three, because clients work through PLAIN, LOGIN and the protocol's own
/// command with one password.
pub const MAX_REFUSALS: u8 = 3;
/// Commands on one connection that made no sense; the last one ends it.
pub const MAX_BAD_COMMANDS: u8 = 10;

/// What carries the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// In the clear: nobody signs in here.
    Plain {
        /// STARTTLS is offered.
        starttls: bool,
    },
    /// TLS, or a socket that never leaves the machine.
    Encrypted,
}

/// What the caller has to do next, in order.
#[derive(Debug)]
pub enum Event {
    /// Write these octets to the client.
    Send(Vec<u8>),
    /// Start the TLS handshake on the bare connection, then call [`ServerSide::tls_started`].
    StartTls,
    /// Decide, then call [`ServerSide::admit`], [`ServerSide::refuse`] or
    /// [`ServerSide::unavailable`]. No event comes before that, except the end
    /// of a client that floods.
    SignIn(Credentials),
    /// Close the connection.
    Close,
}

/// A connection whose client has signed in: what is left to be done with it.
#[derive(Debug)]
pub struct Admitted {
    /// Write this to the client first.
    pub answer: Vec<u8>,
    /// What the client sent ahead: the first octets of the relay to the server behind.
    pub pipelined: Vec<u8>,
}

/// The server's side of one connection, until its client has signed in.
/// [Feed](Self::feed) it what arrives, then take [events](Self::next_event)
/// until there are none.
pub trait ServerSide: Send {
    /// What is said first. There is nothing of it after STARTTLS, unless the
    /// protocol says so: then it comes as an event.
    fn greeting(&self) -> Vec<u8>;

    /// Takes what arrived. Take all events before the next call.
    fn feed(&mut self, octets: &[u8]);

    /// The next thing to do; `None` until there is more input, or an answer.
    fn next_event(&mut self) -> Option<Event>;

    /// What was seen of the client, up to its first sign-in on this connection: ask
    /// at [`Event::SignIn`]. Credentials are no part of it, only their form.
    fn dialogue(&self) -> fingerprint::Dialogue;

    /// The TLS handshake that [`Event::StartTls`] asked for is done.
    ///
    /// All that was learnt in the clear is forgotten (RFC 3207, 4.2).
    fn tls_started(&mut self);

    /// Lets the client in: the dialogue is the caller's from here. What the
    /// server behind can do is told to the client as far as it holds.
    ///
    /// `None` when no sign-in is waiting any more: drop the connection.
    #[must_use]
    fn admit(&mut self, upstream_capabilities: &str) -> Option<Admitted>;

    /// Refuses the sign-in. The connection stays open: closing it here breaks
    /// the fall-back to another mechanism.
    ///
    /// Empty when no sign-in is waiting.
    #[must_use]
    fn refuse(&mut self, text: &str) -> Vec<u8>;

    /// Ends the connection because a sign-in cannot be decided or handed over
    /// now. Never in the words of a refusal: clients take those for a wrong password.
    #[must_use]
    fn unavailable(&mut self, text: &str) -> Vec<u8>;

    /// The same because the password has as many sessions as it may, where the
    /// protocol has words of its own for that.
    #[must_use]
    fn too_many(&mut self, text: &str) -> Vec<u8> {
        self.unavailable(text)
    }

    /// Ends the connection: shut-down, time-out.
    #[must_use]
    fn bye(&mut self, text: &str) -> Vec<u8>;
}
