//! `postern.toml`: read once, whole, into values that are known to be right.

mod doors;
mod error;
mod http;
mod notices;
mod tls;
mod values;

use std::{
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use authority::{Catalogue, Cutoff, Domain, LockMode};
use front::Address;
use ipnet::IpNet;
use serde::Deserialize;
use store::postgres::{NotAServer, Server};

pub(crate) use self::doors::{Gateway, Mailbox, Master, PasswordFile, Service, SubmissionHandover};
pub(crate) use self::http::{Handover, Http, Serves};
pub(crate) use self::notices::Notices;
pub(crate) use self::tls::TlsFiles;
use crate::{apps, audit_copy::CopyTo, canary::Also};
pub(crate) use error::ConfigError;
pub(crate) use values::{DatabaseUrl, HostName, Lasting, Url, network};
use values::{addresses, cutoff, duration, lock, networks, size, text};

/// Everything that a site is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    #[serde(deserialize_with = "text")]
    pub(crate) domain: Domain,
    #[serde(deserialize_with = "text")]
    pub(crate) url: Url,
    pub(crate) data: PathBuf,
    /// A folder of apps of the site's own; left out: `apps` in `data`, if it is there.
    apps: Option<PathBuf>,
    /// All apps that the site knows.
    #[serde(skip)]
    pub(crate) catalogue: Catalogue,
    pub(crate) store: Option<Database>,
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) portal: Portal,
    pub(crate) notices: Option<Notices>,
    #[serde(default)]
    pub(crate) app_passwords: AppPasswords,
    #[serde(default)]
    pub(crate) cutoff: CutoffSection,
    #[serde(default)]
    pub(crate) gateway: Vec<Gateway>,
    pub(crate) drive: Option<Drive>,
    pub(crate) monitor: Option<Monitor>,
    #[serde(default)]
    pub(crate) limits: Limits,
    #[serde(default)]
    pub(crate) canary: Canary,
    pub(crate) audit: Option<Audit>,
}

/// A database server that keeps everything, in place of SQLite in `data`.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Database {
    /// `postgres://user@host/database`, or `postgres:///database?host=/folder/of/the/socket`.
    pub(crate) url: DatabaseUrl,
    /// Holds the user's password in its first line.
    pub(crate) password_file: Option<PathBuf>,
    /// Signs the server's certificate; left out: whom this system trusts.
    pub(crate) ca: Option<PathBuf>,
}

impl Database {
    /// The server, its files read.
    pub(crate) fn server(&self) -> Result<Server, NotAServer> {
        if let Some(file) = self.password_file.as_deref().filter(|file| is_exposed(file)) {
            tracing::warn!(file = %file.display(), "everybody on this machine can read the database's password: chmod o-rwx it");
        }
        Server::new(&self.url.0, self.password_file.as_deref(), self.ca.as_deref())
    }
}

/// A group that was made for it may read.
pub(crate) fn is_exposed(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o007 != 0)
}

/// What each listener bears.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    #[serde(deserialize_with = "values::connections")]
    connections: usize,
    #[serde(deserialize_with = "values::connections")]
    per_address: usize,
    #[serde(deserialize_with = "networks")]
    exempt: Vec<IpNet>,
    #[serde(deserialize_with = "duration")]
    handshake: Lasting,
}

impl Default for Limits {
    fn default() -> Self {
        let front::Limits { total, per_address, exempt, handshake } = front::Limits::default();
        Self { connections: total, per_address, exempt, handshake: Lasting(handshake) }
    }
}

impl Limits {
    pub(crate) fn of_a_listener(&self) -> front::Limits {
        front::Limits {
            total: self.connections,
            per_address: self.per_address,
            exempt: self.exempt.clone(),
            handshake: self.handshake.0,
        }
    }
}

/// Where whoever watches over the site asks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Monitor {
    #[serde(deserialize_with = "addresses")]
    pub(crate) listen: Vec<Address>,
}

/// Where the audit is copied to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Audit {
    #[serde(deserialize_with = "text")]
    pub(crate) copy_to: CopyTo,
}

