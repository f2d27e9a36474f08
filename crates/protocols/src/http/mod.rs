//! HTTP: heads and bodies as they are written in HTTP/1.1, and what of them is needed
//! to sign in, to tell what is asked for, and who asks.

mod basic;
pub mod dav;
pub mod head;
mod path;
mod rest;

pub use basic::{BasicError, MAX_AUTHORIZATION, basic};
pub use path::{AmbiguousPath, Path};
pub use rest::{Chunks, Malformed, Rest};
