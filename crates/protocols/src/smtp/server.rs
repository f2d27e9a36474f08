//! The server's side, until a client has signed in.

use std::collections::VecDeque;

use super::command::{Command, Verb, hello};
use super::extensions::Extensions;
use super::reply::{bye, list, reply};
use crate::dialogue::{
    Admitted, Event, MAX_BAD_COMMANDS, MAX_PIPELINED, MAX_REFUSALS, MAX_SASL_LINE, ServerSide, Transport,
};
use crate::input::Input;
use crate::sasl::{Exchange, Mechanism, SaslError, Step};

/// The server's side of one connection.
///
/// ```
/// use protocols::{Event, ServerSide as _, Transport, smtp::{Extensions, Server}};
///
/// let mut server = Server::new(Transport::Encrypted, "mail.example.org", Extensions::default());
/// assert_eq!(server.greeting(), b"220 mail.example.org ESMTP Postern ready\r\n");
/// server.feed(b"EHLO laptop\r\nAUTH PLAIN AGFsaWNlAHNlc2FtZQ==\r\n");
/// let Some(Event::Send(_)) = server.next_event() else { panic!() };
/// let Some(Event::SignIn(credentials)) = server.next_event() else { panic!() };
/// assert_eq!(credentials.authcid, "alice");
/// assert_eq!(server.hello(), Some("laptop"));
/// assert_eq!(server.refuse("Use an app password."), b"535 5.7.8 Use an app password.\r\n");
/// ```
pub struct Server {
    transport: Transport,
    name: Box<str>,
    extensions: Extensions,
    state: State,
    input: Input,
    events: VecDeque<Event>,
    /// What the client called itself; it is in the dialogue once it has.
    hello: Option<Hello>,
    refusals: u8,
    bad_commands: u8,
}

struct Hello {
    name: Option<String>,
    /// EHLO and not HELO: extensions may be used.
    extended: bool,
}

enum State {
    Command,
    /// Waiting for a line of a SASL exchange.
    Sasl(Exchange),
    /// Waiting for the caller's decision.
    SignIn,
    /// Waiting for TLS: not one more octet may come in the clear.
    StartTls,
    Closed,
}

impl Server {
    /// A connection that was just accepted, at a door of this name; `extensions`
    /// are those of the server behind.
    #[must_use]
    pub fn new(transport: Transport, name: &str, extensions: Extensions) -> Self {
        Self {
            transport,
            name: name.into(),
            extensions,
            state: State::Command,
            input: Input::default(),
            events: VecDeque::new(),
            hello: None,
            refusals: 0,
            bad_commands: 0,
        }
    }

    /// What the client called itself in EHLO, since TLS began, if that can be said
    /// again in a command.
    #[must_use]
    pub fn hello(&self) -> Option<&str> {
        self.hello.as_ref().and_then(|hello| hello.name.as_deref())
    }

    fn close(&mut self) {
        self.state = State::Closed;
        self.input.wipe();
        self.events.push_back(Event::Close);
    }

    fn end(&mut self, octets: Vec<u8>) {
        self.events.push_back(Event::Send(octets));
        self.close();
    }

    fn say(&mut self, code: u16, text: &str) {
        self.events.push_back(Event::Send(reply(code, text)));
    }

    fn bad(&mut self, code: u16, text: &str) {
        self.say(code, text);
        self.bad_commands += 1;
        if self.bad_commands >= MAX_BAD_COMMANDS {
            self.end(reply(421, "4.7.0 Too many bad commands."));
        }
    }

    fn command(&mut self, line: &[u8]) {
        let Ok(Command { verb, rest }) = Command::read(line) else {
            return self.bad(500, "5.5.2 A command is one line without control characters.");
        };
        match verb {
            Verb::Ehlo | Verb::Helo => self.greet(verb == Verb::Ehlo, rest),
            Verb::StartTls if rest.is_empty() => self.start_tls(),
            Verb::StartTls => self.bad(501, "5.5.4 STARTTLS stands alone."),
            Verb::Auth => self.auth(rest),
            Verb::Noop | Verb::Rset => self.say(250, "2.0.0 OK"),
            Verb::Quit => self.end(reply(221, "2.0.0 Bye")),
            Verb::Help => self.say(214, "2.0.0 See RFC 5321 and RFC 4954."),
            // The chunk follows at once, and would be read as commands.
            Verb::Bdat => self.end(reply(530, "5.7.0 Sign in first.")),
            Verb::Mail | Verb::Rcpt | Verb::Data | Verb::Vrfy | Verb::Expn => {
                let first = match self.transport {
                    Transport::Plain { starttls: true } => "5.7.0 Issue STARTTLS and sign in first.",
                    Transport::Plain { starttls: false } | Transport::Encrypted => "5.7.0 Sign in first.",
                };
                self.bad(530, first);
            }
            Verb::Other => self.bad(502, "5.5.1 This command is unknown here."),
        }
    }

    fn greet(&mut self, extended: bool, rest: &[u8]) {
        if rest.trim_ascii().is_empty() {
            return self.bad(501, "5.5.4 EHLO needs a name.");
        }
        self.hello = Some(Hello { name: hello(rest), extended });
        let mut lines = vec![self.name.to_string()];
        if extended {
            lines.extend(self.extensions.before_sign_in(self.transport));
        }
        self.events.push_back(Event::Send(list(250, &lines)));
    }

