//! Files and folders, and who else on this machine can get at them.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use super::Finding;
use crate::config::{Config, TlsFiles};

/// The configuration, the data folder and all that holds a secret.
pub(super) fn examine(file: &Path, config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    if mode(file).is_some_and(|mode| mode & 0o022 != 0) {
        findings.push(Finding::fail(
            "files",
            format!("{} can be written by others", file.display()),
            format!("chmod go-w {}", file.display()),
        ));
    }
    if mode(&config.data).is_some_and(|mode| mode & 0o077 != 0) {
        findings.push(Finding::fail(
            "files",
            format!("the data folder {} is open to others", config.data.display()),
            format!("chmod 700 {}", config.data.display()),
        ));
    }
    for gateway in &config.gateway {
        if let Some(password) = gateway.service.password_file() {
            match password.read() {
                Ok(_) if password.is_exposed() => findings.push(exposed(password.path())),
                Ok(_) => {}
                Err(error) => findings.push(Finding::failed(format!("handover {}", gateway.name), &error)),
            }
        }
    }
    if let Some(file) = config.store.as_ref().and_then(|store| store.password_file.as_deref()) {
        findings.extend(readable(file));
    }
    findings.extend(config.tls.iter().flat_map(TlsFiles::keys).filter_map(readable));
    for folder in ["keys", "tls"] {
        for entry in fs::read_dir(config.data.join(folder)).into_iter().flatten().flatten() {
            let path = entry.path();
            let secret = path.file_name().is_some_and(|name| {
                let name = name.to_string_lossy();
                name.ends_with(".key") || name.ends_with("-key.pem")
            });
            if secret {
                findings.extend(readable(&path));
            }
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok("files", "what is secret is closed to others"));
    }
    findings
}

fn readable(path: &Path) -> Option<Finding> {
    // A group that was made for it, such as ssl-cert, may read.
    (mode(path)? & 0o007 != 0).then(|| exposed(path))
}

fn exposed(path: &Path) -> Finding {
    Finding::warn(
        "files",
        format!("{} holds a secret and can be read by everybody on this machine", path.display()),
        format!("chmod o-rwx {}, and change the secret if others have an account here", path.display()),
    )
}

fn mode(path: &Path) -> Option<u32> {
    Some(fs::metadata(path).ok()?.permissions().mode())
}
