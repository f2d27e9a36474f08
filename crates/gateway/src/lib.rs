//! The doors: each speaks its protocol with the app, asks the keeper, hands the
//! session to the server behind and relays it; and the [`drive`], which is its
//! own server behind.
//!
//! **What it is.** [`MailDoor`] and [`HttpDoor`], each a `front::Service`. The
//! parsing is `protocols`' and, for HTTP/2, hyper's, the decision the keeper's; what is left
//! here is IO, time-outs, the order of steps, and what passes between an app and
//! the server behind: which headers, whose name, and nothing after a revocation.
//!
//! **What it is not.** It has no rule of its own about who comes in, and keeps
//! nothing of what passes.
//!
//! - To add a door for mail: both sides of the dialogue in `protocols`, and a file
//!   in `mail/` that says how a door speaks it.
//! - To add a header that servers behind believe: `http/headers.rs`.
//! - Several names at one address, the portal's among them: `http/named.rs`.
//! - What browsers are told and refused: `http/response_policy.rs`.
//! - The wall around a folder: `drive/folder.rs`; every call in it starts from
//!   an open folder and follows no link. Keep it so.

pub mod drive;
mod http;
mod mail;
mod relay;
mod tls_hello;
mod upstream;

pub use http::{
    BasicHandover, HttpDoor, HttpHandover, Named, NotATemplate, Pages, Prefix, Route,
    body::{Body, BodyError},
};
pub use mail::{Imap, MailDoor, MasterUser, Pop3, Sieve, Submission, SubmissionHandover};
/// In routes and prefixes.
pub use protocols::http::Path;
pub use upstream::{NotAnUpstream, Upstream};

/// The one text for every refusal: it says what to do and nothing about why.
pub(crate) fn refusal(portal: &str) -> String {
    format!("Use an app password, not your account password: {portal}")
}

/// The one text where a password has as many sessions as it may.
pub(crate) const TOO_MANY: &str = "Too many connections with this password, close some or try again later.";

/// The one text for every outage.
pub(crate) const TRY_LATER: &str = "This service cannot answer right now, try again later.";
