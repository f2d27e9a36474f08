//! The server sides of the protocols that apps speak, up to the sign-in; and the
//! client sides that hand a session to the server behind.
//!
//! **What it is.** State machines without IO ("sans-IO"): octets in, events
//! out. They own no socket, task, clock or thread, so that one test can try every
//! split of every input. Nothing is buffered beyond a bound, and everything that
//! may hold a password wipes itself.
//!
//! **What it is not.** It decides nothing. A [`sasl::Credentials`] is syntax: who
//! may come in, under which name, and what the refusal says is the caller's, and
//! so are time-outs. After the sign-in the octets belong to the relay. Of Postern it
//! depends on `fingerprint` only: the words for what decoders see of a client.
//!
//! # The shape of a protocol
//! A folder with a *decoder* (octets to commands, bounded before it buffers), an
//! *encoder* (answers to octets) and a *server* that holds them together:
//!
//! - `Server::new(Transport)` and `greeting()`;
//! - `feed(octets)`, then `next_event()` until `None`: `Send`, `StartTls`,
//!   `SignIn(Credentials)`, `Close`;
//! - `admit`, `refuse`, `unavailable` answer a `SignIn`, `bye` ends it all;
//! - `dialogue`: what was seen of the client.
//!
//! # To add a protocol
//! 1. A folder beside [`imap`] with these three files, and a *client* for the
//!    handover. What may be heard when, what is held back and how long patience
//!    lasts is `conversation`'s; literals and strings come from `framing` and
//!    `strings`, PLAIN and LOGIN from [`sasl`]; only the wording is new.
//! 2. Keep the rules that hold for each of them: no sign-in before TLS, and the
//!    secret not even parsed; nothing may follow STARTTLS in the clear; a refusal
//!    keeps the connection, an outage never looks like one; the announced list is
//!    frozen, since clients are told apart by what they do next.
//! 3. Tests as under `tests/dialogues/imap`: tables of bad input, recordings of real
//!    clients (`tests/corpus`), and the properties: the same events however the
//!    octets were cut, nothing in the clear signs in, and no panic on any.

mod conversation;
pub mod dialogue;
mod framing;
pub mod handover;
pub mod http;
pub mod imap;
mod input;
pub mod pop3;
pub mod sasl;
mod seen;
pub mod sieve;
pub mod smtp;
mod strings;

pub use dialogue::{Admitted, Event, ServerSide, Transport};
pub use handover::ClientSide;
