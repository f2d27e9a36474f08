//! The client's side, towards the server behind: hands it a session.

use std::{fmt, net::IpAddr};

use zeroize::Zeroizing;

use super::extensions::Extensions;
use super::reply::Line;
use crate::handover::{ActingAs, ClientSide, Event, HandoverError, MAX_LINE, MAX_LINES, Ready, excerpt};
use crate::input::Input;
use crate::sasl::{self, SaslError};

/// The longest command of XCLIENT (Postfix, XCLIENT_README), in octets with its end.
const MAX_XCLIENT: usize = 512;

/// How a session is handed over.
#[derive(Debug)]
pub enum Handover<'a> {
    /// Not at all: only what the server behind can do is asked.
    Ask,
    /// By Postfix's XCLIENT, which is believed from Postern's address.
    Xclient(Xclient<'a>),
    /// By AUTH PLAIN, acting as the person.
    Authenticate(ActingAs<'a>),
}

/// Who the client is.
#[derive(Debug)]
pub struct Xclient<'a> {
    /// The person, as whom the server behind takes the session.
    pub login: &'a str,
    /// The client's address.
    pub address: IpAddr,
    /// The client's port; 0 where there is none.
    pub port: u16,
    /// What the client called itself.
    pub hello: Option<&'a str>,
}

/// One connection to the server behind.
pub struct Client {
    input: Input,
    state: State,
    /// How Postern calls itself; as the client after XCLIENT.
    name: String,
    handover: Pending,
    /// Lines of the answer to EHLO so far, its first left out.
    heard: Vec<String>,
    greeted: bool,
    lines: usize,
}

