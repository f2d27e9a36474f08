//! The server's side, until a client has signed in.

use std::collections::VecDeque;

use zeroize::Zeroizing;

use super::decoder::{self, Verb};
use super::encoder;
use crate::dialogue::{
    Admitted, Event, MAX_BAD_COMMANDS, MAX_PIPELINED, MAX_REFUSALS, MAX_SASL_LINE, ServerSide, Transport,
};
use crate::input::Input;
use crate::sasl::{self, Credentials, Exchange, Mechanism, SaslError, Step};

/// The server's side of one connection. [Feed](Self::feed) it what arrives, then
/// take [events](Self::next_event) until there are none.
///
/// ```
/// use protocols::{Event, ServerSide as _, Transport, pop3::Server};
///
/// let mut server = Server::new(Transport::Encrypted);
/// assert_eq!(server.greeting(), b"+OK Postern ready.\r\n");
/// server.feed(b"USER alice@example.org\r\nPASS sesame\r\nSTAT\r\n");
/// let Some(Event::Send(_)) = server.next_event() else { panic!() };
/// let Some(Event::SignIn(credentials)) = server.next_event() else { panic!() };
/// assert_eq!(credentials.authcid, "alice@example.org");
/// let admitted = server.admit("").expect("the client waits");
/// assert_eq!(admitted.answer, b"+OK Logged in.\r\n");
/// assert_eq!(admitted.pipelined, b"STAT\r\n");
/// ```
pub struct Server {
    transport: Transport,
    state: State,
    input: Input,
    events: VecDeque<Event>,
    refusals: u8,
    bad_commands: u8,
}

enum State {
    /// Waiting for a command.
    Command,
    /// USER was given; PASS is to follow.
    Named(Zeroizing<Vec<u8>>),
    /// Waiting for a line of a SASL exchange.
    Sasl(Exchange),
    /// Waiting for the caller's decision.
    SignIn,
    /// Waiting for TLS: not one more octet may come in the clear.
    StartTls,
    Closed,
}

impl Server {
    /// A connection that was just accepted. Send the [`greeting`](Self::greeting) first.
    #[must_use]
    pub fn new(transport: Transport) -> Self {
        Self {
            transport,
            state: State::Command,
            input: Input::default(),
            events: VecDeque::new(),
            refusals: 0,
            bad_commands: 0,
        }
    }
}

