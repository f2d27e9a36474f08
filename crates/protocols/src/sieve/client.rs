//! The client's side, towards the server behind: hands it a session.
//!
//! AUTHENTICATE "PLAIN", signed in as a master user and acting as the person;
//! before it XCLIENT, where the server takes the client's address from us
//! (Dovecot's `login_trusted_networks`). [`Greeting`] only listens to what a
//! server can do.

use std::net::SocketAddr;

use zeroize::Zeroizing;

use super::capability::read;
use super::decoder::scan;
use crate::framing::{Extent, Frame};
use crate::handover::{ActingAs, ClientSide, Event, HandoverError, MAX_LINES, Ready, excerpt, xclient};
use crate::input::{Input, without_end};
use crate::sasl::SaslError;

/// One connection to the server behind.
pub struct Client {
    input: Input,
    extent: Extent,
    state: State,
    /// Where the client is.
    from: SocketAddr,
    /// The PLAIN message, until it is sent.
    message: Zeroizing<String>,
    list: Vec<String>,
}

/// A connection to the server behind that is over once it has said what it can do.
pub struct Greeting(Client);

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Greeting,
    /// Said where the client is.
    Xclient,
    /// Sent the message.
    Answer,
    /// Asked what it can do in the session.
    Capabilities,
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
        self.next_with(Self::answered)
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
        Ok(Self { from, message: acting.message()?, ..Self::silent() })
    }

    fn silent() -> Self {
        Self {
            input: Input::default(),
            extent: Extent::default(),
            state: State::Greeting,
            from: SocketAddr::from(([0; 4], 0)),
            message: Zeroizing::default(),
            list: Vec::new(),
        }
    }

    /// Reads on until there is something to do; `answered` knows what after an OK.
    fn next_with(&mut self, answered: impl Fn(&mut Self) -> Result<Event, HandoverError>) -> Option<Event> {
        while self.state != State::Over {
            let outcome = match scan(&mut self.extent, self.input.unread()) {
                Frame::Incomplete | Frame::Awaits(_) => return None,
                Frame::TooLong => Err(unexpected("a line without end")),
                Frame::Whole(length) => {
                    self.extent = Extent::default();
                    let line = self.input.take(length);
                    match self.line(without_end(&line)) {
                        Ok(true) => answered(self).map(Some),
                        Ok(false) => Ok(None),
                        Err(error) => Err(error),
                    }
                }
            };
            match outcome {
                Ok(None) => {}
                Ok(Some(event)) => return Some(event),
                Err(error) => {
                    self.state = State::Over;
                    self.input.wipe();
                    return Some(Event::Failed(error));
                }
            }
        }
        None
    }

    /// True when the line ends an answer, well.
    fn line(&mut self, line: &[u8]) -> Result<bool, HandoverError> {
        let text = String::from_utf8_lossy(line);
        let (word, rest) = text.split_once(' ').unwrap_or((&text, ""));
        match &*word.to_ascii_uppercase() {
            "OK" => Ok(true),
            "BYE" => Err(HandoverError::Unavailable(excerpt(rest))),
            "NO" if self.state == State::Answer && !rest.to_ascii_uppercase().starts_with("(TRYLATER") => {
                Err(HandoverError::Refused(excerpt(rest)))
            }
            "NO" => Err(HandoverError::Unavailable(excerpt(rest))),
            _ if self.list.len() == MAX_LINES => Err(unexpected("too many lines before an answer")),
            _ if matches!(self.state, State::Greeting | State::Xclient | State::Capabilities)
                && read(line).is_some() =>
            {
                self.list.push(text.into_owned());
                Ok(false)
            }
            _ => Err(unexpected(&text)),
        }
    }

    fn answered(&mut self) -> Result<Event, HandoverError> {
        let list = std::mem::take(&mut self.list);
        let value = |name: &str| {
            let mut told = list.iter().filter_map(|line| read(line.as_bytes()));
            told.find(|(told, _)| told.eq_ignore_ascii_case(name)).map(|(_, value)| value.unwrap_or_default())
        };
        // Not to be masked away: the session asks the server itself from now on.
        if value("UNAUTHENTICATE").is_some() {
            return Err(HandoverError::LeadsPast);
        }
        match self.state {
            State::Greeting => {
                let mechanisms = value("SASL").unwrap_or_default();
                if !mechanisms.split_ascii_whitespace().any(|name| name.eq_ignore_ascii_case("PLAIN")) {
                    return Err(HandoverError::NoPlain);
                }
                if value("XCLIENT").is_none() {
                    return self.authenticate();
                }
                self.say(State::Xclient, xclient(self.from))
            }
            State::Xclient => self.authenticate(),
            State::Answer => self.say(State::Capabilities, "CAPABILITY\r\n".into()),
            State::Capabilities => {
                self.state = State::Over;
                let leftover = self.input.take(self.input.unread().len()).to_vec();
                Ok(Event::Ready(Ready { capabilities: list.join("\n"), leftover }))
            }
            State::Over => Err(unexpected("an answer to nothing")),
        }
    }

    fn authenticate(&mut self) -> Result<Event, HandoverError> {
        let message = std::mem::take(&mut self.message);
        // A quoted string holds at most 1024 octets (RFC 5804, 4); a literal holds any.
        self.say(State::Answer, format!("AUTHENTICATE \"PLAIN\" {{{}+}}\r\n{}\r\n", message.len(), &*message))
    }

    fn say(&mut self, next: State, words: String) -> Result<Event, HandoverError> {
        let octets = Zeroizing::new(words.into_bytes());
        if !self.input.unread().is_empty() {
            // Answers have no tags: one that is ahead of its question would be taken for the next.
            return Err(unexpected("an answer ahead of the question"));
        }
        self.state = next;
        Ok(Event::Send(octets))
    }
}

impl Greeting {
    /// A connection that was just opened.
    #[must_use]
    pub fn new() -> Self {
        Self(Client::silent())
    }
}

impl Default for Greeting {
    fn default() -> Self {
        Self::new()
    }
}

impl ClientSide for Greeting {
    fn feed(&mut self, octets: &[u8]) {
        self.0.feed(octets);
    }

    /// Ready with the list of the greeting.
    fn next_event(&mut self) -> Option<Event> {
        self.0.next_with(|client| {
            client.state = State::Over;
            let capabilities = std::mem::take(&mut client.list).join("\n");
            Ok(Event::Ready(Ready { capabilities, leftover: Vec::new() }))
        })
    }

    fn closed(&mut self) -> HandoverError {
        self.0.closed()
    }
}

fn unexpected(heard: &str) -> HandoverError {
    HandoverError::Unexpected { protocol: "ManageSieve", heard: excerpt(heard) }
}
