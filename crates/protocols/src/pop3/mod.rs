//! POP3 (RFC 1939, 2449, 2595, 5034): [`Server`] towards the client until it has
//! signed in, [`client::Client`] towards the server behind until the session is
//! handed over.

pub mod client;
mod decoder;
mod encoder;
mod server;

pub use decoder::MAX_LINE;
pub use encoder::bye;
pub use server::Server;
