//! `postern init`: a configuration to start from, with every key explained.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use authority::Domain;

use crate::{
    config::Url,
    data::{DataError, make_folder},
};

const TEMPLATE: &str = include_str!("../postern.toml");

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InitError {
    #[error("--domain: {0:?} is no domain: write example.org or the like")]
    Domain(String),
    #[error("--url: {0}")]
    Url(&'static str),
    #[error("--url: begin it with https://: the portal's cookie, and people's passwords, need it")]
    Plain,
    #[error("{} is there already: edit it, or choose another --dir", .0.display())]
    Exists(PathBuf),
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Data(#[from] DataError),
}

/// Writes `postern.toml` and makes the data folder. Never overwrites.
pub(crate) fn init(dir: &Path, domain: &str, url: &str) -> Result<PathBuf, InitError> {
    let domain: Domain = domain.parse().map_err(|_| InitError::Domain(domain.to_owned()))?;
    let url: Url = url.parse().map_err(InitError::Url)?;
    if url.scheme() != "https" {
        return Err(InitError::Plain);
    }
    make_folder(dir)?;
    let path = dir.strip_prefix(".").unwrap_or(dir).join("postern.toml");
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o640).open(&path).map_err(|source| {
        match source.kind() {
            io::ErrorKind::AlreadyExists => InitError::Exists(path.clone()),
            _ => InitError::Write { path: path.clone(), source },
        }
    })?;
    let text = TEMPLATE.replace("@DOMAIN@", domain.as_str()).replace("@URL@", &url.to_string());
    file.write_all(text.as_bytes()).map_err(|source| InitError::Write { path: path.clone(), source })?;
    make_folder(&dir.join("data"))?;
    Ok(path)
}
