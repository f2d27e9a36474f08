//! HTTP: what of it is needed to sign in, and to tell what is asked for.

mod basic;
pub mod dav;
mod path;

pub use basic::{BasicError, MAX_AUTHORIZATION, basic};
pub use path::{AmbiguousPath, Path};
