//! The client's side, towards the server behind: hands it a session.
//!
//! The session is opened with SASL PLAIN, signed in as a master user and acting
//! as the person (`authzid`): Dovecot's master users, Cyrus's `proxyservers`.

use std::fmt;

use thiserror::Error;
use zeroize::Zeroizing;

use crate::input::Input;
use crate::sasl::{self, SaslError};

/// The longest line the server behind may send before the session is handed over.
const MAX_LINE: usize = 8192;
/// Untagged lines it may send before an answer.
const MAX_LINES: usize = 64;
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
    /// What it can do in this session, words parted by spaces, not yet
    /// [masked](super::masked).
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
        "the IMAP server behind refused the handover ({0}): check the master user's name and password in [[gateway]] handover, and that the account exists there"
    )]
    Refused(String),
    /// It is shutting down, overloaded or closing.
    #[error("the IMAP server behind is unavailable ({0}): look at its own log")]
    Unavailable(String),
    /// It takes anybody who connects for somebody: nobody's mail is safe there.
    #[error(
        "the IMAP server behind signs everybody in by itself (PREAUTH): point [[gateway]] upstream at a listener that asks for a password"
    )]
    PreAuthenticated,
    /// It does not offer PLAIN on this connection.
    #[error(
        "the IMAP server behind offers no AUTH=PLAIN here: let it accept cleartext passwords from Postern's address, or use imaps:// for [[gateway]] upstream"
    )]
    NoPlain,
    /// A client could sign in to it again, past Postern (RFC 8437).
    #[error(
        "the IMAP server behind offers UNAUTHENTICATE, by which an app could become somebody else there without Postern: switch it off"
    )]
    LeadsPast,
    /// It does not speak IMAP, or not to the end.
    #[error("the server behind does not speak IMAP as expected ({0}): check [[gateway]] upstream")]
    NotImap(String),
}

/// The client's side of one connection to the server behind. [Feed](Self::feed)
/// it what arrives, then take [events](Self::next_event) until there are none;
/// after `Ready` or `Failed` there are none any more.
pub struct Client {
    input: Input,
    state: State,
    /// The PLAIN message, until it is sent.
    message: Zeroizing<String>,
    capabilities: Option<String>,
    lines: usize,
}

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

impl Client {
    /// A connection that was just opened: wait for the greeting.
    ///
    /// # Errors
    /// When a name is empty or holds a control character, or the password is
    /// empty or holds NUL: it would change who is meant.
    pub fn new(user: &str, master: &str, password: &str) -> Result<Self, SaslError> {
        for name in [user, master] {
            sasl::name(name.into())?;
        }
        if password.is_empty() {
            return Err(SaslError::EmptyPassword);
        }
        if password.contains('\0') {
            return Err(SaslError::Syntax);
        }
        Ok(Self {
            input: Input::default(),
            state: State::Greeting,
            message: sasl::plain_message(user, master, password),
            capabilities: None,
            lines: 0,
        })
    }

    /// Takes what arrived.
    pub fn feed(&mut self, octets: &[u8]) {
        if self.state != State::Over {
            self.input.push(octets);
        }
    }

    /// The server closed the connection.
    #[must_use]
    pub fn closed(&mut self) -> HandoverError {
        self.state = State::Over;
        HandoverError::Unavailable("it closed the connection".into())
    }

    /// The next thing to do; `None` until there is more input.
    pub fn next_event(&mut self) -> Option<Event> {
        while self.state != State::Over {
            let line = match self.input.line(MAX_LINE) {
                Ok(Some(line)) => line,
                Ok(None) => return None,
                Err(_) => return Some(self.fail(HandoverError::NotImap("a line without end".into()))),
            };
            self.lines += 1;
            let outcome = if self.lines > MAX_LINES {
                Err(HandoverError::NotImap("too many lines before an answer".into()))
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
                _ => Err(HandoverError::NotImap(excerpt(line))),
            };
        }
        let answer = line.strip_prefix(self.state.tag()).and_then(|rest| rest.strip_prefix(' '));
        match answer {
            Some(answer) if self.state != State::Greeting => self.tagged(answer),
            _ => Err(HandoverError::NotImap(excerpt(line))),
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
            return Err(HandoverError::NotImap(excerpt(line)));
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
                _ if !known => HandoverError::NotImap(excerpt(answer)),
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
                let list = list.ok_or_else(|| HandoverError::NotImap("no capabilities when asked".into()))?;
                self.ready(list).map(Some)
            }
            // An OK to a message that was never sent is an answer to nothing of ours.
            State::Greeting | State::Prompt | State::Over => Err(HandoverError::NotImap(excerpt(answer))),
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
        if offers(&list, "SASL-IR") {
            return Ok(self.send_authenticate());
        }
        self.state = State::Prompt;
        Ok(Event::Send(Zeroizing::new(format!("{} AUTHENTICATE PLAIN\r\n", self.state.tag()).into_bytes())))
    }

    fn send_authenticate(&mut self) -> Event {
        self.state = State::Answer;
        let command = Zeroizing::new(format!("{} AUTHENTICATE PLAIN ", self.state.tag()));
        self.with_message(&command)
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

/// Words of the server, fit for one line of a log.
fn excerpt(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_TEXT).collect()
}
