//! The doors, as apps meet them: real sockets, a real keeper, and servers behind
//! that misbehave as no real one could be made to.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

mod asking;
mod behind;
mod http_bodies;
mod http_connection;
mod http_drive;
mod http_forward;
mod http_multiplexed;
mod http_named;
mod http_pool;
mod http_routes;
mod http_sessions;
mod http_sign_in;
mod http_smuggling;
mod imap;
mod imap_behind;
mod imap_client;
mod mailboxes;
mod places;
mod provisional;
mod world;
