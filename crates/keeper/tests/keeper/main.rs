//! The keeper over a memory store, as doors, owners and administrators meet it.

mod portal;
mod revocation;
mod sign_in;
mod world;
