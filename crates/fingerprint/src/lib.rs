//! What can be seen of the program at the other end, and whether two sights are
//! of the same program.
//!
//! **What it is.** A vocabulary without IO. Doors show it the ClientHello
//! ([`tls`]), protocol decoders tell it how the client speaks ([`Dialogue`]); both
//! become a [`Signature`], one readable line, and [`compare`] tells whether two of
//! them can come from one app.
//!
//! **What it is not.** It decides nothing: which signatures a password is held to,
//! and what a difference leads to, is `authority`'s. Nor can it prove anything:
//! every sign can be forged. It tells honest programs apart, and careless thieves.
//!
//! # How a signature is made
//! Of what stays the same when a program connects again, over the other transport,
//! with a resumed TLS session, from another place or about another message. So it
//! leaves out names, addresses, counters, sizes and whatever belongs to the request,
//! and keeps order, case, quoting, mechanisms, and how the program names itself.
//!
//! # To see more of a client
//! A typed call on the protocol's part of [`Dialogue`], a word for it in its text,
//! and a new number in [`signature::VERSION`]: stored signatures of the old number
//! do not have the word, and are no longer alike.

mod compare;
mod dialogue;
pub mod http;
pub mod imap;
mod look;
mod product;
mod protocol;
pub mod signature;
pub mod spoken;
pub mod submission;
mod tag;
pub mod tls;
mod words;

pub use compare::{Compared, Tie, What, Why, compare, tie};
pub use dialogue::Dialogue;
pub use look::{Look, NotALook};
pub use product::Declared;
pub use protocol::Protocol;
pub use signature::{NotASignature, Signature};
