//! How well apps are told apart: recordings of real clients, through the real
//! decoders, judged by the rule of `fingerprint::compare`. Prints the table of
//! docs/app-lock.md:
//!
//! ```sh
//! cargo test -p protocols --test apps -- --nocapture
//! WRITE_TABLES=1 cargo test -p protocols --test apps measure
//! CAPTURES=/another/folder cargo test -p protocols --test apps measure -- --nocapture
//! ```
//!
//! A folder of other recordings is measured and not held to the figures; with
//! `SIGNATURES=1` every signature is printed as well.
//!
//! Those of the corpus are kept in `corpus/signatures.txt`, which
//! `WRITE_SIGNATURES=1` writes anew.

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

/// Passwords keep signatures for years: a change here makes strangers of the apps that
/// they are held to, and takes another `fingerprint::signature::VERSION`.
#[test]
fn signatures_of_the_recordings_stay_as_they_are() {
    let file = corpus().join("signatures.txt");
    let connections = measure::Connection::all(Capture::folder(&corpus()));
    let signatures = connections.iter().flat_map(|connection| {
        connection.signatures.iter().map(|seen| format!("{} {seen}\n", connection.capture.name))
    });
    let signatures: String = signatures.collect();
    if std::env::var_os("WRITE_SIGNATURES").is_some() {
        std::fs::write(&file, &signatures).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap();
    for (now, kept) in signatures.lines().zip(kept.lines()) {
        assert_eq!(now, kept);
    }
    assert_eq!(signatures.lines().count(), kept.lines().count());
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
        document(&measured.table());
    }
}

/// The documentation has this table: it is written there if that is asked for.
fn document(measured: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/app-lock.md");
    let text = std::fs::read_to_string(&file).unwrap();
    let begin = "<!-- the recordings: written by crates/protocols/tests/apps -->\n";
    let end = "<!-- the end of the recordings -->\n";
    let (before, rest) = text.split_once(begin).unwrap();
    let (written, after) = rest.split_once(end).unwrap();
    let (table, pairs) = measured.trim().split_once("\n\n").unwrap();
    let table = format!("{table}\n\n```text\n{pairs}\n```\n");
    if std::env::var_os("WRITE_TABLES").is_some() {
        std::fs::write(&file, format!("{before}{begin}{table}{end}{after}")).unwrap();
    } else {
        assert_eq!(written, table, "run WRITE_TABLES=1 cargo test -p protocols --test apps measure");
    }
}
