//! The server's side, until a client has signed in.

use std::collections::VecDeque;

use super::capability::Shown;
use super::decoder::{Verb, head, scan};
use super::encoder;
use crate::dialogue::{Admitted, Event, MAX_BAD_COMMANDS, MAX_PIPELINED, MAX_REFUSALS, ServerSide, Transport};
use crate::framing::{Extent, Frame};
use crate::input::{Input, without_end};
use crate::sasl::{Credentials, Exchange, Mechanism, SaslError, Step};
use crate::strings::{Arguments, Unreadable};

/// The server's side of one connection. [Feed](Self::feed) it what arrives, then
/// take [events](Self::next_event) until there are none.
///
/// ```
/// use protocols::{Event, ServerSide as _, Transport, sieve::{Server, Shown}};
///
/// let mut server = Server::new(Transport::Encrypted, Shown::of("\"SIEVE\" \"fileinto\""));
/// assert!(server.greeting().starts_with(b"\"IMPLEMENTATION\" \"Postern\"\r\n\"SIEVE\" \"fileinto\"\r\n"));
/// server.feed(b"AUTHENTICATE \"PLAIN\" \"AGFsaWNlAHNlc2FtZQ==\"\r\nLISTSCRIPTS\r\n");
/// let Some(Event::SignIn(credentials)) = server.next_event() else { panic!() };
/// assert_eq!(credentials.authcid, "alice");
/// let admitted = server.admit("").expect("the client waits");
/// assert_eq!(admitted.answer, b"OK \"Logged in.\"\r\n");
/// assert_eq!(admitted.pipelined, b"LISTSCRIPTS\r\n");
/// ```
pub struct Server {
    transport: Transport,
    shown: Shown,
    state: State,
    input: Input,
    extent: Extent,
    events: VecDeque<Event>,
    refusals: u8,
    bad_commands: u8,
}

enum State {
    /// Waiting for a command.
    Command,
    /// Waiting for a string of a SASL exchange.
    Sasl(Exchange),
    /// Waiting for the caller's decision.
    SignIn,
    /// Waiting for TLS: not one more octet may come in the clear.
    StartTls,
    Closed,
}

impl Server {
    /// A connection that was just accepted, and what it is shown of the server
    /// behind. Send the [`greeting`](Self::greeting) first.
    #[must_use]
    pub fn new(transport: Transport, shown: Shown) -> Self {
        Self {
            transport,
            shown,
            state: State::Command,
            input: Input::default(),
            extent: Extent::default(),
            events: VecDeque::new(),
            refusals: 0,
            bad_commands: 0,
        }
    }

    fn capabilities(&self, then: &str) -> Vec<u8> {
        [self.shown.announced(self.transport).into_bytes(), encoder::ok(then)].concat()
    }
}

impl ServerSide for Server {
    fn greeting(&self) -> Vec<u8> {
        self.capabilities("Postern ready.")
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
                    self.end("Too much sent ahead of an answer.");
                }
                State::SignIn => return None,
                State::Command | State::Sasl(_) => match scan(&mut self.extent, self.input.unread()) {
                    Frame::Whole(length) => self.whole(length),
                    Frame::TooLong => self.end("Line or literal too long."),
                    Frame::Incomplete | Frame::Awaits(_) => return None,
                },
            }
        }
    }

    /// The list is sent anew, unasked (RFC 5804, 2.2).
    fn tls_started(&mut self) {
        if matches!(self.state, State::StartTls) {
            self.transport = Transport::Encrypted;
            self.state = State::Command;
            let capabilities = self.capabilities("TLS negotiation successful.");
            self.send(capabilities);
        }
    }

    /// The list of the server behind is not told here: clients ask for it with CAPABILITY.
    fn admit(&mut self, _: &str) -> Option<Admitted> {
        let pipelined = self.input.take(self.input.unread().len());
        let State::SignIn = std::mem::replace(&mut self.state, State::Closed) else { return None };
        (pipelined.len() <= MAX_PIPELINED)
            .then(|| Admitted { answer: encoder::ok("Logged in."), pipelined: pipelined.to_vec() })
    }

    fn refuse(&mut self, text: &str) -> Vec<u8> {
        if !matches!(self.state, State::SignIn) {
            return Vec::new();
        }
        self.state = State::Command;
        self.refusals += 1;
        encoder::no(text)
    }

    fn unavailable(&mut self, text: &str) -> Vec<u8> {
        if self.bye(text).is_empty() { Vec::new() } else { encoder::unavailable(text) }
    }

    fn bye(&mut self, text: &str) -> Vec<u8> {
        if matches!(self.state, State::Closed) {
            return Vec::new();
        }
        self.events.clear();
        self.close();
        encoder::bye(text)
    }
}

impl Server {
    fn close(&mut self) {
        self.state = State::Closed;
        self.input.wipe();
        self.events.push_back(Event::Close);
    }

