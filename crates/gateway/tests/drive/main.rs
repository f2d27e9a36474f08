//! The drive, as clients and other accounts meet it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

mod boundaries;
mod conditions;
mod endings;
mod limits;
mod litmus;
mod locks;
mod served;
mod transfers;
mod xml;