/// Whose secrets are tried wherever somebody could sign in: see `canary`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Canary {
    #[serde(deserialize_with = "duration")]
    pub(crate) every: Lasting,
    /// Whether to look for what `domain` publishes.
    pub(crate) published: bool,
    /// Whom to ask for it; left out: whom this system asks.
    #[serde(deserialize_with = "values::resolver")]
    pub(crate) resolver: Option<SocketAddr>,
    /// Other places.
    #[serde(deserialize_with = "values::also")]
    pub(crate) also: Vec<Also>,
}

impl Default for Canary {
    fn default() -> Self {
        Self { every: Lasting(Duration::from_secs(3600)), published: true, resolver: None, also: vec![] }
    }
}

/// Where people sign in.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Portal {
    #[serde(deserialize_with = "addresses")]
    pub(crate) listen: Vec<Address>,
    #[serde(default = "yes")]
    pub(crate) tls: bool,
    #[serde(default, deserialize_with = "networks")]
    pub(crate) trusted_proxies: Vec<IpNet>,
}

fn yes() -> bool {
    true
}

/// The rules for app passwords.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AppPasswords {
    #[serde(deserialize_with = "values::limit")]
    pub(crate) limit: usize,
    #[serde(deserialize_with = "lock")]
    pub(crate) lock: LockMode,
    #[serde(deserialize_with = "duration")]
    pub(crate) first_use_within: Lasting,
    #[serde(deserialize_with = "values::sessions")]
    pub(crate) sessions: usize,
}

impl Default for AppPasswords {
    fn default() -> Self {
        Self { limit: 25, lock: LockMode::Lock, first_use_within: Lasting(Duration::from_secs(3600)), sessions: 64 }
    }
}

/// How far the site has moved over.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CutoffSection {
    #[serde(default, deserialize_with = "cutoff")]
    pub(crate) mode: Cutoff,
}

/// A folder of files for each account.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Drive {
    #[serde(default, deserialize_with = "addresses")]
    pub(crate) listen: Vec<Address>,
    /// On the portal's listener.
    #[serde(default, deserialize_with = "values::host")]
    pub(crate) host: Option<HostName>,
    #[serde(default = "Drive::ample", deserialize_with = "size")]
    pub(crate) quota: u64,
    #[serde(default, deserialize_with = "networks")]
    pub(crate) proxy_protocol_from: Vec<IpNet>,
}

impl Drive {
    fn ample() -> u64 {
        10 << 30
    }
}