enum Pending {
    Ask,
    Xclient { attributes: Vec<(&'static str, String)>, hello: Option<String> },
    Authenticate(Zeroizing<String>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Greeting,
    Hello,
    Xclient,
    /// Greeted anew, as the client.
    HelloAgain,
    Authenticate,
    Over,
}

impl Client {
    /// A connection that was just opened by a server of this name: wait for the greeting.
    ///
    /// # Errors
    /// When a name or a password cannot be said.
    pub fn new(name: &str, handover: &Handover<'_>) -> Result<Self, SaslError> {
        let handover = match handover {
            Handover::Ask => Pending::Ask,
            Handover::Xclient(xclient) => {
                Pending::Xclient { attributes: xclient.attributes()?, hello: xclient.hello.map(str::to_owned) }
            }
            Handover::Authenticate(acting) => Pending::Authenticate(acting.message()?),
        };
        Ok(Self {
            input: Input::default(),
            state: State::Greeting,
            name: name.to_owned(),
            handover,
            heard: Vec::new(),
            greeted: false,
            lines: 0,
        })
    }

    fn fail(&mut self, error: HandoverError) -> Event {
        self.state = State::Over;
        self.input.wipe();
        Event::Failed(error)
    }

    fn send(&mut self, next: State, command: &str) -> Option<Event> {
        self.state = next;
        self.lines = 0;
        self.heard.clear();
        self.greeted = false;
        Some(Event::Send(Zeroizing::new(format!("{command}\r\n").into_bytes())))
    }

    fn line(&mut self, line: &[u8]) -> Result<Option<Event>, HandoverError> {
        let Some(Line { code, last, text }) = Line::read(line) else {
            return Err(unexpected(&String::from_utf8_lossy(line)));
        };
        let expected = match self.state {
            State::Greeting | State::Xclient => 220,
            State::Hello | State::HelloAgain => 250,
            State::Authenticate => 235,
            State::Over => return Ok(None),
        };
        if code != expected {
            let said = excerpt(&format!("{code} {}", String::from_utf8_lossy(text)));
            return Err(match (code, self.state) {
                (421 | 450..=455, _) | (_, State::Greeting) => HandoverError::Unavailable(said),
                (500..=599, State::Xclient | State::Authenticate) => HandoverError::Refused(said),
                _ => unexpected(&said),
            });
        }
        if matches!(self.state, State::Hello | State::HelloAgain) && std::mem::replace(&mut self.greeted, true) {
            self.heard.push(String::from_utf8_lossy(text).into_owned());
        }
        if last { self.answered() } else { Ok(None) }
    }

    /// A reply has come whole, and is the one that was hoped for.
    fn answered(&mut self) -> Result<Option<Event>, HandoverError> {
        match self.state {
            State::Greeting => {
                let hello = format!("EHLO {}", self.name);
                Ok(self.send(State::Hello, &hello))
            }
            State::Hello => self.hand_over(),
            State::Xclient => {
                let hello = format!("EHLO {}", self.name);
                Ok(self.send(State::HelloAgain, &hello))
            }
            State::HelloAgain | State::Authenticate => Ok(Some(self.ready())),
            State::Over => Ok(None),
        }
    }

    fn hand_over(&mut self) -> Result<Option<Event>, HandoverError> {
        let offered = |keyword: &str| {
            let mut lines = self.heard.iter().map(|line| line.split_ascii_whitespace());
            let line = lines.find(|line| line.clone().next().is_some_and(|word| word.eq_ignore_ascii_case(keyword)));
            line.into_iter().flatten().skip(1)
        };
        match std::mem::replace(&mut self.handover, Pending::Ask) {
            Pending::Ask => Ok(Some(self.ready())),
            Pending::Authenticate(message) => {
                if !offered("AUTH").any(|mechanism| mechanism.eq_ignore_ascii_case("PLAIN")) {
                    return Err(HandoverError::NoPlain);
                }
                // What it can do stays as it was said: AUTH is not followed by EHLO.
                let heard = std::mem::take(&mut self.heard);
                let command = Zeroizing::new(format!("AUTH PLAIN {}", &*message));
                let event = self.send(State::Authenticate, &command);
                self.heard = heard;
                Ok(event)
            }
            Pending::Xclient { attributes, hello } => {
                let takes = |name: &str| offered("XCLIENT").any(|known| known.eq_ignore_ascii_case(name));
                // Without the address the server behind would see Postern everywhere.
                for needed in ["LOGIN", "ADDR"] {
                    if !takes(needed) {
                        return Err(HandoverError::NoXclient(needed));
                    }
                }
                let command = xclient(attributes.iter().filter(|(name, _)| takes(name)));
                if let Some(hello) = hello {
                    self.name = hello;
                }
                Ok(self.send(State::Xclient, &command))
            }
        }
    }

    fn ready(&mut self) -> Event {
        self.state = State::Over;
        let extensions = Extensions::read(self.heard.iter().map(String::as_str));
        let leftover = self.input.take(self.input.unread().len()).to_vec();
        Event::Ready(Ready { capabilities: extensions.to_string(), leftover })
    }
}

impl ClientSide for Client {
    fn feed(&mut self, octets: &[u8]) {
        if self.state != State::Over {
            self.input.push(octets);
        }
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
                self.line(&line)
            };
            match outcome {
                Ok(None) => {}
                Ok(Some(event)) => return Some(event),
                Err(error) => return Some(self.fail(error)),
            }
        }
        None
    }

    fn closed(&mut self) -> HandoverError {
        self.state = State::Over;
        HandoverError::Unavailable("it closed the connection".into())
    }
}

impl Xclient<'_> {
    /// Names and values, the values in xtext.
    fn attributes(&self) -> Result<Vec<(&'static str, String)>, SaslError> {
        let login = xtext(&sasl::name(self.login.into())?);
        let address = match self.address.to_canonical() {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("IPV6:{address}"),
        };
        let port = if self.port == 0 { "[UNAVAILABLE]".into() } else { self.port.to_string() };
        let mut attributes = vec![
            ("LOGIN", login),
            ("ADDR", address),
            ("PORT", port),
            // Else the name of Postern's own address would stay.
            ("NAME", "[UNAVAILABLE]".into()),
            ("PROTO", "ESMTP".into()),
        ];
        attributes.extend(self.hello.map(|hello| ("HELO", xtext(hello))));
        // HELO is said again in EHLO; without the rest there is no handover.
        let is_too_long = |attributes: &[(&'static str, String)]| xclient(attributes.iter()).len() + 2 > MAX_XCLIENT;
        if is_too_long(&attributes) {
            attributes.truncate(5);
        }
        if is_too_long(&attributes) { Err(SaslError::Name) } else { Ok(attributes) }
    }
}

fn xclient<'a>(attributes: impl Iterator<Item = &'a (&'static str, String)>) -> String {
    let mut command = String::with_capacity(128);
    command.push_str("XCLIENT");
    for (name, value) in attributes {
        [" ", name, "=", value].into_iter().for_each(|part| command.push_str(part));
    }
    command
}

/// RFC 3461, 4.
fn xtext(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut coded, octet| {
        match octet {
            0x21..=0x7e if !matches!(octet, b'+' | b'=') => coded.push(char::from(octet)),
            _ => coded.push_str(&format!("+{octet:02X}")),
        }
        coded
    })
}

fn unexpected(heard: &str) -> HandoverError {
    HandoverError::Unexpected { protocol: "SMTP", heard: excerpt(heard) }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}
