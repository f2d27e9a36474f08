//! The shortest gateway there can be: does what the server asks for, and keeps a record.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use protocols::sasl::Credentials;
use protocols::{Admitted, Event, ServerSide, handover::ActingAs};

/// What the authority says to every sign-in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Refuses it at once.
    Refuse,
    /// Takes its time: [`Caller::admit`] comes later.
    Later,
}

pub(crate) struct Caller<S> {
    pub(crate) server: S,
    answer: Answer,
    /// All that was sent to the client, the greeting left out.
    pub(crate) sent: String,
    pub(crate) sign_ins: Vec<Credentials>,
    /// The server waits for TLS.
    pub(crate) awaits_tls: bool,
    pub(crate) closed: bool,
}

/// What the server behind can do, as its protocol lists it.
pub(crate) trait Behind: ServerSide {
    const UPSTREAM: &str;
}

impl Behind for protocols::imap::Server {
    const UPSTREAM: &str = "IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE AUTH=PLAIN COMPRESS=DEFLATE";
}

impl Behind for protocols::smtp::Server {
    const UPSTREAM: &str = "PIPELINING\nSIZE 7";
}

impl Behind for protocols::pop3::Server {
    const UPSTREAM: &str = "";
}

impl Behind for protocols::sieve::Server {
    const UPSTREAM: &str = "\"SIEVE\" \"fileinto\"";
}

impl<S: Behind> Caller<S> {
    pub(crate) fn new(server: S, answer: Answer) -> Self {
        Self { server, answer, sent: String::new(), sign_ins: Vec::new(), awaits_tls: false, closed: false }
    }

    pub(crate) fn feed(&mut self, octets: &[u8]) -> &mut Self {
        self.server.feed(octets);
        while let Some(event) = self.server.next_event() {
            assert!(!self.closed, "nothing may follow Close: {event:?}");
            match event {
                Event::Send(octets) => self.send(&octets),
                Event::StartTls => self.awaits_tls = true,
                Event::SignIn(credentials) => {
                    self.sign_ins.push(credentials);
                    if self.answer == Answer::Refuse {
                        let answer = self.server.refuse("Use an app password: https://id.example.org");
                        self.send(&answer);
                    }
                }
                Event::Close => self.closed = true,
            }
        }
        self
    }

    fn send(&mut self, octets: &[u8]) {
        let text = std::str::from_utf8(octets).expect("we speak UTF-8");
        assert!(text.ends_with("\r\n") && !text.trim_end_matches("\r\n").ends_with(['\r', '\n']), "{text:?}");
        self.sent.push_str(text);
    }

    pub(crate) fn tls_started(&mut self) -> &mut Self {
        self.server.tls_started();
        self.awaits_tls = false;
        self
    }

    pub(crate) fn admit(mut self) -> Option<Admitted> {
        self.server.admit(S::UPSTREAM)
    }

    /// Takes the record since the last call.
    pub(crate) fn said(&mut self) -> String {
        std::mem::take(&mut self.sent)
    }

    /// Login and password of every sign-in so far.
    pub(crate) fn secrets(&self) -> Vec<(&str, &str)> {
        self.sign_ins.iter().map(|c| (c.authcid.as_str(), c.password.as_str())).collect()
    }
}

/// Where the client of a handover is.
pub(crate) const FROM: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)), 4711);

/// Signs in to the server behind with an authzid.
pub(crate) fn acting<'a>(person: &'a str, master: &'a str, password: &'a str) -> ActingAs<'a> {
    ActingAs { person, master, password, separator: None }
}

/// Everything that can be seen from outside.
#[derive(Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) sent: String,
    pub(crate) secrets: Vec<(String, String)>,
    pub(crate) closed: bool,
    pub(crate) pipelined: Option<Vec<u8>>,
    pub(crate) dialogue: fingerprint::Dialogue,
}

/// What comes of these chunks.
pub(crate) fn run<S: Behind>(server: S, answer: Answer, chunks: &mut dyn Iterator<Item = &[u8]>) -> Seen {
    let mut caller = Caller::new(server, answer);
    for chunk in chunks {
        caller.feed(chunk);
    }
    let secrets = caller.secrets().into_iter().map(|(name, password)| (name.into(), password.into())).collect();
    let (sent, closed, dialogue) = (caller.said(), caller.closed, caller.server.dialogue());
    Seen { sent, secrets, closed, pipelined: caller.admit().map(|admitted| admitted.pipelined), dialogue }
}

/// The input in chunks of these sizes, in turn.
pub(crate) fn cut<'a>(mut input: &'a [u8], sizes: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    sizes.iter().cycle().map_while(move |&size| {
        let (chunk, rest) = input.split_at(size.min(input.len()));
        input = rest;
        (!chunk.is_empty()).then_some(chunk)
    })
}
