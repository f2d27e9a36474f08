//! The client's side, towards the server behind: hands it a session.
//!
//! The session is opened with SASL PLAIN, signed in as a master user and acting
//! as the person (`authzid`): Dovecot's master users, Cyrus's `proxyservers`.
//! Before it, ID says where the client is, if the server knows ID: Dovecot logs
//! and judges by that address where `login_trusted_networks` names ours.

use std::net::SocketAddr;

use zeroize::Zeroizing;

use crate::handover::{ActingAs, ClientSide, Event, HandoverError, MAX_LINE, MAX_LINES, Ready, excerpt};
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
    capabilities: Option<String>,
    lines: usize,
}

/// The tag of ID: sent ahead of AUTHENTICATE, in one packet with it.
const ID: &str = "P0";

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Greeting,
    /// Asked what it can do before the sign-in.
    CapabilitiesBefore,
    /// Sent AUTHENTICATE without the message; a `+` asks for it.
    Prompt,
    /// Sent the message.
    Answer,
    /// Asked what it can do in the session.
    CapabilitiesAfter,
    Over,
}

impl State {
    fn tag(self) -> &'static str {
        match self {
            Self::CapabilitiesBefore => "P1",
            Self::CapabilitiesAfter => "P3",
            Self::Greeting | Self::Prompt | Self::Answer | Self::Over => "P2",
        }
    }
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
        while self.state != State::Over {
            let line = match self.input.line(MAX_LINE) {
                Ok(Some(line)) => line,
                Ok(None) => return None,
                Err(_) => return Some(self.fail(unexpected("a line without end"))),
            };
            self.lines += 1;
            let outcome = if self.lines > MAX_LINES {
                Err(unexpected("too many lines before an answer"))
            } else {
                self.line(&readable(&line))
            };
            match outcome {
                Ok(None) => {}
                Ok(Some(event)) => return Some(event),
                Err(error) => return Some(self.fail(error)),
            }
        }
        None
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
        Ok(Self {
            input: Input::default(),
            state: State::Greeting,
            from,
            message: acting.message()?,
            capabilities: None,
            lines: 0,
        })
    }

    fn fail(&mut self, error: HandoverError) -> Event {
        self.state = State::Over;
        self.input.wipe();
        Event::Failed(error)
    }

    fn line(&mut self, line: &str) -> Result<Option<Event>, HandoverError> {
        if let Some(untagged) = line.strip_prefix("* ") {
            return self.untagged(untagged);
        }
        if line == "+" || line.starts_with("+ ") {
            return match self.state {
                State::Prompt => Ok(Some(self.send_message())),
                _ => Err(unexpected(line)),
            };
        }
        // Whatever it says to ID: not to know is no reason to turn anybody away.
        if line.starts_with(&format!("{ID} ")) && matches!(self.state, State::Prompt | State::Answer) {
            return Ok(None);
        }
        let answer = line.strip_prefix(self.state.tag()).and_then(|rest| rest.strip_prefix(' '));
        match answer {
            Some(answer) if self.state != State::Greeting => self.tagged(answer),
            _ => Err(unexpected(line)),
        }
    }

    fn untagged(&mut self, line: &str) -> Result<Option<Event>, HandoverError> {
        let (word, rest) = split_word(line);
        if word.eq_ignore_ascii_case("BYE") {
            return Err(HandoverError::Unavailable(excerpt(rest)));
        }
        if word.eq_ignore_ascii_case("CAPABILITY") {
            self.capabilities = Some(rest.trim().to_owned());
            return Ok(None);
        }
        if self.state != State::Greeting {
            return Ok(None);
        }
        if word.eq_ignore_ascii_case("PREAUTH") {
            return Err(HandoverError::PreAuthenticated);
        }
        if !word.eq_ignore_ascii_case("OK") {
            return Err(unexpected(line));
        }
        if let Some(list) = capability_code(rest) {
            self.capabilities = Some(list.to_owned());
            return self.authenticate().map(Some);
        }
        Ok(Some(self.ask_capabilities(State::CapabilitiesBefore)))
    }

    fn tagged(&mut self, answer: &str) -> Result<Option<Event>, HandoverError> {
        let (status, text) = split_word(answer);
        if !status.eq_ignore_ascii_case("OK") {
            let known = ["NO", "BAD"].iter().any(|word| status.eq_ignore_ascii_case(word));
            return Err(match self.state {
                _ if !known => unexpected(answer),
                State::Prompt | State::Answer if !text.starts_with("[UNAVAILABLE]") => {
                    HandoverError::Refused(excerpt(text))
                }
                _ => HandoverError::Unavailable(excerpt(text)),
            });
        }
        match self.state {
            State::CapabilitiesBefore => self.authenticate().map(Some),
            State::Answer => {
                if let Some(list) = capability_code(text) {
                    self.capabilities = Some(list.to_owned());
                }
                match self.capabilities.take() {
                    Some(list) => self.ready(list).map(Some),
                    None => Ok(Some(self.ask_capabilities(State::CapabilitiesAfter))),
                }
            }
            State::CapabilitiesAfter => {
                let list = self.capabilities.take();
                let list = list.ok_or_else(|| unexpected("no capabilities when asked"))?;
                self.ready(list).map(Some)
            }
            // An OK to a message that was never sent is an answer to nothing of ours.
            State::Greeting | State::Prompt | State::Over => Err(unexpected(answer)),
        }
    }

    fn ask_capabilities(&mut self, next: State) -> Event {
        self.state = next;
        self.lines = 0;
        Event::Send(Zeroizing::new(format!("{} CAPABILITY\r\n", next.tag()).into_bytes()))
    }

    fn authenticate(&mut self) -> Result<Event, HandoverError> {
        // What it says before the sign-in does not hold after it.
        let list = self.capabilities.take().unwrap_or_default();
        if !offers(&list, "AUTH=PLAIN") {
            return Err(HandoverError::NoPlain);
        }
        self.lines = 0;
        let id = if offers(&list, "ID") { self.where_from() } else { String::new() };
        if offers(&list, "SASL-IR") {
            self.state = State::Answer;
            let commands = format!("{id}{} AUTHENTICATE PLAIN ", self.state.tag());
            return Ok(self.with_message(&commands));
        }
        self.state = State::Prompt;
        Ok(Event::Send(Zeroizing::new(format!("{id}{} AUTHENTICATE PLAIN\r\n", self.state.tag()).into_bytes())))
    }

    fn where_from(&self) -> String {
        let (address, port) = (self.from.ip(), self.from.port());
        format!("{ID} ID (\"x-originating-ip\" \"{address}\" \"x-originating-port\" \"{port}\")\r\n")
    }

    fn send_message(&mut self) -> Event {
        self.state = State::Answer;
        self.with_message("")
    }

    fn with_message(&mut self, before: &str) -> Event {
        let message = std::mem::take(&mut self.message);
        let mut octets = Zeroizing::new(Vec::with_capacity(before.len() + message.len() + 2));
        octets.extend_from_slice(before.as_bytes());
        octets.extend_from_slice(message.as_bytes());
        octets.extend_from_slice(b"\r\n");
        Event::Send(octets)
    }

    fn ready(&mut self, capabilities: String) -> Result<Event, HandoverError> {
        // Not to be masked away: the session asks the server itself from now on.
        if offers(&capabilities, "UNAUTHENTICATE") {
            return Err(HandoverError::LeadsPast);
        }
        self.state = State::Over;
        let leftover = self.input.take(self.input.unread().len()).to_vec();
        Ok(Event::Ready(Ready { capabilities, leftover }))
    }
}

fn split_word(text: &str) -> (&str, &str) {
    text.split_once(' ').unwrap_or((text, ""))
}

fn offers(list: &str, name: &str) -> bool {
    list.split_ascii_whitespace().any(|word| word.eq_ignore_ascii_case(name))
}

/// The list of a `[CAPABILITY ...]` code at the front of a text.
fn capability_code(text: &str) -> Option<&str> {
    let (code, _) = text.strip_prefix('[')?.split_once(']')?;
    let (name, list) = split_word(code);
    name.eq_ignore_ascii_case("CAPABILITY").then(|| list.trim())
}

fn readable(line: &[u8]) -> String {
    String::from_utf8_lossy(line).into_owned()
}

fn unexpected(heard: &str) -> HandoverError {
    HandoverError::Unexpected { protocol: "IMAP", heard: excerpt(heard) }
}
