//! IMAP from outside: dialogues, recordings of real clients, and properties.

mod caller;
mod client;
mod properties;
mod recordings;
mod server;
