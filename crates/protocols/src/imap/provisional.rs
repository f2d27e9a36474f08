//! The first commands of a client that has signed in, before it is known.
//!
//! Most clients say who they are after the sign-in (RFC 2971), and what they do
//! first tells them apart as well. So until the first command that touches mail is
//! there, only what touches none goes on to the server behind; that command stays
//! here, with all behind it, until the door has judged.
//!
//! ```text
//!            CAPABILITY ID NOOP ENABLE NAMESPACE LOGOUT ──> go on
//! Waiting ──┤
//!            anything else ──> Shown ── released by the door ──> goes on
//! ```
//!
//! Nothing is waited for beyond that command: many clients send one and wait.

use fingerprint::Dialogue;

use super::client_id::ClientId;
use super::decoder::{Command, Verb, head};
use super::encoder::{self, Status};
use super::forms;
use crate::dialogue::MAX_PIPELINED;
use crate::framing::{Extent, Frame, MAX_LINE};
use crate::input::without_end;

/// Commands that go on; after so many the client counts as shown by the next.
const MAX_PASSED: u8 = 32;

/// A session whose client has not shown itself yet.
///
/// ```
/// use protocols::imap::Provisional;
///
/// let seen = fingerprint::imap::Dialogue::default();
/// let mut session = Provisional::new(fingerprint::Dialogue::Imap(seen));
/// let mut on = Vec::new();
/// session.feed(b"b ID (\"name\" \"Mail\")\r\nc LIST \"\" \"*\"\r\n", &mut on).expect("little enough");
/// assert_eq!(on, b"b ID (\"name\" \"Mail\")\r\n");
/// assert!(session.is_shown());
/// assert_eq!(session.dialogue().declared(), Some("mail"));
/// assert_eq!(session.release(), b"c LIST \"\" \"*\"\r\n");
/// ```
#[derive(Debug)]
pub struct Provisional {
    seen: fingerprint::imap::Dialogue,
    extent: Extent,
    /// From the first octet that did not go on.
    held: Vec<u8>,
    passed: u8,
    shown: bool,
}

/// More was sent ahead of the judgement than is kept: end the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client sent more ahead of an answer than is kept")]
pub struct Flooded;

impl Provisional {
    /// Begins with what the [`Server`](super::Server) saw.
    #[must_use]
    pub fn new(dialogue: Dialogue) -> Self {
        let seen = match dialogue {
            Dialogue::Imap(seen) => seen,
            _ => fingerprint::imap::Dialogue::default(),
        };
        Self { seen, extent: Extent::default(), held: Vec::new(), passed: 0, shown: false }
    }

    /// Takes octets of the client. What goes on to the server behind at once is added to `on`.
    ///
    /// # Errors
    /// When too much is held.
    pub fn feed(&mut self, octets: &[u8], on: &mut Vec<u8>) -> Result<(), Flooded> {
        self.held.extend_from_slice(octets);
        while !self.shown && self.command(on) {}
        if self.held.len() > MAX_PIPELINED {
            return Err(Flooded);
        }
        Ok(())
    }

    /// True once the client has shown itself: judge it.
    #[must_use]
    pub fn is_shown(&self) -> bool {
        self.shown
    }

    /// What was seen so far; all there is once it [is shown](Self::is_shown).
    #[must_use]
    pub fn dialogue(&self) -> Dialogue {
        Dialogue::Imap(self.seen.clone())
    }

    /// What was held, to go on: the client is admitted.
    #[must_use]
    pub fn release(self) -> Vec<u8> {
        self.held
    }

    /// Turns the client away: what to say last, to the command that is held.
    #[must_use]
    pub fn refuse(&self, text: &str) -> Vec<u8> {
        let mut answer = encoder::answer(None, Status::No, &format!("[ALERT] {text}"));
        if let Ok(Command { tag, .. }) = head(first_line(&self.held)) {
            answer.extend(encoder::answer(Some(&tag), Status::No, &format!("[AUTHENTICATIONFAILED] {text}")));
        }
        answer.extend(encoder::bye(text));
        answer
    }

    /// True if a whole command went on, and there may be another.
    fn command(&mut self, on: &mut Vec<u8>) -> bool {
        let length = match self.extent.scan(&self.held) {
            Frame::Incomplete => {
                // A literal may be long, and its text is no command: the line
                // before it says enough, unless it is an ID that comes whole.
                if self.held.contains(&b'\n')
                    && !matches!(head(first_line(&self.held)), Ok(Command { verb: Verb::Id, .. }))
                {
                    self.show();
                }
                return false;
            }
            Frame::Awaits(_) | Frame::TooLong => {
                self.show();
                return false;
            }
            Frame::Whole(length) => length,
        };
        self.extent = Extent::default();
        let command = &self.held[..length];
        let line = without_end(command);
        // One line for us must be one for the server behind: a literal, or a CR that
        // it takes for a line's end, would bring in a command unseen.
        let one_line = !line.iter().any(|octet| matches!(octet, b'\r' | b'\n' | 0));
        match head(command) {
            Ok(Command { tag, verb, written, mut arguments }) if verb.touches_no_mail() => {
                if verb == Verb::Id
                    && arguments.space().is_ok()
                    && let Ok(id) = ClientId::parse(&mut arguments)
                    && let Some(name) = id.get("name")
                {
                    self.seen.names_itself(name.as_bytes());
                }
                if !one_line || self.passed == MAX_PASSED {
                    self.show();
                    return false;
                }
                self.seen.after(tag.as_str().as_bytes(), written);
                on.extend_from_slice(line);
                on.extend_from_slice(b"\r\n");
                self.held.drain(..length);
                self.passed += 1;
                if self.held.is_empty() {
                    // A client that waits costs no memory.
                    self.held = Vec::new();
                }
                true
            }
            _ => {
                self.show();
                false
            }
        }
    }

    /// The command at the front shows the client.
    fn show(&mut self) {
        self.shown = true;
        match head(first_line(&self.held)) {
            Ok(Command { tag, written, arguments, .. }) => {
                self.seen.first(tag.as_str().as_bytes(), written, forms::first(arguments));
            }
            Err(_) => self.seen.first(b"", b"?", []),
        }
    }
}

/// The line at the front, literals left out: what is seen must not depend on how
/// much has arrived behind it.
fn first_line(held: &[u8]) -> &[u8] {
    let end = held.iter().position(|octet| *octet == b'\n').map_or(held.len(), |at| at + 1);
    &held[..end.min(MAX_LINE)]
}
