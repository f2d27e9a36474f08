//! The keeper over a memory store, as doors, owners and administrators meet it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod app_lock;
mod canary;
mod drawer;
mod places;
mod portal;
mod revocation;
mod rotation;
mod sign_in;
mod tenure;
mod world;
