//! HTTP: what of it is needed to sign in.

mod basic;

pub use basic::{BasicError, MAX_AUTHORIZATION, basic};
