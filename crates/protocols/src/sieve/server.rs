//! The server's side, until a client has signed in.

use fingerprint::{
    Dialogue,
    imap::Argument,
    spoken::{self, SignIn},
};

use super::capability::Shown;
use super::decoder::{Verb, head, scan};
use super::encoder;
use crate::conversation::{AskedTls, Conversation, Phase};
use crate::dialogue::{Admitted, Event, ServerSide, Transport};
use crate::framing::{Extent, Frame};
use crate::input::without_end;
use crate::sasl::{Exchange, Mechanism, SaslError, Step};
use crate::seen::Seen;
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
    /// While the client talks, the SASL exchange of which a string is waited for.
    talk: Conversation<Option<Exchange>, ()>,
    shown: Shown,
    extent: Extent,
    seen: Seen<spoken::Dialogue>,
    /// The form of the sign-in under way.
    form: SignIn,
}

impl Server {
    /// A connection that was just accepted, and what it is shown of the server
    /// behind. Send the [`greeting`](Self::greeting) first.
    #[must_use]
    pub fn new(transport: Transport, shown: Shown) -> Self {
        Self {
            talk: Conversation::new(transport),
            shown,
            extent: Extent::default(),
            seen: Seen::default(),
            form: SignIn::default(),
        }
    }

    fn capabilities(&self, then: &str) -> Vec<u8> {
        [self.shown.announced(self.talk.transport).into_bytes(), encoder::ok(then)].concat()
    }
}

impl ServerSide for Server {
    fn greeting(&self) -> Vec<u8> {
        self.capabilities("Postern ready.")
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
            let Phase::Talking(_) = self.talk.phase else { return None };
            match scan(&mut self.extent, self.talk.input.unread()) {
                Frame::Whole(length) => self.whole(length),
                Frame::TooLong => self.end("Line or literal too long."),
                Frame::Incomplete | Frame::Awaits(_) => return None,
            }
        }
    }

    fn dialogue(&self) -> Dialogue {
        Dialogue::Sieve(self.seen.dialogue())
    }

    /// The list is sent anew, unasked (RFC 5804, 2.2).
    fn tls_started(&mut self) {
        if self.talk.tls_started() {
            let capabilities = self.capabilities("TLS negotiation successful.");
            self.send(capabilities);
        }
    }

    /// The list of the server behind is not told here: clients ask for it with CAPABILITY.
    fn admit(&mut self, _: &str) -> Option<Admitted> {
        let ((), pipelined) = self.talk.admit()?;
        Some(Admitted { answer: encoder::ok("Logged in."), pipelined })
    }

    fn refuse(&mut self, text: &str) -> Vec<u8> {
        match self.talk.refuse() {
            Some(()) => encoder::no(text),
            None => Vec::new(),
        }
    }

    fn unavailable(&mut self, text: &str) -> Vec<u8> {
        if self.bye(text).is_empty() { Vec::new() } else { encoder::unavailable(text) }
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
        self.talk.end(encoder::bye(why));
    }

    fn send(&mut self, octets: Vec<u8>) {
        self.talk.send(octets);
    }

    fn bad(&mut self, why: &str) {
        if self.talk.is_last_bad_command() {
            return self.end("Too many bad commands.");
        }
        self.send(encoder::no(why));
    }

    fn whole(&mut self, length: usize) {
        self.extent = Extent::default();
        let octets = self.talk.input.take(length);
        let understood = match self.talk.take().flatten() {
            Some(exchange) => self.response(exchange, Arguments(without_end(&octets))),
            None => {
                let (verb, arguments) = head(&octets);
                let written = octets.split(|octet| b" \r\n".contains(octet)).next().unwrap_or_default();
                if verb != Verb::Authenticate {
                    self.seen.see(|seen| seen.before(written));
                }
                self.obey(verb, written, arguments)
            }
        };
        if let Err(Unreadable) = understood {
            self.bad("The arguments of this command make no sense.");
        }
    }

    fn obey(&mut self, verb: Verb, written: &[u8], mut arguments: Arguments<'_>) -> Result<(), Unreadable> {
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
                self.talk.close();
            }
            Verb::StartTls => {
                arguments.end()?;
                self.start_tls();
            }
            // The arguments are not even parsed.
            Verb::Authenticate if !self.talk.is_encrypted() => {
                self.send(encoder::encrypt_needed("Signing in needs TLS."));
            }
            Verb::Authenticate if !self.talk.may_try() => self.end("Too many failed sign-ins."),
            Verb::Authenticate => self.authenticate(written, arguments)?,
            Verb::Other => self.bad("Unknown command, or one that needs signing in first."),
        }
        Ok(())
    }

    fn start_tls(&mut self) {
        match self.talk.asked_tls() {
            AskedTls::Begins => {
                self.send(encoder::ok("Begin TLS negotiation now."));
                self.talk.begin_tls();
            }
            AskedTls::Injected => self.end("Nothing may follow STARTTLS before TLS."),
            AskedTls::NotOffered => self.bad("TLS is not offered here."),
            AskedTls::Active => self.bad("TLS is active already."),
        }
    }

    fn authenticate(&mut self, written: &[u8], mut arguments: Arguments<'_>) -> Result<(), Unreadable> {
        arguments.space()?;
        let literal = arguments.0.first() == Some(&b'{');
        let mechanism = arguments.string()?;
        let initial = if arguments.is_empty() {
            None
        } else {
            arguments.space()?;
            Some(arguments.string()?)
        };
        arguments.end()?;
        self.form = SignIn::sasl(written, &mechanism, initial.is_some());
        self.form.given_in(if literal { Argument::Literal } else { Argument::Quoted });
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
                self.talk.await_next(Some(exchange));
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
                self.send(encoder::no(&format!("Sorry, {error}.")));
            }
        }
    }
}
