//! The server's side, until a client has signed in.

use fingerprint::{Dialogue, spoken::SignIn};

use super::capability;
use super::client_id::ClientId;
use super::decoder::{Command, Malformed, Tag, Verb, head};
use super::encoder::{self, Status};
use super::forms;
use crate::conversation::{AskedTls, Conversation, Phase};
use crate::dialogue::{Admitted, Event, MAX_SASL_LINE, ServerSide, Transport};
use crate::framing::{Extent, Frame};
use crate::sasl::{self, Credentials, Exchange, Mechanism, SaslError, Step};
use crate::seen::Seen;
use crate::strings::{Arguments, Unreadable};

/// The server's side of one connection. [Feed](Self::feed) it what arrives, then
/// take [events](Self::next_event) until there are none.
///
/// ```
/// use protocols::{Event, ServerSide as _, Transport, imap::Server};
///
/// let mut server = Server::new(Transport::Encrypted);
/// assert!(server.greeting().starts_with(b"* OK [CAPABILITY IMAP4rev1 "));
/// server.feed(b"a LOGIN alice@example.org sesame\r\nb SELECT INBOX\r\n");
/// let Some(Event::SignIn(credentials)) = server.next_event() else { panic!() };
/// assert_eq!(credentials.authcid, "alice@example.org");
/// let admitted = server.admit("IMAP4rev1 AUTH=PLAIN IDLE").expect("the client waits");
/// assert_eq!(admitted.answer, b"a OK [CAPABILITY IMAP4rev1 IDLE] Logged in\r\n");
/// assert_eq!(admitted.pipelined, b"b SELECT INBOX\r\n");
/// ```
pub struct Server {
    /// While the client talks, the SASL exchange of which a line is waited for, with
    /// the tag of its command.
    talk: Conversation<Option<(Tag, Exchange)>, Tag>,
    extent: Extent,
    client_id: Option<ClientId>,
    seen: Seen<fingerprint::imap::Dialogue>,
    /// The form of the sign-in under way.
    form: SignIn,
    asked_capabilities: bool,
}

impl Server {
    /// A connection that was just accepted. Send the [`greeting`](Self::greeting) first.
    #[must_use]
    pub fn new(transport: Transport) -> Self {
        Self {
            talk: Conversation::new(transport),
            extent: Extent::default(),
            client_id: None,
            seen: Seen::default(),
            form: SignIn::default(),
            asked_capabilities: false,
        }
    }

    /// How the client named itself, if it did, since TLS began.
    ///
    /// What it said in the clear is forgotten when TLS starts: anybody on the
    /// path could have said it. Read it at [`Event::StartTls`] if you want it.
    #[must_use]
    pub fn client_id(&self) -> Option<&ClientId> {
        self.client_id.as_ref()
    }
}

