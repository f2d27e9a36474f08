//! Real clients at real doors with real servers behind.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod backup;
mod bad_input;
mod clients;
mod command_line;
mod confined;
mod faults;
mod keys;
mod matrix;
mod revocation;
mod store_trouble;
mod submission;
mod thunderbird;
mod web_server;

use e2e::{Dovecot, Postern, Radicale};

/// Everything that runs.
struct World {
    postern: Postern,
    dovecot: Dovecot,
    _radicale: Radicale,
}

impl World {
    fn start() -> Self {
        let (dovecot, radicale) = (Dovecot::start().unwrap(), Radicale::start().unwrap());
        let postern = Postern::start(dovecot.port, radicale.port).unwrap();
        Self { postern, dovecot, _radicale: radicale }
    }
}
