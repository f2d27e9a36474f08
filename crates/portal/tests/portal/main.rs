//! What a browser gets, and what it may not do. The browser itself comes in `e2e`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod app_lock;
mod app_passwords;
mod browser;
mod connection;
mod factors;
mod forgery;
mod notices;
mod sessions;
mod sign_in;
mod signed_in_now;
mod waiting;
mod walk;
mod world;