impl Config {
    /// Goes on with what a server reads at its start alone, whatever this one says
    /// of it. Returns the names of what differs.
    pub(crate) fn keep_from(&mut self, old: &Self) -> Vec<&'static str> {
        let quota = |config: &Self| config.drive.as_ref().map(|drive| drive.quota);
        let differs = [
            ("domain", self.domain != old.domain),
            ("url", self.url != old.url),
            ("data", self.data != old.data),
            ("[store]", self.store != old.store),
            ("[drive] quota", quota(self).zip(quota(old)).is_some_and(|(new, old)| new != old)),
        ];
        self.domain = old.domain.clone();
        self.url = old.url.clone();
        self.data.clone_from(&old.data);
        differs.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
    }

    /// Reads a file. Paths in it are relative to its folder.
    ///
    /// # Errors
    /// Name the file, the line, the key and what is expected there.
    pub(crate) fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::unreadable(path, &source))?;
        let mut config: Self = toml::from_str(&text).map_err(|error| ConfigError::toml(path, &text, &error))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        config.place(folder);
        config.check().map_err(|what| ConfigError::whole(path, what))?;
        config.catalogue = match config.apps_folder() {
            Some(folder) => apps::with_folder(&folder)?,
            None => apps::shipped()?,
        };
        Ok(config)
    }

    /// Where the site's own apps are, if it has any.
    pub(crate) fn apps_folder(&self) -> Option<PathBuf> {
        self.apps.clone().or_else(|| Some(self.data.join("apps")).filter(|folder| folder.is_dir()))
    }

    fn place(&mut self, folder: &Path) {
        let at = |path: &mut PathBuf| *path = folder.join(&*path);
        if let Some(store) = &mut self.store {
            [&mut store.password_file, &mut store.ca].into_iter().flatten().for_each(at);
        }
        at(&mut self.data);
        if let Some(audit) = &mut self.audit {
            at(audit.copy_to.path_mut());
        }
        if let Some((_, PasswordFile(file))) = self.notices.as_mut().and_then(|notices| notices.login.as_mut()) {
            at(file);
        }
        self.apps.iter_mut().for_each(at);
        if let Some(tls) = &mut self.tls {
            tls.place(at);
        }
        let socket = |address: &mut Address| {
            if let Address::Unix(path) = address {
                *path = folder.join(&*path);
            }
        };
        self.portal.listen.iter_mut().for_each(socket);
        self.drive.iter_mut().flat_map(|drive| &mut drive.listen).for_each(socket);
        self.monitor.iter_mut().flat_map(|monitor| &mut monitor.listen).for_each(socket);
        for gateway in &mut self.gateway {
            gateway.listen.iter_mut().chain(&mut gateway.listen_starttls).for_each(socket);
            gateway.service.place(at);
        }
    }

    fn check(&self) -> Result<(), String> {
        let mut names = vec!["portal", "drive"];
        for gateway in &self.gateway {
            if names.contains(&&*gateway.name) {
                return Err(format!("the name {0:?} is taken: give this gateway another one", gateway.name));
            }
            names.push(&gateway.name);
        }
        let mut places: Vec<&Address> = Vec::new();
        for (_, address) in self.listening() {
            // Port 0 means "any": those never meet.
            let any = matches!(address, Address::Tcp(address) if address.port() == 0);
            if !any && places.contains(&address) {
                return Err(format!("{address} is listened on twice: give one of them another address"));
            }
            places.push(address);
        }
        if self.portal.tls && self.url.scheme() != "https" {
            return Err("url begins with http:// and [portal] tls is on: write https://".into());
        }
        self.check_hosts()
    }

    /// The names on the portal's listener beside its own, with the door that each is for.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = (&str, &HostName)> {
        let gateways = self.gateway.iter().map(|gateway| (&*gateway.name, &gateway.host));
        let drive = self.drive.iter().map(|drive| ("drive", &drive.host));
        gateways.chain(drive).filter_map(|(name, host)| Some((name, host.as_ref()?)))
    }

    /// All names that people and apps come by, where TLS ends here.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let beside = self.hosts().filter(|_| self.portal.tls).map(|(_, host)| host.as_str());
        std::iter::once(self.url.host()).chain(beside)
    }

    /// Each name on the portal's listener is an origin of its own.
    fn check_hosts(&self) -> Result<(), String> {
        let mut taken: Vec<&str> = Vec::new();
        for (door, host) in self.hosts() {
            let host = host.as_str();
            if host.eq_ignore_ascii_case(self.url.host()) {
                return Err(format!(
                    "{door}: {host} is the portal's, and what people store must not share it with the portal: give {door} another host"
                ));
            }
            if taken.contains(&host) {
                return Err(format!("{door}: the host {host} is taken: give {door} another one"));
            }
            taken.push(host);
        }
        if !taken.is_empty() && !self.portal.tls && self.portal.trusted_proxies.is_empty() {
            return Err("a host on the portal's listener is served to the web server that ends TLS alone: name it in [portal] trusted_proxies".into());
        }
        if self.drive.as_ref().is_some_and(|drive| drive.listen.is_empty() && drive.host.is_none()) {
            return Err(
                "[drive] needs listen = [\"[::]:8445\"] or the like, or a host of its own on the portal's listener"
                    .into(),
            );
        }
        Ok(())
    }

    /// All addresses, with what they are for.
    pub(crate) fn listening(&self) -> impl Iterator<Item = (&str, &Address)> {
        let portal = self.portal.listen.iter().map(|address| ("portal", address));
        let gateways = self.gateway.iter().flat_map(|gateway| {
            gateway.listen.iter().chain(&gateway.listen_starttls).map(|address| (&*gateway.name, address))
        });
        let drive = self.drive.iter().flat_map(|drive| drive.listen.iter().map(|address| ("drive", address)));
        let monitor = self.monitor.iter().flat_map(|monitor| monitor.listen.iter().map(|address| ("monitor", address)));
        portal.chain(gateways).chain(drive).chain(monitor)
    }
}

#[cfg(test)]
mod tests;