impl ServerSide for Server {
    /// Without a timestamp: there is no APOP, which would need the password in the clear.
    fn greeting(&self) -> Vec<u8> {
        encoder::ok("Postern ready.")
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
            State::Command | State::Named(_) | State::Sasl(_) => self.input.push(octets),
        }
    }

    fn next_event(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            let line = match self.state {
                State::Closed | State::StartTls => return None,
                State::SignIn if self.input.unread().len() > MAX_PIPELINED => {
                    self.end("Too much sent ahead of an answer.");
                    continue;
                }
                State::SignIn => return None,
                State::Sasl(_) => self.input.line(MAX_SASL_LINE),
                State::Command | State::Named(_) => decoder::line(&mut self.input),
            };
            match line {
                Ok(Some(line)) => self.line(&line),
                Ok(None) => return None,
                Err(_) => self.end("Line too long."),
            }
        }
    }

    fn tls_started(&mut self) {
        if matches!(self.state, State::StartTls) {
            self.transport = Transport::Encrypted;
            self.state = State::Command;
        }
    }

    /// The list of the server behind is not told here: clients ask for it with CAPA.
    fn admit(&mut self, _: &str) -> Option<Admitted> {
        let pipelined = self.input.take(self.input.unread().len());
        let State::SignIn = std::mem::replace(&mut self.state, State::Closed) else { return None };
        (pipelined.len() <= MAX_PIPELINED)
            .then(|| Admitted { answer: encoder::ok("Logged in."), pipelined: pipelined.to_vec() })
    }

    /// RFC 3206, 4: without the code, clients could take it for a mailbox in use.
    fn refuse(&mut self, text: &str) -> Vec<u8> {
        if !matches!(self.state, State::SignIn) {
            return Vec::new();
        }
        self.state = State::Command;
        self.refusals += 1;
        encoder::err(&format!("[AUTH] {text}"))
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
        self.send(encoder::err(why));
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
        self.send(encoder::err(why));
    }

    fn line(&mut self, line: &[u8]) {
        match std::mem::replace(&mut self.state, State::Command) {
            State::Sasl(exchange) => self.exchanged(exchange.respond(line)),
            State::Named(name) => self.command(line, Some(name)),
            _ => self.command(line, None),
        }
    }

    /// A name given before is forgotten unless PASS follows at once, or what
    /// does not matter to it.
    fn command(&mut self, line: &[u8], name: Option<Zeroizing<Vec<u8>>>) {
        let (verb, arguments) = decoder::head(line);
        match verb {
            Verb::Capa | Verb::Noop | Verb::Quit | Verb::Stls if !decoder::is_blank(arguments) => {
                self.bad("This command has no arguments.");
            }
            Verb::Capa => {
                self.send(encoder::capabilities(self.transport));
                self.keep(name);
            }
            // RFC 1939 has it only after the sign-in; some clients keep a connection alive by it.
            Verb::Noop => {
                self.send(encoder::ok("Nothing done."));
                self.keep(name);
            }
            Verb::Quit => {
                self.send(encoder::ok("Bye."));
                self.close();
            }
            Verb::Stls => self.start_tls(),
            Verb::Auth if decoder::is_blank(arguments) => self.send(encoder::mechanisms(self.transport)),
            // The arguments are not even parsed.
            Verb::User | Verb::Pass | Verb::Auth if self.transport != Transport::Encrypted => {
                self.bad("Signing in needs TLS.");
            }
            Verb::User | Verb::Pass | Verb::Auth if self.refusals >= MAX_REFUSALS => {
                self.end("Too many failed sign-ins.");
            }
            Verb::User if decoder::is_blank(arguments) => self.bad("USER needs a name."),
            Verb::User => {
                // The same for every name (RFC 1939, 13).
                self.send(encoder::ok("Send PASS."));
                self.state = State::Named(Zeroizing::new(arguments.to_vec()));
            }
            Verb::Pass => match name {
                Some(name) => self.pass(name, arguments),
                None => self.bad("Send USER first."),
            },
            Verb::Auth => self.auth(arguments),
            Verb::Other => self.bad("Unknown command, or one that needs signing in first."),
        }
    }

    fn keep(&mut self, name: Option<Zeroizing<Vec<u8>>>) {
        if let Some(name) = name {
            self.state = State::Named(name);
        }
    }

    fn start_tls(&mut self) {
        match self.transport {
            Transport::Plain { starttls: true } if self.input.unread().is_empty() => {
                self.send(encoder::ok("Begin TLS negotiation now."));
                self.events.push_back(Event::StartTls);
                self.state = State::StartTls;
            }
            // A client waits for the OK. What is here already was put behind
            // STLS by somebody else, to be obeyed inside TLS: CVE-2011-0411.
            Transport::Plain { starttls: true } => self.end("Nothing may follow STLS before TLS."),
            Transport::Plain { starttls: false } => self.bad("TLS is not offered here."),
            Transport::Encrypted => self.bad("TLS is active already."),
        }
    }

    /// All of the line behind the space is the password, spaces included (RFC 1939, 7).
    fn pass(&mut self, name: Zeroizing<Vec<u8>>, password: &[u8]) {
        let name = sasl::text(name).as_str().to_owned();
        let password = sasl::text(Zeroizing::new(password.to_vec()));
        self.exchanged(Credentials::new(name, password, Mechanism::Command).map(Step::Done));
    }

    fn auth(&mut self, arguments: &[u8]) {
        let Some((mechanism, initial)) = decoder::auth(arguments) else {
            return self.bad("The arguments of this command make no sense.");
        };
        let Some(exchange) = Mechanism::sasl(mechanism).and_then(Exchange::new) else {
            return self.send(encoder::err("This mechanism is not offered here."));
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
                self.send(encoder::go_on(exchange.prompt()));
                self.state = State::Sasl(exchange);
            }
            Ok(Step::Done(credentials)) => {
                self.events.push_back(Event::SignIn(credentials));
                self.state = State::SignIn;
            }
            Err(SaslError::Cancelled) => self.bad("Authentication cancelled."),
            Err(error @ (SaslError::Base64 | SaslError::Syntax)) => self.bad(&format!("Sorry, {error}.")),
            // The person can mend these, so the client should ask again.
            Err(error) => {
                self.refusals += 1;
                self.send(encoder::err(&format!("[AUTH] Sorry, {error}.")));
            }
        }
    }
}
