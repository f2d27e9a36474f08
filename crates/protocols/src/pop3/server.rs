//! The server's side, until a client has signed in.

use fingerprint::{
    Dialogue,
    spoken::{self, SignIn},
};
use zeroize::Zeroizing;

use super::decoder::{self, Verb};
use super::encoder;
use crate::conversation::{AskedTls, Conversation, Phase};
use crate::dialogue::{Admitted, Event, MAX_SASL_LINE, ServerSide, Transport};
use crate::sasl::{self, Credentials, Exchange, Mechanism, SaslError, Step};
use crate::seen::Seen;

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
    talk: Conversation<Awaited, ()>,
    seen: Seen<spoken::Dialogue>,
    /// The form of the sign-in under way.
    form: SignIn,
}

/// What is waited for while the client talks.
#[derive(Default)]
enum Awaited {
    #[default]
    Command,
    /// USER was given; PASS is to follow.
    Password(Zeroizing<Vec<u8>>),
    /// A line of a SASL exchange.
    Sasl(Exchange),
}

impl Server {
    /// A connection that was just accepted. Send the [`greeting`](Self::greeting) first.
    #[must_use]
    pub fn new(transport: Transport) -> Self {
        Self { talk: Conversation::new(transport), seen: Seen::default(), form: SignIn::default() }
    }
}

impl ServerSide for Server {
    /// Without a timestamp: there is no APOP, which would need the password in the clear.
    fn greeting(&self) -> Vec<u8> {
        encoder::ok("Postern ready.")
    }

    fn feed(&mut self, octets: &[u8]) {
        self.talk.hear(octets);
    }

    fn next_event(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.talk.next_event() {
                return Some(event);
            }
            if self.talk.is_flooded() {
                self.end("Too much sent ahead of an answer.");
                continue;
            }
            let line = match &self.talk.phase {
                Phase::Talking(Awaited::Sasl(_)) => self.talk.input.line(MAX_SASL_LINE),
                Phase::Talking(_) => decoder::line(&mut self.talk.input),
                _ => return None,
            };
            match line {
                Ok(Some(line)) => self.line(&line),
                Ok(None) => return None,
                Err(_) => self.end("Line too long."),
            }
        }
    }

    fn dialogue(&self) -> Dialogue {
        Dialogue::Pop3(self.seen.dialogue())
    }

    fn tls_started(&mut self) {
        self.talk.tls_started();
    }

    /// The list of the server behind is not told here: clients ask for it with CAPA.
    fn admit(&mut self, _: &str) -> Option<Admitted> {
        let ((), pipelined) = self.talk.admit()?;
        Some(Admitted { answer: encoder::ok("Logged in."), pipelined })
    }

    /// RFC 3206, 4: without the code, clients could take it for a mailbox in use.
    fn refuse(&mut self, text: &str) -> Vec<u8> {
        match self.talk.refuse() {
            Some(()) => encoder::err(&format!("[AUTH] {text}")),
            None => Vec::new(),
        }
    }

    fn unavailable(&mut self, text: &str) -> Vec<u8> {
        self.bye(text)
    }

    fn bye(&mut self, text: &str) -> Vec<u8> {
        if !self.talk.hang_up() {
            return Vec::new();
        }
        encoder::bye(text)
    }
}

impl Server {
    fn end(&mut self, why: &str) {
        self.talk.end(encoder::err(why));
    }

    fn send(&mut self, octets: Vec<u8>) {
        self.talk.send(octets);
    }

    fn bad(&mut self, why: &str) {
        if self.talk.is_last_bad_command() {
            return self.end("Too many bad commands.");
        }
        self.send(encoder::err(why));
    }

    fn line(&mut self, line: &[u8]) {
        match self.talk.take() {
            Some(Awaited::Sasl(exchange)) => self.exchanged(exchange.respond(line)),
            Some(Awaited::Password(name)) => self.command(line, Some(name)),
            Some(Awaited::Command) | None => self.command(line, None),
        }
    }

