//! IMAP (RFC 3501, RFC 9051): [`Server`] towards the client until it has signed
//! in, [`Provisional`] until it is known, [`client::Client`] towards the server behind until the session is handed over.

mod capability;
pub mod client;
mod client_id;
mod decoder;
mod encoder;
mod forms;
mod provisional;
mod server;

pub use crate::framing::{MAX_LINE, MAX_LITERAL};
pub use capability::masked;
pub use client_id::ClientId;
pub use encoder::bye;
pub use provisional::{Flooded, Provisional};
pub use server::Server;
