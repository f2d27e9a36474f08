//! What is wrong with a configuration: file, line, key, and what to write.

use std::{
    io,
    path::{Path, PathBuf},
};

/// Points at one place in the configuration.
#[derive(Debug, thiserror::Error)]
#[error("{}{}: {what}", file.display(), line.map(|line| format!(":{line}")).unwrap_or_default())]
pub(crate) struct ConfigError {
    file: PathBuf,
    line: Option<usize>,
    what: String,
}

impl ConfigError {
    pub(super) fn unreadable(file: &Path, source: &io::Error) -> Self {
        let remedy = match source.kind() {
            io::ErrorKind::NotFound => "make one with `postern init`, or name it with --config",
            io::ErrorKind::PermissionDenied => "let Postern's user read it",
            io::ErrorKind::InvalidData => "write it in UTF-8",
            _ => "check the disk",
        };
        Self { file: file.into(), line: None, what: format!("cannot be read ({source}): {remedy}") }
    }

    pub(super) fn empty_password(file: &Path) -> Self {
        let what = "its first line is empty: put the password there".into();
        Self { file: file.into(), line: None, what }
    }

    pub(crate) fn whole(file: &Path, what: String) -> Self {
        Self { file: file.into(), line: None, what }
    }

    pub(crate) fn toml(file: &Path, text: &str, error: &toml::de::Error) -> Self {
        let at = error.span().map(|span| span.start);
        let line = at.map(|at| text[..at.min(text.len())].matches('\n').count() + 1);
        let key = line.and_then(|line| text.lines().nth(line - 1)).and_then(key_of);
        let what = match (unknown(error.message()), key) {
            (Some(what), _) => what,
            (None, Some(key)) if !error.message().contains(&format!("`{key}`")) => {
                format!("{key}: {}", error.message())
            }
            (None, _) => error.message().to_owned(),
        };
        Self { file: file.into(), line, what: what.trim_end().replace('\n', ": ") }
    }
}

/// The key that a line sets, or the section that it opens.
fn key_of(line: &str) -> Option<&str> {
    let line = line.trim();
    if line.starts_with('[') {
        return line.split(']').next().map(|section| section.trim_start_matches('[').trim());
    }
    line.split_once('=').map(|(key, _)| key.trim())
}

/// serde's "unknown field `lisen`, expected one of `listen`, `tls`", with the
/// nearest of them picked out.
fn unknown(message: &str) -> Option<String> {
    let mut quoted = message.strip_prefix("unknown field ")?.split('`').skip(1).step_by(2);
    let found = quoted.next()?;
    let known: Vec<&str> = quoted.collect();
    let near = known.iter().max_by(|a, b| strsim::jaro_winkler(found, a).total_cmp(&strsim::jaro_winkler(found, b)));
    Some(match near.filter(|near| strsim::jaro_winkler(found, near) > 0.7) {
        Some(near) => format!("{found}: unknown key; did you mean {near:?}?"),
        None => format!("{found}: unknown key; known here are {}", known.join(", ")),
    })
}
