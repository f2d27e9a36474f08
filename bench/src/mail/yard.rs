//! What all peers share: the server behind, the certificate, the people.

use std::{
    fs,
    path::{Path, PathBuf},
};

use e2e::Site;
use tempfile::TempDir;

use super::Protocol;
use crate::{
    Outcome,
    machine::{Core, ourselves},
    report::tell,
    server::Server,
};

/// So many accounts sign in, in turns.
const PEOPLE: usize = 20;

/// Gone with its servers and folders when dropped.
pub(super) struct Yard {
    _stub: Server,
    pub(super) protocol: Protocol,
    /// Where Postern will listen.
    pub(super) door: u16,
    /// Where the server behind listens.
    pub(super) upstream: u16,
    /// Postern's site; the certificate is in it.
    pub(super) site: Site,
    /// Logins and app passwords. The peers let in whoever has them, or anybody.
    pub(super) people: Vec<(String, String)>,
    folder: TempDir,
}

impl Yard {
    pub(super) fn new(protocol: Protocol) -> Outcome<Self> {
        Core::Load.move_here()?;
        let folder = tempfile::Builder::new().prefix("postern-bench-").tempdir()?;
        // Dovecot's workers run under another user and have to get here.
        fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        let upstream = e2e::free_port()?;
        let mut stub = ourselves();
        stub.arg("mail-stub").arg(format!("{protocol:?}").to_lowercase()).arg(upstream.to_string());
        let stub = Server::start(&mut stub, Core::Load, upstream, &folder.path().join("stub.log"))?;

        tell(&format!("{}: {PEOPLE} accounts", protocol.name()));
        // Some parts have all sessions under a few passwords.
        let door = e2e::free_port()?;
        let more = format!("[app_passwords]\nsessions = 1000000\n{}", protocol.gateway(door, upstream));
        let site = Site::new(e2e::free_port()?, e2e::free_port()?, &more)?;
        let mut people = vec![];
        for number in 0..PEOPLE {
            let login = format!("user{number}@example.org");
            site.account(&login)?;
            let (_, secret) = site.app_password(&login, protocol.scope(), &["--lock", "off"])?;
            people.push((login, secret));
        }
        Ok(Self { _stub: stub, protocol, door, upstream, site, people, folder })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The certificate that all are to serve under, the issuer behind it.
    pub(super) fn certificate(&self) -> PathBuf {
        self.site.path("data/tls/server.pem")
    }

    pub(super) fn key(&self) -> PathBuf {
        self.site.path("data/tls/server-key.pem")
    }

    /// Writes a file and returns where it is.
    pub(super) fn write(&self, name: &str, text: &str) -> Outcome<PathBuf> {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
        fs::write(&path, text)?;
        Ok(path)
    }
}
