//! The server's side, until a client has signed in.

use fingerprint::{Dialogue, spoken::SignIn};

use super::command::{Command, Verb, hello};
use super::extensions::Extensions;
use super::reply::{bye, list, reply};
use crate::conversation::{AskedTls, Conversation, Phase};
use crate::dialogue::{Admitted, Event, MAX_SASL_LINE, ServerSide, Transport};
use crate::sasl::{Exchange, Mechanism, SaslError, Step};
use crate::seen::Seen;

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
    /// While the client talks, the SASL exchange of which a line is waited for.
    talk: Conversation<Option<Exchange>, ()>,
    name: Box<str>,
    extensions: Extensions,
    /// What the client called itself; it is in the dialogue once it has.
    hello: Option<Hello>,
    seen: Seen<fingerprint::submission::Dialogue>,
    /// The form of the sign-in under way.
    form: SignIn,
}

struct Hello {
    name: Option<String>,
    /// EHLO and not HELO: extensions may be used.
    extended: bool,
}

impl Server {
    /// A connection that was just accepted, at a door of this name; `extensions`
    /// are those of the server behind.
    #[must_use]
    pub fn new(transport: Transport, name: &str, extensions: Extensions) -> Self {
        Self {
            talk: Conversation::new(transport),
            name: name.into(),
            extensions,
            hello: None,
            seen: Seen::default(),
            form: SignIn::default(),
        }
    }

    /// What the client called itself in EHLO, since TLS began, if that can be said
    /// again in a command.
    #[must_use]
    pub fn hello(&self) -> Option<&str> {
        self.hello.as_ref().and_then(|hello| hello.name.as_deref())
    }

    fn say(&mut self, code: u16, text: &str) {
        self.talk.send(reply(code, text));
    }

    fn bad(&mut self, code: u16, text: &str) {
        self.say(code, text);
        if self.talk.is_last_bad_command() {
            self.talk.end(reply(421, "4.7.0 Too many bad commands."));
        }
    }

    fn command(&mut self, line: &[u8]) {
        let Ok(Command { verb, written, rest }) = Command::read(line) else {
            return self.bad(500, "5.5.2 A command is one line without control characters.");
        };
        match verb {
            Verb::Ehlo | Verb::Helo => self.greet(verb == Verb::Ehlo, written, rest),
            Verb::StartTls if rest.is_empty() => self.start_tls(),
            Verb::StartTls => self.bad(501, "5.5.4 STARTTLS stands alone."),
            Verb::Auth => self.auth(written, rest),
            Verb::Noop | Verb::Rset => self.say(250, "2.0.0 OK"),
            Verb::Quit => self.talk.end(reply(221, "2.0.0 Bye")),
            Verb::Help => self.say(214, "2.0.0 See RFC 5321 and RFC 4954."),
            // The chunk follows at once, and would be read as commands.
            Verb::Bdat => self.talk.end(reply(530, "5.7.0 Sign in first.")),
            Verb::Mail | Verb::Rcpt | Verb::Data | Verb::Vrfy | Verb::Expn => {
                let first = match self.talk.transport {
                    Transport::Plain { starttls: true } => "5.7.0 Issue STARTTLS and sign in first.",
                    Transport::Plain { starttls: false } | Transport::Encrypted => "5.7.0 Sign in first.",
                };
                self.bad(530, first);
            }
            Verb::Other => self.bad(502, "5.5.1 This command is unknown here."),
        }
    }

    fn greet(&mut self, extended: bool, written: &[u8], rest: &[u8]) {
        if rest.trim_ascii().is_empty() {
            return self.bad(501, "5.5.4 EHLO needs a name.");
        }
        self.seen.see(|seen| seen.greets(written, rest));
        self.hello = Some(Hello { name: hello(rest), extended });
        let mut lines = vec![self.name.to_string()];
        if extended {
            lines.extend(self.extensions.before_sign_in(self.talk.transport));
        }
        self.talk.send(list(250, &lines));
    }

    fn start_tls(&mut self) {
        match self.talk.asked_tls() {
            AskedTls::Begins => {
                self.say(220, "2.0.0 Begin TLS negotiation now.");
                self.talk.begin_tls();
            }
            AskedTls::Injected => self.talk.end(reply(421, "4.7.0 Nothing may follow STARTTLS before TLS.")),
            AskedTls::NotOffered => self.bad(502, "5.5.1 TLS is not offered here."),
            AskedTls::Active => self.bad(503, "5.5.1 TLS is active already."),
        }
    }

    fn auth(&mut self, written: &[u8], rest: &[u8]) {
        if !self.talk.is_encrypted() {
            // What follows is not even looked at.
            return self.bad(538, "5.7.11 Signing in needs TLS.");
        }
        if !self.hello.as_ref().is_some_and(|hello| hello.extended) {
            return self.bad(503, "5.5.1 Send EHLO first.");
        }
        if !self.talk.may_try() {
            return self.talk.end(reply(421, "4.7.0 Too many failed sign-ins."));
        }
        let mut words = rest.splitn(2, |octet| *octet == b' ');
        let mechanism = words.next().unwrap_or_default();
        let initial = words.next().map(<[u8]>::trim_ascii).filter(|initial| !initial.is_empty());
        let Some(exchange) = Mechanism::sasl(mechanism).and_then(Exchange::new) else {
            return self.bad(504, "5.5.4 This mechanism is not offered here.");
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
                self.say(334, exchange.prompt());
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
            Err(SaslError::Cancelled) => self.bad(501, "5.7.0 Authentication cancelled."),
            Err(error @ (SaslError::Base64 | SaslError::Syntax)) => self.bad(501, &format!("5.5.2 Sorry, {error}.")),
            // The person can mend these, so the client should ask again.
            Err(error) => {
                self.talk.refused();
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
        self.talk.hear(octets);
    }

    fn next_event(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.talk.next_event() {
                return Some(event);
            }
            if self.talk.is_flooded() {
                self.talk.end(reply(421, "4.7.0 Too much sent ahead of an answer."));
                continue;
            }
            let Phase::Talking(_) = self.talk.phase else { return None };
            // An initial response comes in the line of the command.
            match self.talk.input.line(MAX_SASL_LINE) {
                Ok(Some(line)) => match self.talk.take().flatten() {
                    Some(exchange) => self.exchanged(exchange.respond(&line)),
                    None => self.command(&line),
                },
                Ok(None) => return None,
                Err(_) => self.talk.end(reply(421, "4.7.0 Line too long.")),
            }
        }
    }

    fn tls_started(&mut self) {
        if self.talk.tls_started() {
            self.hello = None;
        }
    }

    fn dialogue(&self) -> Dialogue {
        Dialogue::Submission(self.seen.dialogue())
    }

    fn admit(&mut self, _: &str) -> Option<Admitted> {
        let ((), pipelined) = self.talk.admit()?;
        Some(Admitted { answer: reply(235, "2.7.0 Signed in."), pipelined })
    }

    /// 535, and no other code: Thunderbird takes 454 for a wrong password too,
    /// and 534 would say that the secret was right.
    fn refuse(&mut self, text: &str) -> Vec<u8> {
        match self.talk.refuse() {
            Some(()) => reply(535, &format!("5.7.8 {text}")),
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
        bye(text)
    }
}
