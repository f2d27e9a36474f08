//! A session that has been handed over, watched until its end.
//!
//! The server behind believes XCLIENT from Postern's address, and may take AUTH
//! again: a client that got either through would be somebody else there. So every
//! command is read before it goes on, and what is text is told from what is a
//! command at the same octet as the server behind tells them apart: its answers
//! are counted, DATA waits for its 354, a message has one end only, and the octets
//! of BDAT are counted.
//!
//! ```text
//!            DATA ──> Asked ── 354 ──> Message ── CR LF . CR LF ──┐
//! Commands ──┤          └── anything else ──────────────────────────┼──> Commands
//!            BDAT n ──> Chunk ── n octets ─────────────────────────┘
//! ```
//!
//! A session may begin before its client is known: then the header of the first
//! message is held until the door has judged (`first`).

use std::collections::VecDeque;

use fingerprint::Dialogue;
use thiserror::Error;

use super::command::{self, Command, Verb};
use super::extensions::Extensions;
use super::first::First;
use super::message::Message;
use super::reply::{Line, list, reply};
use super::turned_away::{Left, TurnedAway};

/// The longest line of either side, in octets with its end.
const MAX_LINE: usize = 8192;
/// Answers that may be due before the client is not listened to.
const MAX_DUE: usize = 512;
/// Lines of an answer to EHLO.
const MAX_HELLO: usize = 64;

/// Whose address may stand in MAIL FROM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Senders {
    /// The server behind decides.
    Any,
    /// These, in lower case, with any `+tag`; and none at all, as in receipts.
    Only(Box<[Box<str>]>),
}

/// One of the two broke the protocol: end the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Broken {
    /// The client sent a line without end.
    #[error("the client sent a line without end")]
    Line,
    /// The client sent a BDAT whose octets cannot be told from commands.
    #[error("the client sent a BDAT that the server behind may read otherwise")]
    Chunk,
    /// The server behind sent what is no reply.
    #[error("the server behind sent what is no SMTP reply")]
    Upstream,
}

/// What passes between a client and the server behind.
#[derive(Debug)]
pub struct Session {
    phase: Phase,
    due: VecDeque<Due>,
    extensions: Extensions,
    senders: Senders,
    /// The client is not known yet.
    first: Option<Box<First>>,
    /// Of the client, not looked at yet.
    held: Vec<u8>,
    /// Of the server behind, a line so far.
    line: Vec<u8>,
    /// Of its answer to EHLO, the lines so far.
    hello: Vec<String>,
}

#[derive(Debug)]
enum Phase {
    Commands,
    /// DATA was said; what follows is a message or a command.
    Asked,
    Message(Message),
    Chunk(u64),
}

/// An answer that the client waits for.
#[derive(Debug)]
enum Due {
    Reply,
    /// To EHLO: its list is ours to tell.
    Hello,
    /// To DATA.
    Data,
    /// Ours, in its turn.
    Ours(Box<[u8]>),
}

/// What becomes of a command.
enum Judged {
    /// The server behind answers it.
    Passes(Due),
    /// Written so.
    PassesAs(Vec<u8>),
    /// It is answered here.
    Stays(Vec<u8>),
}

fn stays(code: u16, text: &str) -> Judged {
    Judged::Stays(reply(code, text))
}

impl Session {
    /// A session in which the server behind can do this.
    #[must_use]
    pub fn new(extensions: Extensions, senders: Senders) -> Self {
        Self {
            phase: Phase::Commands,
            due: VecDeque::new(),
            extensions,
            senders,
            first: None,
            held: Vec::new(),
            line: Vec::new(),
            hello: Vec::new(),
        }
    }

    /// A session whose client is not known before its first message: of this, the
    /// header is held until the session is [released](Self::release). Begins with
    /// what the [`Server`](super::Server) saw.
    #[must_use]
    pub fn provisional(extensions: Extensions, senders: Senders, dialogue: Dialogue) -> Self {
        Self { first: Some(Box::new(First::new(dialogue))), ..Self::new(extensions, senders) }
    }

    /// True once the client has shown itself, until the session is released: judge it.
    #[must_use]
    pub fn is_shown(&self) -> bool {
        self.first.as_ref().is_some_and(|first| first.shown)
    }

    /// What was seen so far of a client that is not known; all there is once it
    /// [is shown](Self::is_shown).
    #[must_use]
    pub fn dialogue(&self) -> Option<Dialogue> {
        self.first.as_ref().map(|first| first.dialogue())
    }

