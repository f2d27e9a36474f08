//! HTTP: what of it is needed to sign in, to tell what is asked for, and who asks.

mod basic;
pub mod dav;
mod head;
mod path;

pub use basic::{BasicError, MAX_AUTHORIZATION, basic};
pub use head::{Head, MAX_HEAD};
pub use path::{AmbiguousPath, Path};
