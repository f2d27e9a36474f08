//! The first thing a client says: its ClientHello (RFC 8446, 4.1.2).

mod family;
mod hello;
mod ja4;
mod reader;

pub use family::Family;
pub use hello::{ClientHello, MAX_HELLO, NotAHello};
