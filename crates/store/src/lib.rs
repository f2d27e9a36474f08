//! What is kept, and where: behind the keeper's [`Store`](keeper::Store) port.
//!
//! **What it is.** [`sqlite::Sqlite`], the embedded store: one file in the data
//! folder, one server per folder, every acknowledged change on the disk.
//!
//! **What it is not.** It decides nothing: what a call means is said at the
//! port, and held to by the contract suite in `testkit`. It holds no key except
//! the one that seals the audit chain.
//!
//! **To add a call of the port:** a function in the file of what it is about,
//! its line in `impl Store`, its promise in the contract suite. **To change the
//! layout:** a new file in `migrations/`, with the next number and the same
//! name for every kind of database, and its line in the list of its folder; one
//! that was published is never edited.

mod accounts;
mod app_passwords;
mod chain;
mod copy;
mod database;
mod fail_point;
mod failure;
mod forms;
mod journal;
mod line;
mod migrations;
mod notices;
mod pins;
pub mod postgres;
mod restored;
mod revocations;
mod rows;
mod settling;
pub mod sqlite;
mod store;
mod tray;
mod writer;

pub use revocations::{IfLost, RevocationsError};
