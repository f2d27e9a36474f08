//! Real servers and real clients, started for a test or for the demo, and gone
//! with it.
//!
//! **What it is.** [`Postern`] is the real binary with a configuration of its own
//! on free loopback ports; [`Dovecot`], [`Postfix`] and [`Radicale`] are Debian's, nobody's way
//! in but Postern's. [`Imap`] speaks to a door over TLS with `openssl s_client`
//! where a test needs to see every byte.
//!
//! **What it is not.** Nothing here stands in for something real.

mod dovecot;
mod imap;
mod nginx;
mod postern;
mod postfix;
mod process;
mod radicale;
mod self_signed;
mod xandikos;

pub use dovecot::{Dovecot, Mailboxes};
pub use imap::Imap;
pub use nginx::Nginx;
pub use postern::{Account, Output, Postern, Site, binary};
pub use postfix::Postfix;
pub use process::{Running, free_port, run, until};
pub use radicale::Radicale;
pub use self_signed::self_signed;
pub use xandikos::Xandikos;

/// What the accounts of the tests sign in to the portal with.
pub const PRIMARY: &str = "correct horse battery staple";