    fn start_tls(&mut self) {
        match self.transport {
            Transport::Plain { starttls: true } if self.input.unread().is_empty() => {
                self.say(220, "2.0.0 Begin TLS negotiation now.");
                self.events.push_back(Event::StartTls);
                self.state = State::StartTls;
            }
            // Put behind STARTTLS by somebody else, to be obeyed inside TLS: CVE-2011-0411.
            Transport::Plain { starttls: true } => {
                self.end(reply(421, "4.7.0 Nothing may follow STARTTLS before TLS."))
            }
            Transport::Plain { starttls: false } => self.bad(502, "5.5.1 TLS is not offered here."),
            Transport::Encrypted => self.bad(503, "5.5.1 TLS is active already."),
        }
    }

    fn auth(&mut self, rest: &[u8]) {
        if self.transport != Transport::Encrypted {
            // What follows is not even looked at.
            return self.bad(538, "5.7.11 Signing in needs TLS.");
        }
        if !self.hello.as_ref().is_some_and(|hello| hello.extended) {
            return self.bad(503, "5.5.1 Send EHLO first.");
        }
        if self.refusals >= MAX_REFUSALS {
            return self.end(reply(421, "4.7.0 Too many failed sign-ins."));
        }
        let mut words = rest.splitn(2, |octet| *octet == b' ');
        let mechanism = words.next().unwrap_or_default();
        let initial = words.next().map(<[u8]>::trim_ascii).filter(|initial| !initial.is_empty());
        let Some(exchange) = Mechanism::sasl(mechanism).and_then(Exchange::new) else {
            return self.bad(504, "5.5.4 This mechanism is not offered here.");
        };
        let step = match initial {
            Some(response) => exchange.initial(response),
            None => Ok(Step::Ask(exchange)),
        };
        self.exchanged(step);
    }

    fn exchanged(&mut self, step: Result<Step, SaslError>) {
        match step {
            Ok(Step::Ask(exchange)) => {
                self.say(334, exchange.prompt());
                self.state = State::Sasl(exchange);
            }
            Ok(Step::Done(credentials)) => {
                self.events.push_back(Event::SignIn(credentials));
                self.state = State::SignIn;
            }
            Err(SaslError::Cancelled) => self.bad(501, "5.7.0 Authentication cancelled."),
            Err(error @ (SaslError::Base64 | SaslError::Syntax)) => self.bad(501, &format!("5.5.2 Sorry, {error}.")),
            // The person can mend these, so the client should ask again.
            Err(error) => {
                self.refusals += 1;
                self.say(535, &format!("5.7.8 Sorry, {error}."));
            }
        }
    }
}

impl ServerSide for Server {
    fn greeting(&self) -> Vec<u8> {
        reply(220, &format!("{} ESMTP Postern ready", self.name))
    }

    fn feed(&mut self, octets: &[u8]) {
        match self.state {
            State::Closed => {}
            State::StartTls if octets.is_empty() => {}
            State::StartTls => {
                // Sent before the handshake, to be obeyed after it: CVE-2011-0411.
                self.events.retain(|event| !matches!(event, Event::StartTls));
                self.close();
            }
            State::SignIn => {
                // One more than the bound is enough to see it passed.
                let room = (MAX_PIPELINED + 1).saturating_sub(self.input.unread().len());
                self.input.push(&octets[..octets.len().min(room)]);
            }
            State::Command | State::Sasl(_) => self.input.push(octets),
        }
    }

    fn next_event(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            match self.state {
                State::Closed | State::StartTls => return None,
                State::SignIn if self.input.unread().len() > MAX_PIPELINED => {
                    self.end(reply(421, "4.7.0 Too much sent ahead of an answer."));
                }
                State::SignIn => return None,
                // An initial response comes in the line of the command.
                State::Command | State::Sasl(_) => match self.input.line(MAX_SASL_LINE) {
                    Ok(Some(line)) => match std::mem::replace(&mut self.state, State::Command) {
                        State::Sasl(exchange) => self.exchanged(exchange.respond(&line)),
                        _ => self.command(&line),
                    },
                    Ok(None) => return None,
                    Err(_) => self.end(reply(421, "4.7.0 Line too long.")),
                },
            }
        }
    }

    fn tls_started(&mut self) {
        if matches!(self.state, State::StartTls) {
            self.transport = Transport::Encrypted;
            self.state = State::Command;
            self.hello = None;
        }
    }

    fn admit(&mut self, _: &str) -> Option<Admitted> {
        let pipelined = self.input.take(self.input.unread().len());
        let State::SignIn = std::mem::replace(&mut self.state, State::Closed) else { return None };
        if pipelined.len() > MAX_PIPELINED {
            return None;
        }
        Some(Admitted { answer: reply(235, "2.7.0 Signed in."), pipelined: pipelined.to_vec() })
    }

    /// 535, and no other code: Thunderbird takes 454 for a wrong password too,
    /// and 534 would say that the secret was right.
    fn refuse(&mut self, text: &str) -> Vec<u8> {
        if !matches!(self.state, State::SignIn) {
            return Vec::new();
        }
        self.state = State::Command;
        self.refusals += 1;
        reply(535, &format!("5.7.8 {text}"))
    }

    fn unavailable(&mut self, text: &str) -> Vec<u8> {
        self.bye(text)
    }

    fn bye(&mut self, text: &str) -> Vec<u8> {
        if matches!(self.state, State::Closed) {
            return Vec::new();
        }
        self.events.clear();
        self.close();
        bye(text)
    }
}
