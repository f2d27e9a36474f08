//! Certificates that nobody signed but themselves.

use std::{io, path::Path, process::Command};

use crate::run;

/// Makes one for this name, and its key.
///
/// # Errors
/// What openssl says.
pub fn self_signed(name: &str, certificate: &Path, key: &Path) -> io::Result<()> {
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]);
    openssl.args(["-subj", &format!("/CN={name}"), "-addext", &format!("subjectAltName=DNS:{name}"), "-keyout"]);
    match run(openssl.arg(key).arg("-out").arg(certificate))? {
        (Some(0), _) => Ok(()),
        (_, said) => Err(io::Error::other(said)),
    }
}
