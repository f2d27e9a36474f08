//! The HTTP door.

pub mod body;