    /// Lets what was held go on, as [`client`](Self::client) does: the client is admitted.
    ///
    /// # Errors
    /// As [`client`](Self::client).
    pub fn release(&mut self, up: &mut Vec<u8>, down: &mut Vec<u8>) -> Result<(), Broken> {
        if let Some(first) = self.first.take() {
            up.extend_from_slice(&first.held);
        }
        self.resume(up, down)
    }

    /// Turns a client away that has shown itself, within its first message.
    #[must_use]
    pub fn refuse(self, text: &str) -> TurnedAway {
        let left = match self.phase {
            Phase::Message(message) => Left::Message(message),
            Phase::Chunk(left) => Left::Chunk(left),
            Phase::Commands | Phase::Asked => Left::Nothing,
        };
        let mut turned_away = TurnedAway::new(left, text);
        // What came behind what was shown is a part of it.
        let _ = turned_away.feed(&self.held);
        turned_away
    }

    /// True if the client is to be listened to: not while it is open what its
    /// octets are, nor while it is to be judged, nor when it asks faster than it is answered.
    #[must_use]
    pub fn listens(&self) -> bool {
        !matches!(self.phase, Phase::Asked) && !self.is_shown() && self.due.len() < MAX_DUE
    }

    /// Takes octets of the client. What goes on is added to `up`, what is answered
    /// here to `down`.
    ///
    /// # Errors
    /// A line without end.
    pub fn client(&mut self, octets: &[u8], up: &mut Vec<u8>, down: &mut Vec<u8>) -> Result<(), Broken> {
        if self.held.is_empty() {
            let taken = self.go_on(octets, up, down)?;
            self.held.extend_from_slice(&octets[taken..]);
        } else {
            self.held.extend_from_slice(octets);
            self.resume(up, down)?;
        }
        Ok(())
    }

