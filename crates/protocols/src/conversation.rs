//! What the server's sides have in common beneath their words: what may be heard
//! when, what is held back, how long patience lasts.

use std::collections::VecDeque;

use crate::dialogue::{Event, MAX_BAD_COMMANDS, MAX_PIPELINED, MAX_REFUSALS, Transport};
use crate::input::Input;
use crate::sasl::Credentials;

/// One conversation. `T` is what is waited for while the client talks, `S` what has
/// to be known to answer its sign-in.
pub(crate) struct Conversation<T, S> {
    pub(crate) transport: Transport,
    pub(crate) phase: Phase<T, S>,
    pub(crate) input: Input,
    events: VecDeque<Event>,
    refusals: u8,
    bad_commands: u8,
}

pub(crate) enum Phase<T, S> {
    /// The client is heard.
    Talking(T),
    /// Waiting for the caller's decision.
    SignIn(S),
    /// Waiting for TLS: not one more octet may come in the clear.
    StartTls,
    Closed,
}

/// What becomes of a client that asks for TLS.
pub(crate) enum AskedTls {
    /// Say so, then [begin](Conversation::begin_tls).
    Begins,
    /// A client waits for the answer. What is here already was put behind its command
    /// by somebody else, to be obeyed inside TLS (CVE-2011-0411): end it.
    Injected,
    NotOffered,
    Active,
}

impl<T: Default, S> Conversation<T, S> {
    pub(crate) fn new(transport: Transport) -> Self {
        Self {
            transport,
            phase: Phase::Talking(T::default()),
            input: Input::default(),
            events: VecDeque::new(),
            refusals: 0,
            bad_commands: 0,
        }
    }

    pub(crate) fn hear(&mut self, octets: &[u8]) {
        match self.phase {
            Phase::Closed => {}
            Phase::StartTls if octets.is_empty() => {}
            Phase::StartTls => {
                // Sent before the handshake, to be obeyed after it: CVE-2011-0411.
                self.events.retain(|event| !matches!(event, Event::StartTls));
                self.close();
            }
            Phase::SignIn(_) => {
                // One more than the bound is enough to see it passed.
                let room = (MAX_PIPELINED + 1).saturating_sub(self.input.unread().len());
                self.input.push(&octets[..octets.len().min(room)]);
            }
            Phase::Talking(_) => self.input.push(octets),
        }
    }

    pub(crate) fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// True if more was sent ahead of an answer than is kept.
    pub(crate) fn is_flooded(&self) -> bool {
        matches!(self.phase, Phase::SignIn(_)) && self.input.unread().len() > MAX_PIPELINED
    }

    /// What was waited for, while the client talks; from now on it is a command.
    pub(crate) fn take(&mut self) -> Option<T> {
        match &mut self.phase {
            Phase::Talking(awaited) => Some(std::mem::take(awaited)),
            _ => None,
        }
    }

    pub(crate) fn await_next(&mut self, awaited: T) {
        self.phase = Phase::Talking(awaited);
    }

    pub(crate) fn send(&mut self, octets: Vec<u8>) {
        self.events.push_back(Event::Send(octets));
    }

    pub(crate) fn close(&mut self) {
        self.phase = Phase::Closed;
        self.input.wipe();
        self.events.push_back(Event::Close);
    }

    /// Says this, and closes.
    pub(crate) fn end(&mut self, octets: Vec<u8>) {
        self.send(octets);
        self.close();
    }

    /// Closes at once, whatever was to be said. False if it is closed already.
    pub(crate) fn hang_up(&mut self) -> bool {
        if matches!(self.phase, Phase::Closed) {
            return false;
        }
        self.events.clear();
        self.close();
        true
    }

    pub(crate) fn asked_tls(&self) -> AskedTls {
        match self.transport {
            Transport::Plain { starttls: true } if self.input.unread().is_empty() => AskedTls::Begins,
            Transport::Plain { starttls: true } => AskedTls::Injected,
            Transport::Plain { starttls: false } => AskedTls::NotOffered,
            Transport::Encrypted => AskedTls::Active,
        }
    }

    pub(crate) fn begin_tls(&mut self) {
        self.events.push_back(Event::StartTls);
        self.phase = Phase::StartTls;
    }

    /// True if TLS was waited for.
    pub(crate) fn tls_started(&mut self) -> bool {
        let awaited = matches!(self.phase, Phase::StartTls);
        if awaited {
            self.transport = Transport::Encrypted;
            self.phase = Phase::Talking(T::default());
        }
        awaited
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.transport == Transport::Encrypted
    }

    pub(crate) fn may_try(&self) -> bool {
        self.refusals < MAX_REFUSALS
    }

    pub(crate) fn sign_in(&mut self, credentials: Credentials, answered_with: S) {
        self.events.push_back(Event::SignIn(credentials));
        self.phase = Phase::SignIn(answered_with);
    }

    /// What was sent ahead, if a sign-in waits and not too much was.
    pub(crate) fn admit(&mut self) -> Option<(S, Vec<u8>)> {
        let pipelined = self.input.take(self.input.unread().len());
        let Phase::SignIn(answered_with) = std::mem::replace(&mut self.phase, Phase::Closed) else { return None };
        (pipelined.len() <= MAX_PIPELINED).then(|| (answered_with, pipelined.to_vec()))
    }

    /// `None` when no sign-in waits.
    pub(crate) fn refuse(&mut self) -> Option<S> {
        match std::mem::replace(&mut self.phase, Phase::Talking(T::default())) {
            Phase::SignIn(answered_with) => {
                self.refused();
                Some(answered_with)
            }
            other => {
                self.phase = other;
                None
            }
        }
    }

    /// A try that is refused without being asked about: an empty password.
    pub(crate) fn refused(&mut self) {
        self.refusals += 1;
    }

    /// Counts a command that made no sense. True if it was the last that is borne.
    pub(crate) fn is_last_bad_command(&mut self) -> bool {
        self.bad_commands += 1;
        self.bad_commands >= MAX_BAD_COMMANDS
    }
}
