//! Fuzzing of the parsers: `cargo +nightly fuzz run imap_server fuzz/corpus/imap_server fuzz/seeds/imap_server`.

pub mod front;
pub mod targets;
