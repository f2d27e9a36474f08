//! Sessions at the command line, as text files that people review.
//!
//! `$ postern ARGUMENTS [< INPUT]`, then what it printed; lines on standard
//! error begin with `! `; an exit status other than 0 comes last. What differs
//! from run to run stands as `<id>`, `<secret>` and so on. To write the files
//! anew after a change: `WRITE_TRANSCRIPTS=1 cargo test -p postern`.

use std::{fmt::Write, fs, path::Path};

use crate::site::Site;

#[test]
fn first_day() {
    replay("first-day.txt");
}

#[test]
fn mistakes() {
    replay("mistakes.txt");
}

#[test]
fn help() {
    replay("help.txt");
}

fn replay(name: &str) {
    let site = Site::empty();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/transcripts").join(name);
    let wanted = fs::read_to_string(&file).unwrap();
    let mut got = String::new();
    for line in wanted.lines() {
        if let Some(typed) = line.strip_prefix("$ postern ") {
            run(&site, typed, &mut got);
        } else if line.starts_with("# ") {
            writeln!(got, "{line}").unwrap();
        }
    }
    if std::env::var_os("WRITE_TRANSCRIPTS").is_some() {
        return fs::write(&file, &got).unwrap();
    }
    assert!(got == wanted, "{} has changed; now it is:\n{got}", file.display());
}

fn run(site: &Site, typed: &str, got: &mut String) {
    let (arguments, input) = typed.split_once(" < ").unwrap_or((typed, ""));
    let arguments: Vec<&str> = arguments.split(' ').collect();
    let ended = site.run_with(&arguments, &format!("{input}\n"));
    let same = |text: &str| without_chance(&text.replace(&*site.path("").to_string_lossy(), "/site/"));
    writeln!(got, "$ postern {typed}").unwrap();
    for line in same(&ended.out).lines() {
        writeln!(got, "{}", line.trim_end()).unwrap();
    }
    for line in same(&ended.err).lines() {
        writeln!(got, "! {line}").unwrap();
    }
    if ended.status != Some(0) {
        writeln!(got, "[exit {}]", ended.status.unwrap()).unwrap();
    }
}

/// Puts names in the place of what is drawn or dated.
fn without_chance(text: &str) -> String {
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | ':' | '.' | '@');
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(part) {
        let end = rest[start..].find(|c| !part(c)).map_or(rest.len(), |end| start + end);
        out.push_str(&rest[..start]);
        let token = &rest[start..end];
        out.push_str(name_of(token).unwrap_or(token));
        rest = &rest[end..];
    }
    out + rest
}

fn name_of(token: &str) -> Option<&'static str> {
    let all = |fit: fn(u8) -> bool| token.bytes().all(fit);
    let groups: Vec<usize> = token.split('-').map(str::len).collect();
    match (token.len(), &*groups) {
        (16, [16]) if all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()) => Some("<id>"),
        (29, [4, 4, 4, 4, 4, 4]) => Some("<secret>"),
        (11, [5, 5]) if all(|b| b == b'-' || b.is_ascii_lowercase() || b.is_ascii_digit()) => Some("<code>"),
        (20, [4, 2, _]) if token.ends_with('Z') => Some("<date>"),
        (32, [32]) if all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()) => Some("<seed>"),
        (32, [32]) if all(|b| b.is_ascii_hexdigit()) => Some("<seal>"),
        _ => None,
    }
}