    /// A name given before is forgotten unless PASS follows at once, or what
    /// does not matter to it.
    fn command(&mut self, line: &[u8], name: Option<Zeroizing<Vec<u8>>>) {
        let (verb, arguments) = decoder::head(line);
        let written = &line[..line.iter().position(|octet| *octet == b' ').unwrap_or(line.len())];
        if !matches!(verb, Verb::User | Verb::Pass | Verb::Auth) || (verb == Verb::Auth && decoder::is_blank(arguments))
        {
            self.seen.see(|seen| seen.before(written));
        }
        match verb {
            Verb::Capa | Verb::Noop | Verb::Quit | Verb::Stls if !decoder::is_blank(arguments) => {
                self.bad("This command has no arguments.");
            }
            Verb::Capa => {
                self.send(encoder::capabilities(self.talk.transport));
                self.keep(name);
            }
            // RFC 1939 has it only after the sign-in; some clients keep a connection alive by it.
            Verb::Noop => {
                self.send(encoder::ok("Nothing done."));
                self.keep(name);
            }
            Verb::Quit => {
                self.send(encoder::ok("Bye."));
                self.talk.close();
            }
            Verb::Stls => self.start_tls(),
            Verb::Auth if decoder::is_blank(arguments) => self.send(encoder::mechanisms(self.talk.transport)),
            // The arguments are not even parsed.
            Verb::User | Verb::Pass | Verb::Auth if !self.talk.is_encrypted() => {
                self.bad("Signing in needs TLS.");
            }
            Verb::User | Verb::Pass | Verb::Auth if !self.talk.may_try() => {
                self.end("Too many failed sign-ins.");
            }
            Verb::User if decoder::is_blank(arguments) => self.bad("USER needs a name."),
            Verb::User => {
                // The same for every name (RFC 1939, 13).
                self.send(encoder::ok("Send PASS."));
                self.form = SignIn::command(written);
                self.talk.await_next(Awaited::Password(Zeroizing::new(arguments.to_vec())));
            }
            Verb::Pass => match name {
                Some(name) => {
                    self.form.then(written);
                    self.pass(name, arguments);
                }
                None => self.bad("Send USER first."),
            },
            Verb::Auth => self.auth(written, arguments),
            Verb::Other => self.bad("Unknown command, or one that needs signing in first."),
        }
    }

    fn keep(&mut self, name: Option<Zeroizing<Vec<u8>>>) {
        if let Some(name) = name {
            self.talk.await_next(Awaited::Password(name));
        }
    }

    fn start_tls(&mut self) {
        match self.talk.asked_tls() {
            AskedTls::Begins => {
                self.send(encoder::ok("Begin TLS negotiation now."));
                self.talk.begin_tls();
            }
            AskedTls::Injected => self.end("Nothing may follow STLS before TLS."),
            AskedTls::NotOffered => self.bad("TLS is not offered here."),
            AskedTls::Active => self.bad("TLS is active already."),
        }
    }

    /// All of the line behind the space is the password, spaces included (RFC 1939, 7).
    fn pass(&mut self, name: Zeroizing<Vec<u8>>, password: &[u8]) {
        let name = sasl::text(name).as_str().to_owned();
        let password = sasl::text(Zeroizing::new(password.to_vec()));
        self.exchanged(Credentials::new(name, password, Mechanism::Command).map(Step::Done));
    }

    fn auth(&mut self, written: &[u8], arguments: &[u8]) {
        let Some((mechanism, initial)) = decoder::auth(arguments) else {
            return self.bad("The arguments of this command make no sense.");
        };
        let Some(exchange) = Mechanism::sasl(mechanism).and_then(Exchange::new) else {
            return self.send(encoder::err("This mechanism is not offered here."));
        };
        self.form = SignIn::sasl(written, mechanism, initial.is_some());
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
                self.talk.await_next(Awaited::Sasl(exchange));
            }
            Ok(Step::Done(credentials)) => {
                let mut form = std::mem::take(&mut self.form);
                if credentials.authzid.is_some() {
                    form.with_authzid();
                }
                self.seen.see(|seen| seen.signs_in(form));
                self.seen.freeze();
                self.talk.sign_in(credentials, ());
            }
            Err(SaslError::Cancelled) => self.bad("Authentication cancelled."),
            Err(error @ (SaslError::Base64 | SaslError::Syntax)) => self.bad(&format!("Sorry, {error}.")),
            // The person can mend these, so the client should ask again.
            Err(error) => {
                self.talk.refused();
                self.send(encoder::err(&format!("[AUTH] Sorry, {error}.")));
            }
        }
    }
}
