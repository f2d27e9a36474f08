//! The front on loopback, with real sockets and a real TLS client.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "what surrounds the tests is part of them")]

mod certificates;
mod drain;
mod limits;
mod listeners;
mod proxy;
mod site;
mod tls;
