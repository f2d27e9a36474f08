//! The built binary, as people and scripts meet it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod apps;
mod doctor;
mod serving;
mod site;
mod supervised;
mod transcript;