impl ServerSide for Server {
    fn greeting(&self) -> Vec<u8> {
        encoder::greeting(self.talk.transport)
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
            match &self.talk.phase {
                Phase::Talking(Some(_)) => match self.talk.input.line(MAX_SASL_LINE) {
                    Ok(Some(line)) => self.sasl_line(&line),
                    Ok(None) => return None,
                    Err(_) => self.end("Line too long."),
                },
                Phase::Talking(None) => match self.extent.scan(self.talk.input.unread()) {
                    Frame::Incomplete => return None,
                    Frame::Awaits(so_far) => self.literal_announced(so_far),
                    Frame::Whole(length) => self.command(length),
                    Frame::TooLong => self.end("Line or literal too long."),
                },
                _ => return None,
            }
        }
    }

    fn tls_started(&mut self) {
        if self.talk.tls_started() {
            self.client_id = None;
            self.asked_capabilities = false;
        }
    }

    fn dialogue(&self) -> Dialogue {
        Dialogue::Imap(self.seen.dialogue())
    }

    fn admit(&mut self, upstream_capabilities: &str) -> Option<Admitted> {
        let (tag, pipelined) = self.talk.admit()?;
        let list = capability::masked(upstream_capabilities);
        let mut answer = Vec::new();
        if self.asked_capabilities {
            // Whoever asked may be one of those that read no codes.
            answer.extend(encoder::untagged(&format!("CAPABILITY {list}")));
        }
        answer.extend(encoder::answer(Some(&tag), Status::Ok, &format!("[CAPABILITY {list}] Logged in")));
        Some(Admitted { answer, pipelined })
    }

    /// The text is shown twice: most clients pop up `[ALERT]`, others show only
    /// the tagged line, and a tagged `[ALERT]` would be a general error to K-9
    /// and make it retry.
    fn refuse(&mut self, text: &str) -> Vec<u8> {
        let Some(tag) = self.talk.refuse() else { return Vec::new() };
        let mut answer = encoder::answer(None, Status::No, &format!("[ALERT] {text}"));
        answer.extend(encoder::answer(Some(&tag), Status::No, &format!("[AUTHENTICATIONFAILED] {text}")));
        answer
    }

    /// RFC 5530.
    fn unavailable(&mut self, text: &str) -> Vec<u8> {
        self.bye(&format!("[UNAVAILABLE] {text}"))
    }

    fn too_many(&mut self, text: &str) -> Vec<u8> {
        self.bye(&format!("[LIMIT] {text}"))
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

    fn ok(&mut self, tag: &Tag, text: &str) {
        self.send(encoder::answer(Some(tag), Status::Ok, text));
    }

    fn no(&mut self, tag: &Tag, text: &str) {
        self.send(encoder::answer(Some(tag), Status::No, text));
    }

    fn bad(&mut self, tag: Option<&Tag>, why: &str) {
        self.send(encoder::answer(tag, Status::Bad, why));
        if self.talk.is_last_bad_command() {
            self.end("Too many bad commands.");
        }
    }

    /// A client waits to be asked for a literal. Only commands that can use one
    /// are let send it, and no secret is ever asked for in the clear.
    fn literal_announced(&mut self, so_far: usize) {
        let welcome = match head(&self.talk.input.unread()[..so_far]) {
            Ok(Command { verb: Verb::Login, .. }) => self.may_sign_in(),
            Ok(Command { verb: Verb::Id, .. }) => true,
            _ => false,
        };
        if welcome {
            self.send(encoder::go_on("OK"));
        } else {
            self.command(so_far);
        }
    }

    fn may_sign_in(&self) -> bool {
        self.talk.is_encrypted() && self.talk.may_try()
    }

    fn command(&mut self, length: usize) {
        self.extent = Extent::default();
        let command = self.talk.input.take(length);
        match head(&command) {
            Err(Malformed { tag, why }) => self.bad(tag.as_ref(), why),
            Ok(Command { tag, verb, written, arguments }) => {
                if !matches!(verb, Verb::Login | Verb::Authenticate) {
                    self.seen.see(|seen| seen.before(tag.as_str().as_bytes(), written));
                }
                if let Err(Unreadable) = self.obey(&tag, verb, written, arguments) {
                    self.bad(Some(&tag), "The arguments of this command make no sense.");
                }
            }
        }
    }

    fn obey(&mut self, tag: &Tag, verb: Verb, written: &[u8], mut arguments: Arguments<'_>) -> Result<(), Unreadable> {
        match verb {
            Verb::Capability => {
                arguments.end()?;
                self.asked_capabilities = true;
                let list = capability::announced(self.talk.transport);
                self.send(encoder::untagged(&format!("CAPABILITY {list}")));
                self.ok(tag, "Capability completed, there are more after signing in.");
            }
            Verb::Noop => {
                arguments.end()?;
                self.ok(tag, "NOOP completed.");
            }
            Verb::Logout => {
                arguments.end()?;
                self.send(encoder::bye("Logging out"));
                self.ok(tag, "Logout completed.");
                self.talk.close();
            }
            Verb::Id => {
                arguments.space()?;
                let id = ClientId::parse(&mut arguments)?;
                arguments.end()?;
                if let Some(name) = id.get("name") {
                    self.seen.see(|seen| seen.names_itself(name.as_bytes()));
                }
                self.client_id = Some(id);
                self.send(encoder::untagged("ID (\"name\" \"Postern\")"));
                self.ok(tag, "ID completed.");
            }
            Verb::StartTls => {
                arguments.end()?;
                self.start_tls(tag);
            }
            Verb::Login | Verb::Authenticate => {
                if !self.talk.is_encrypted() {
                    // The arguments are not even parsed.
                    self.no(tag, "[PRIVACYREQUIRED] Signing in needs TLS.");
                } else if !self.talk.may_try() {
                    self.end("Too many failed sign-ins.");
                } else if verb == Verb::Login {
                    self.login(tag, written, arguments)?;
                } else {
                    self.authenticate(tag, written, arguments)?;
                }
            }
            Verb::Enable | Verb::Namespace | Verb::Other => {
                self.bad(Some(tag), "Unknown command, or one that needs signing in first.")
            }
        }
        Ok(())
    }

    fn start_tls(&mut self, tag: &Tag) {
        match self.talk.asked_tls() {
            AskedTls::Begins => {
                self.ok(tag, "Begin TLS negotiation now.");
                self.talk.begin_tls();
            }
            AskedTls::Injected => self.end("Nothing may follow STARTTLS before TLS."),
            AskedTls::NotOffered => self.bad(Some(tag), "TLS is not offered here."),
            AskedTls::Active => self.bad(Some(tag), "TLS is active already."),
        }
    }

    fn login(&mut self, tag: &Tag, written: &[u8], mut arguments: Arguments<'_>) -> Result<(), Unreadable> {
        arguments.space()?;
        let (name, name_form) = forms::astring(&mut arguments)?;
        arguments.space()?;
        let (password, password_form) = forms::astring(&mut arguments)?;
        arguments.end()?;
        self.form = SignIn::login(written, name_form, password_form);
        let name = sasl::text(name).as_str().to_owned();
        let credentials = Credentials::new(name, sasl::text(password), Mechanism::Command);
        self.exchanged(tag.clone(), credentials.map(Step::Done));
        Ok(())
    }

    fn authenticate(&mut self, tag: &Tag, written: &[u8], mut arguments: Arguments<'_>) -> Result<(), Unreadable> {
        arguments.space()?;
        let mechanism = arguments.word()?;
        let initial = if arguments.is_empty() {
            None
        } else {
            arguments.space()?;
            Some(arguments.word()?)
        };
        arguments.end()?;
        let Some(exchange) = Mechanism::sasl(mechanism).and_then(Exchange::new) else {
            self.seen.see(|seen| seen.before(tag.as_str().as_bytes(), mechanism));
            self.no(tag, "This mechanism is not offered here.");
            return Ok(());
        };
        self.form = SignIn::sasl(written, mechanism, initial.is_some());
        let step = match initial {
            Some(response) => exchange.initial(response),
            None => Ok(Step::Ask(exchange)),
        };
        self.exchanged(tag.clone(), step);
        Ok(())
    }

    fn sasl_line(&mut self, line: &[u8]) {
        if let Some((tag, exchange)) = self.talk.take().flatten() {
            self.exchanged(tag, exchange.respond(line));
        }
    }

    fn exchanged(&mut self, tag: Tag, step: Result<Step, SaslError>) {
        match step {
            Ok(Step::Ask(exchange)) => {
                self.send(encoder::go_on(exchange.prompt()));
                self.talk.await_next(Some((tag, exchange)));
            }
            Ok(Step::Done(credentials)) => {
                let mut form = std::mem::take(&mut self.form);
                if credentials.authzid.is_some() {
                    form.with_authzid();
                }
                self.seen.see(|seen| seen.signs_in(tag.as_str().as_bytes(), form));
                self.seen.freeze();
                self.talk.sign_in(credentials, tag);
            }
            Err(SaslError::Cancelled) => self.bad(Some(&tag), "Authentication cancelled."),
            Err(error @ (SaslError::Base64 | SaslError::Syntax)) => self.bad(Some(&tag), &format!("Sorry, {error}.")),
            // The person can mend these, so the client should ask again.
            Err(error) => {
                self.talk.refused();
                self.no(&tag, &format!("[AUTHENTICATIONFAILED] Sorry, {error}."));
            }
        }
    }
}