    /// Takes octets of the server behind, as [`client`](Self::client) does.
    ///
    /// # Errors
    /// What is no reply.
    pub fn upstream(&mut self, octets: &[u8], up: &mut Vec<u8>, down: &mut Vec<u8>) -> Result<(), Broken> {
        for part in octets.split_inclusive(|octet| *octet == b'\n') {
            self.line.extend_from_slice(part);
            if self.line.len() > MAX_LINE {
                return Err(Broken::Upstream);
            }
            if part.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                self.reply(&line, down)?;
            }
        }
        // After an answer to DATA it is known what was held.
        self.resume(up, down)
    }

    fn resume(&mut self, up: &mut Vec<u8>, down: &mut Vec<u8>) -> Result<(), Broken> {
        let held = std::mem::take(&mut self.held);
        let taken = self.go_on(&held, up, down)?;
        self.held = held[taken..].to_vec();
        Ok(())
    }

    /// Returns how much was taken; the rest is to be looked at later.
    fn go_on(&mut self, octets: &[u8], up: &mut Vec<u8>, down: &mut Vec<u8>) -> Result<usize, Broken> {
        let mut at = 0;
        while at < octets.len() && !self.is_shown() {
            let rest = &octets[at..];
            let mut first = self.first.as_deref_mut();
            match &mut self.phase {
                Phase::Asked => break,
                Phase::Chunk(left) => {
                    let count = rest.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    let on = first.as_mut().map_or(&mut *up, |first| &mut first.held);
                    on.extend_from_slice(&rest[..count]);
                    at += count;
                    *left -= count as u64;
                    let ended = *left == 0;
                    if ended {
                        self.phase = Phase::Commands;
                    }
                    if let Some(first) = first {
                        first.look(ended);
                    }
                }
                Phase::Message(message) => {
                    let on = first.as_mut().map_or(&mut *up, |first| &mut first.held);
                    let (taken, ended) = message.pass(rest, on);
                    at += taken;
                    if ended {
                        self.phase = Phase::Commands;
                        self.due.push_back(Due::Reply);
                    }
                    if let Some(first) = first {
                        first.look(ended);
                    }
                }
                Phase::Commands => match rest.iter().position(|octet| *octet == b'\n') {
                    Some(end) if end < MAX_LINE => {
                        let line = &rest[..end];
                        self.command(line.strip_suffix(b"\r").unwrap_or(line), up, down)?;
                        at += end + 1;
                    }
                    None if rest.len() <= MAX_LINE => break,
                    _ => return Err(Broken::Line),
                },
            }
        }
        Ok(at)
    }

    fn command(&mut self, line: &[u8], up: &mut Vec<u8>, down: &mut Vec<u8>) -> Result<(), Broken> {
        match self.judge(line)? {
            Judged::Passes(due) => {
                up.extend_from_slice(line.trim_ascii_end());
                up.extend_from_slice(b"\r\n");
                self.due.push_back(due);
            }
            Judged::PassesAs(line) => {
                up.extend_from_slice(&line);
                self.due.push_back(Due::Reply);
            }
            Judged::Stays(answer) if self.due.is_empty() => down.extend_from_slice(&answer),
            Judged::Stays(answer) => self.due.push_back(Due::Ours(answer.into())),
        }
        Ok(())
    }

    fn judge(&mut self, line: &[u8]) -> Result<Judged, Broken> {
        let Ok(Command { verb, written, rest }) = Command::read(line) else {
            return Ok(stays(500, "5.5.2 A command is one line without control characters."));
        };
        Ok(match verb {
            Verb::Ehlo => Judged::Passes(Due::Hello),
            Verb::Helo | Verb::Rcpt | Verb::Rset | Verb::Noop | Verb::Vrfy | Verb::Expn | Verb::Help | Verb::Quit => {
                Judged::Passes(Due::Reply)
            }
            Verb::Mail => self.mail(written, rest),
            Verb::Data if rest.is_empty() => {
                self.phase = Phase::Asked;
                Judged::Passes(Due::Data)
            }
            Verb::Bdat => {
                // Its octets may follow; none of them must be taken for a command.
                let size = command::chunk(rest).filter(|_| self.extensions.chunking()).ok_or(Broken::Chunk)?;
                if size > 0 {
                    self.phase = Phase::Chunk(size);
                }
                Judged::Passes(Due::Reply)
            }
            Verb::Auth => stays(503, "5.5.1 Signed in already."),
            Verb::StartTls => stays(503, "5.5.1 TLS is active already."),
            Verb::Data | Verb::Other => stays(502, "5.5.1 This command is unknown here."),
        })
    }

    fn mail(&mut self, written: &[u8], rest: &[u8]) -> Judged {
        let Some((address, parameters)) = command::sender(rest) else {
            return stays(501, "5.5.4 Write MAIL FROM:<address>.");
        };
        if !self.senders.allow(address) {
            return stays(553, "5.7.1 This is no address of the account that is signed in.");
        }
        if let Some(first) = &mut self.first {
            first.mails(written, &rest[parameters..]);
        }
        // AUTH= would say on whose behalf (RFC 4954, 5): that is Postern's to say.
        let told = rest[parameters..].split(|octet| *octet == b' ').filter(|word| !word.is_empty());
        let told = told.filter(|word| !word.get(..5).is_some_and(|head| head.eq_ignore_ascii_case(b"AUTH=")));
        let mut mail = [b"MAIL ", &rest[..parameters]].concat();
        for word in told {
            mail.push(b' ');
            mail.extend_from_slice(word);
        }
        mail.extend_from_slice(b"\r\n");
        Judged::PassesAs(mail)
    }

    /// A line of a reply, with its end.
    fn reply(&mut self, octets: &[u8], down: &mut Vec<u8>) -> Result<(), Broken> {
        let text = octets.strip_suffix(b"\n").unwrap_or(octets);
        let line = Line::read(text.strip_suffix(b"\r").unwrap_or(text)).ok_or(Broken::Upstream)?;
        match self.due.front() {
            Some(Due::Hello) if line.code == 250 => {
                if self.hello.len() >= MAX_HELLO {
                    return Err(Broken::Upstream);
                }
                self.hello.push(String::from_utf8_lossy(line.text).into_owned());
                if line.last {
                    let heard = std::mem::take(&mut self.hello);
                    let (name, rest) = heard.split_first().ok_or(Broken::Upstream)?;
                    let told = Extensions::read(rest.iter().map(String::as_str)).in_session();
                    down.extend(list(250, &[std::slice::from_ref(name), &told].concat()));
                }
            }
            _ => down.extend_from_slice(octets),
        }
        if line.last {
            if let Some(Due::Data) = self.due.pop_front() {
                self.phase = if line.code == 354 { Phase::Message(Message::new()) } else { Phase::Commands };
            }
            while let Some(Due::Ours(_)) = self.due.front()
                && let Some(Due::Ours(octets)) = self.due.pop_front()
            {
                down.extend_from_slice(&octets);
            }
        }
        Ok(())
    }
}

impl Senders {
    fn allow(&self, address: &[u8]) -> bool {
        let Self::Only(own) = self else { return true };
        if address.is_empty() {
            return true;
        }
        let Ok(address) = std::str::from_utf8(address) else { return false };
        let address = address.to_lowercase();
        let Some((local, domain)) = address.rsplit_once('@') else { return false };
        let local = local.split('+').next().unwrap_or(local);
        own.iter().any(|own| own.rsplit_once('@') == Some((local, domain)))
    }
}
