//! What owners are told: in words, and by mail.
//!
//! **What it is.** [`words`], in which the portal and mails say the same; [`Outbox`],
//! which takes from the keeper what is due, and hands it to a mail server until that
//! has taken it.
//!
//! **What it is not.** It does not decide what is told, or how often: that is
//! `authority::notice`, and a notice is made in the transaction of the line of audit
//! that it is. It keeps nothing: after a crash it begins with what the store says.
//!
//! **To add a notice:** a kind in `authority::notice`, its sentence, subject and
//! advice in [`words`].

mod mail;
mod outbox;
mod relay;
pub mod words;

pub use mail::{Sender, Settings};
pub use outbox::{Counts, Outbox};
pub use relay::{Credentials, NotARelay, Relay, RelayUrl};
