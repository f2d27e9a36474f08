//! The front: where connections come in.
//!
//! It listens, reads the PROXY header of trusted proxies, does TLS, keeps count
//! of who is inside, and hands each connection to the [`Service`] of its
//! endpoint. All of that can be replaced while it serves: [`Serving::replace`]. On
//! shutdown it stops accepting, tells everyone, waits, and cuts.
//!
//! It is not a protocol: it never looks at what is said inside a connection,
//! and knows no other crate of ours. It trusts nobody: what a client can choose
//! is bounded in size and time before the service sees it.
//!
//! - One connection's way in, as one straight function: `admission.rs`.
//! - Another kind of socket: a variant of [`Address`], of `Listener` and of
//!   `Transport` in `stream.rs`; the compiler shows the rest.
//! - Another rule before TLS: a step in `admission.rs`, under its deadline.
//! - Another parser of what comes ahead of everything: its line in `parsers.rs`, and a
//!   target in `fuzz/src/front.rs`.
//! - Types of rustls stay inside. [`Tls`] is all that others see of it.

mod address;
mod admission;
mod certificate;
mod entrance;
mod limits;
mod listener;
#[doc(hidden)]
pub mod parsers;
mod passed;
mod proxy_protocol;
pub mod self_made;
mod server;
mod service;
mod shutdown;
mod stream;
mod tls;
mod tls_stream;
mod traffic;

pub use address::{Address, AddressError};
pub use certificate::{CertificateFacts, TlsError, describe};
pub use limits::{Limits, Seat};
pub use listener::BindError;
pub use passed::{NotPassed, Passed};
pub use server::{Endpoint, Security, Server, Serving};
pub use service::{Connection, Peer, Service};
pub use shutdown::{Shutdown, ShutdownHandle};
pub use stream::Stream;
pub use tls::{CertificateFiles, Tls};
pub use traffic::{Counts, Listening};
