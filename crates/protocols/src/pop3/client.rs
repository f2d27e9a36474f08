//! The client's side, towards the server behind: hands it a session.
//!
//! AUTH PLAIN, signed in as a master user and acting as the person; before it
//! XCLIENT, where the server takes the client's address from us (Dovecot's
//! `login_trusted_networks`).

use std::net::SocketAddr;

use zeroize::Zeroizing;

use super::decoder;
use crate::handover::{ActingAs, ClientSide, Event, HandoverError, MAX_LINE, Ready, excerpt, xclient};
use crate::input::Input;
use crate::sasl::SaslError;

/// One connection to the server behind.
pub struct Client {
    input: Input,
    state: State,
    /// Where the client is.
    from: SocketAddr,
    /// The PLAIN message, until it is sent.
    message: Zeroizing<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Greeting,
    /// Said where the client is.
    Xclient,
    /// Sent AUTH without the message; a `+` asks for it.
    Prompt,
    /// Sent the message.
    Answer,
    Over,
}

impl ClientSide for Client {
    fn feed(&mut self, octets: &[u8]) {
        if self.state != State::Over {
            self.input.push(octets);
        }
    }

    fn closed(&mut self) -> HandoverError {
        self.state = State::Over;
        HandoverError::Unavailable("it closed the connection".into())
    }

    fn next_event(&mut self) -> Option<Event> {
        if self.state == State::Over {
            return None;
        }
        let outcome = match self.input.line(MAX_LINE) {
            Ok(Some(line)) => self.line(&String::from_utf8_lossy(&line)),
            Ok(None) => return None,
            Err(_) => Err(unexpected("a line without end")),
        };
        Some(outcome.unwrap_or_else(|error| {
            self.state = State::Over;
            self.input.wipe();
            Event::Failed(error)
        }))
    }
}

impl Client {
    /// A connection that was just opened, for a client that is at `from`: wait
    /// for the greeting.
    ///
    /// # Errors
    /// When a name is empty or holds a control character, or the password is
    /// empty or holds NUL: it would change who is meant.
    pub fn new(acting: &ActingAs<'_>, from: SocketAddr) -> Result<Self, SaslError> {
        let (input, message) = (Input::default(), acting.message()?);
        Ok(Self { input, state: State::Greeting, from, message })
    }

    fn line(&mut self, line: &str) -> Result<Event, HandoverError> {
        if self.state == State::Prompt && (line == "+" || line.starts_with("+ ")) {
            self.state = State::Answer;
            let message = std::mem::take(&mut self.message);
            return self.say("", &message);
        }
        let (word, text) = line.split_once(' ').unwrap_or((line, ""));
        if word.eq_ignore_ascii_case("-ERR") {
            let temporary = ["[SYS/", "[IN-USE", "[LOGIN-DELAY"].iter().any(|code| text.starts_with(code));
            return Err(match self.state {
                State::Prompt | State::Answer if !temporary => HandoverError::Refused(excerpt(text)),
                _ => HandoverError::Unavailable(excerpt(text)),
            });
        }
        if !word.eq_ignore_ascii_case("+OK") {
            return Err(unexpected(line));
        }
        match self.state {
            State::Greeting if text.starts_with("[XCLIENT]") => {
                self.state = State::Xclient;
                self.say(&xclient(self.from), "")
            }
            State::Greeting | State::Xclient => {
                // RFC 5034, 4: a longer one does not fit into a command.
                if "AUTH PLAIN \r\n".len() + self.message.len() > decoder::MAX_LINE {
                    self.state = State::Prompt;
                    return self.say("AUTH PLAIN\r\n", "");
                }
                self.state = State::Answer;
                let message = std::mem::take(&mut self.message);
                self.say("AUTH PLAIN ", &message)
            }
            State::Answer => {
                self.state = State::Over;
                let leftover = self.input.take(self.input.unread().len()).to_vec();
                // Asked for in the session itself: POP3 tells nothing unasked.
                Ok(Event::Ready(Ready { capabilities: String::new(), leftover }))
            }
            // An OK to a message that was never sent is an answer to nothing of ours.
            State::Prompt | State::Over => Err(unexpected(line)),
        }
    }

    /// Sends whole lines; the message, if there is one, ends the last.
    fn say(&mut self, words: &str, message: &str) -> Result<Event, HandoverError> {
        if !self.input.unread().is_empty() {
            // Answers have no tags: one that is ahead of its question would be taken for the next.
            return Err(unexpected("an answer ahead of the question"));
        }
        let mut octets = Zeroizing::new(Vec::with_capacity(words.len() + message.len() + 2));
        octets.extend_from_slice(words.as_bytes());
        if !message.is_empty() {
            octets.extend_from_slice(message.as_bytes());
            octets.extend_from_slice(b"\r\n");
        }
        Ok(Event::Send(octets))
    }
}

fn unexpected(heard: &str) -> HandoverError {
    HandoverError::Unexpected { protocol: "POP3", heard: excerpt(heard) }
}