    fn end(&mut self, why: &str) {
        self.send(encoder::bye(why));
        self.close();
    }

    fn send(&mut self, octets: Vec<u8>) {
        self.events.push_back(Event::Send(octets));
    }

    fn bad(&mut self, why: &str) {
        self.bad_commands += 1;
        if self.bad_commands >= MAX_BAD_COMMANDS {
            return self.end("Too many bad commands.");
        }
        self.send(encoder::no(why));
    }

    fn whole(&mut self, length: usize) {
        self.extent = Extent::default();
        let octets = self.input.take(length);
        let understood = match std::mem::replace(&mut self.state, State::Command) {
            State::Sasl(exchange) => self.response(exchange, Arguments(without_end(&octets))),
            _ => {
                let (verb, arguments) = head(&octets);
                self.obey(verb, arguments)
            }
        };
        if let Err(Unreadable) = understood {
            self.bad("The arguments of this command make no sense.");
        }
    }

    fn obey(&mut self, verb: Verb, mut arguments: Arguments<'_>) -> Result<(), Unreadable> {
        match verb {
            Verb::Capability => {
                arguments.end()?;
                let capabilities = self.capabilities("Capability completed.");
                self.send(capabilities);
            }
            Verb::Noop if arguments.is_empty() => self.send(encoder::ok("NOOP completed.")),
            Verb::Noop => {
                arguments.space()?;
                let tag = arguments.string()?;
                arguments.end()?;
                self.send(encoder::ok_tagged(&String::from_utf8_lossy(&tag), "NOOP completed."));
            }
            Verb::Logout => {
                arguments.end()?;
                self.send(encoder::ok("Logout completed."));
                self.close();
            }
            Verb::StartTls => {
                arguments.end()?;
                self.start_tls();
            }
            // The arguments are not even parsed.
            Verb::Authenticate if self.transport != Transport::Encrypted => {
                self.send(encoder::encrypt_needed("Signing in needs TLS."));
            }
            Verb::Authenticate if self.refusals >= MAX_REFUSALS => self.end("Too many failed sign-ins."),
            Verb::Authenticate => self.authenticate(arguments)?,
            Verb::Other => self.bad("Unknown command, or one that needs signing in first."),
        }
        Ok(())
    }

    fn start_tls(&mut self) {
        match self.transport {
            Transport::Plain { starttls: true } if self.input.unread().is_empty() => {
                self.send(encoder::ok("Begin TLS negotiation now."));
                self.events.push_back(Event::StartTls);
                self.state = State::StartTls;
            }
            // A client waits for the OK. What is here already was put behind
            // STARTTLS by somebody else, to be obeyed inside TLS: CVE-2011-0411.
            Transport::Plain { starttls: true } => self.end("Nothing may follow STARTTLS before TLS."),
            Transport::Plain { starttls: false } => self.bad("TLS is not offered here."),
            Transport::Encrypted => self.bad("TLS is active already."),
        }
    }

    fn authenticate(&mut self, mut arguments: Arguments<'_>) -> Result<(), Unreadable> {
        arguments.space()?;
        let mechanism = arguments.string()?;
        let initial = if arguments.is_empty() {
            None
        } else {
            arguments.space()?;
            Some(arguments.string()?)
        };
        arguments.end()?;
        let Some(exchange) = Mechanism::sasl(&mechanism).and_then(Exchange::new) else {
            self.send(encoder::no("This mechanism is not offered here."));
            return Ok(());
        };
        // An empty string is an empty response here: `=` stands for nothing.
        let step = match initial {
            Some(response) => exchange.respond(&response),
            None => Ok(Step::Ask(exchange)),
        };
        self.exchanged(step);
        Ok(())
    }

    fn response(&mut self, exchange: Exchange, mut arguments: Arguments<'_>) -> Result<(), Unreadable> {
        let response = arguments.string()?;
        arguments.end()?;
        self.exchanged(exchange.respond(&response));
        Ok(())
    }

    fn exchanged(&mut self, step: Result<Step, SaslError>) {
        match step {
            Ok(Step::Ask(exchange)) => {
                self.send(encoder::challenge(exchange.prompt()));
                self.state = State::Sasl(exchange);
            }
            Ok(Step::Done(credentials)) => self.sign_in(credentials),
            Err(SaslError::Cancelled) => self.bad("Authentication cancelled."),
            Err(error @ (SaslError::Base64 | SaslError::Syntax)) => self.bad(&format!("Sorry, {error}.")),
            // The person can mend these, so the client should ask again.
            Err(error) => {
                self.refusals += 1;
                self.send(encoder::no(&format!("Sorry, {error}.")));
            }
        }
    }

    fn sign_in(&mut self, credentials: Credentials) {
        self.events.push_back(Event::SignIn(credentials));
        self.state = State::SignIn;
    }
}
