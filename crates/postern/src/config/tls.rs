//! `[tls]`: certificates that somebody else made.

use std::path::{Path, PathBuf};

use front::{CertificateFiles, Tls, TlsError};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TlsFiles {
    certificate: PathBuf,
    key: PathBuf,
    /// For other names.
    #[serde(default)]
    also: Vec<Files>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

impl TlsFiles {
    /// All of them, read.
    pub(crate) fn load(&self) -> Result<Tls, TlsError> {
        let files =
            |certificate: &Path, key: &Path| CertificateFiles { certificate: certificate.into(), key: key.into() };
        let also = self.also.iter().map(|one| files(&one.certificate, &one.key)).collect();
        Tls::load_all(files(&self.certificate, &self.key), also)
    }

    /// The secret ones.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Path> {
        std::iter::once(&self.key).chain(self.also.iter().map(|one| &one.key)).map(PathBuf::as_path)
    }

    /// All files, which are read again when the server is told to.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        let certificates = std::iter::once(&self.certificate).chain(self.also.iter().map(|one| &one.certificate));
        certificates.map(PathBuf::as_path).chain(self.keys())
    }

    pub(super) fn place(&mut self, at: impl Fn(&mut PathBuf)) {
        at(&mut self.certificate);
        at(&mut self.key);
        for one in &mut self.also {
            at(&mut one.certificate);
            at(&mut one.key);
        }
    }
}
