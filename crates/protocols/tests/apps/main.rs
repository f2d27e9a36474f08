//! How well apps are told apart: recordings of real clients, through the real
//! decoders, judged by the rule of `fingerprint::compare`. Prints the table of
//! docs/app-lock.md:
//!
//! ```sh
//! cargo test -p protocols --test apps -- --nocapture
//! CAPTURES=/another/folder cargo test -p protocols --test apps measure -- --nocapture
//! ```
//!
//! A folder of other recordings is measured and not held to the figures; with
//! `SIGNATURES=1` every signature is printed as well.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on has failed; this one prints its table"
)]

mod capture;
mod cost;
mod lock;
mod measure;
mod seen;
mod table;

use std::path::{Path, PathBuf};

use capture::Capture;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

#[test]
fn ja4_of_every_recording_is_what_other_tools_say() {
    for capture in Capture::folder(&corpus()) {
        let hello = capture.hello().unwrap_or_else(|| panic!("{} has no hello", capture.name));
        assert_eq!((hello.ja4(), hello.ja4_r()), (capture.ja4.clone(), capture.ja4_r.clone()), "{}", capture.name);
    }
}

#[test]
fn measure_prints_the_table() {
    let folder = std::env::var_os("CAPTURES").map(PathBuf::from);
    let captures = Capture::folder(folder.as_deref().unwrap_or(&corpus()));
    let connections = measure::Connection::all(captures);
    if std::env::var_os("SIGNATURES").is_some() {
        for connection in &connections {
            for seen in &connection.signatures {
                println!("{} {seen}", connection.capture.name);
            }
        }
    }
    let measured = measure::measure(&connections);
    println!("{}", measured.table());
    if folder.is_none() {
        measured.hold();
    }
}
