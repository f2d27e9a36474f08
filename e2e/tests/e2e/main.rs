//! Real clients at real doors with real servers behind.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod app_lock;
mod audit_copy;
mod backup;
mod bad_input;
mod canary;
mod clients;
mod command_line;
mod confined;
mod dav;
mod faults;
mod hosts;
mod keys;
mod mailboxes;
mod matrix;
mod mixed_load;
mod monitoring;
mod notices;
mod proxied;
mod reload;
mod revocation;
mod rules;
mod sessions;
mod store_trouble;
mod submission;
mod thunderbird;
mod web_server;

use e2e::{Dovecot, Mailboxes, Postern, Radicale, Site};

/// Everything that runs.
struct World {
    postern: Postern,
    dovecot: Dovecot,
    mailboxes: Mailboxes,
    _radicale: Radicale,
}

impl World {
    fn start() -> Self {
        let (dovecot, radicale) = (Dovecot::start().unwrap(), Radicale::start().unwrap());
        let mailboxes = dovecot.mailboxes().unwrap();
        let postern = Site::new(dovecot.port, radicale.port, &mailboxes.config).unwrap().serve().unwrap();
        Self { postern, dovecot, mailboxes, _radicale: radicale }
    }
}
