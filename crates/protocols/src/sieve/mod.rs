//! ManageSieve (RFC 5804): [`Server`] towards the client until it has signed in,
//! [`client::Client`] towards the server behind until the session is handed over.

mod capability;
pub mod client;
mod decoder;
mod encoder;
mod server;

pub use capability::Shown;
pub use encoder::{bye, unavailable};
pub use server::Server;
