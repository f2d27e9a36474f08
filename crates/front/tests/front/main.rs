//! The front on loopback, with real sockets and a real TLS client.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod certificates;
mod drain;
mod limits;
mod listeners;
mod proxy;
mod replace;
mod site;
mod tls;
