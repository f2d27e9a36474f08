//! The doors: each speaks its protocol with the app, asks the keeper, hands the
//! session to the server behind and relays it.
//!
//! **What it is.** [`ImapDoor`], a `front::Service`. The parsing is `protocols`',
//! the decision the keeper's; what is left here is IO, time-outs and the order
//! of steps.
//!
//! **What it is not.** It has no rule of its own about who comes in, and keeps
//! nothing of what passes.
//!
//! **To add a door:** the decoder and encoder in `protocols`, a file here that
//! turns its sign-in into a `SignInAttempt`, the handover, and [`relay`].

pub mod drive;
mod http;
mod imap;
mod relay;
mod upstream;

pub use http::{
    HttpDoor,
    body::{Body, BodyError},
};
pub use imap::{ImapDoor, MasterUser};
pub use upstream::{NotAnUpstream, Upstream};

/// The one text for every refusal: it says what to do and nothing about why.
pub(crate) fn refusal(portal: &str) -> String {
    format!("Use an app password, not your account password: {portal}")
}

/// The one text for every outage.
pub(crate) const TRY_LATER: &str = "This service cannot answer right now, try again later.";
