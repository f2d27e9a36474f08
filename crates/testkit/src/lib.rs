//! Test doubles that hold the same contract as the real thing.
//!
//! **What it is.** A clock that stands still, randomness that repeats itself, a
//! store in memory, accounts and app passwords to start from, the [`contract`]
//! that every [`keeper::Store`] has to keep, and random [`histories`] of a keeper
//! over one.
//!
//! **What it is not.** It is never part of the server: only `dev-dependencies`
//! name it. It mocks nothing: the store in memory passes the suite that SQLite
//! passes.
//!
//! **To add a promise to the contract:** a function in `contract/` that acts it
//! out on an empty store, and its name in `contract_suite!`. Every store then has
//! a test more.

mod clock;
pub mod contract;
mod disk;
mod fixtures;
pub mod histories;
mod memory;
mod postgres;
mod seeded;

/// Named apart: the keeper's unit tests compile `memory` over loom's instead.
mod sync {
    pub(crate) use std::sync::{Mutex, MutexGuard};
}

pub use clock::FixedClock;
pub use disk::Disk;
pub use fixtures::{
    account, app_password, by_admin, digest, login, new_account, primary, second_factor, signature, used,
};
pub use memory::{Call, Hold, MemoryStore};
pub use postgres::Postgres;
pub use seeded::Seeded;
