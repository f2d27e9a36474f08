//! Test doubles that hold the same contract as the real thing.
//!
//! **What it is.** A clock that stands still, randomness that repeats itself, a
//! store in memory, accounts and app passwords to start from.
//!
//! **What it is not.** It is never part of the server: only `dev-dependencies`
//! name it.

mod clock;
mod fixtures;
mod memory;
mod seeded;

pub use clock::FixedClock;
pub use fixtures::{account, app_password, by_admin, digest, login, new_account, second_factor, used};
pub use memory::MemoryStore;
pub use seeded::Seeded;
