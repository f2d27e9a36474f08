//! The protocols from outside: dialogues, recordings of real clients, and properties.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy.toml allows them in tests, but sees none in their helpers"
)]

mod caller;
mod imap;
mod pop3;
mod recording;
mod sieve;
mod smtp;
