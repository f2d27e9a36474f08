//! Mail submission (RFC 6409 over RFC 5321): [`Server`] towards the client until
//! it has signed in (RFC 4954), [`client::Client`] towards the server behind, and
//! [`Session`] over both until the end.
//!
//! The session is watched, unlike IMAP's: the server behind takes XCLIENT from
//! Postern's address, so a client that got that word through could be anybody.

pub mod client;
mod command;
mod extensions;
mod first;
mod message;
mod reply;
mod server;
mod session;
mod turned_away;

pub use extensions::Extensions;
pub use reply::bye;
pub use server::Server;
pub use session::{Broken, Senders, Session};
pub use turned_away::TurnedAway;
