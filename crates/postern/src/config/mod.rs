//! `postern.toml`: read once, whole, into values that are known to be right.

mod error;
mod http;
mod values;

use std::{
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use authority::{Cutoff, Domain, LockMode, Scopes, Secret};
use front::Address;
use gateway::Upstream;
use ipnet::IpNet;
use serde::Deserialize;
use store::postgres::{NotAServer, Server};
use zeroize::Zeroizing;

pub(crate) use self::http::{Handover, Http, Serves};
use crate::canary::Also;
pub(crate) use error::ConfigError;
pub(crate) use values::{DatabaseUrl, Lasting, Url, network};
use values::{addresses, cutoff, duration, lock, master, networks, not_served, opt_text, scopes, size, text};

/// Everything that a site is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    #[serde(deserialize_with = "text")]
    pub(crate) domain: Domain,
    #[serde(deserialize_with = "text")]
    pub(crate) url: Url,
    pub(crate) data: PathBuf,
    pub(crate) store: Option<Database>,
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) portal: Portal,
    #[serde(default, deserialize_with = "not_served")]
    #[expect(dead_code, reason = "read only to be refused: this version sends no mail")]
    notices: Option<()>,
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

/// A certificate that somebody else made.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TlsFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl TlsFiles {
    /// True if everybody on this machine can read the key.
    pub(crate) fn is_exposed(&self) -> bool {
        is_exposed(&self.key)
    }
}

/// A group that was made for it may read.
fn is_exposed(path: &Path) -> bool {
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

/// A door and the server behind it.
#[derive(Debug, Deserialize)]
#[serde(try_from = "RawGateway")]
pub(crate) struct Gateway {
    pub(crate) name: String,
    pub(crate) listen: Vec<Address>,
    pub(crate) listen_starttls: Vec<Address>,
    pub(crate) proxy_protocol_from: Vec<IpNet>,
    pub(crate) upstream: Upstream,
    pub(crate) service: Service,
}

/// What a gateway speaks, with what only that needs.
#[derive(Debug)]
pub(crate) enum Service {
    /// IMAP, POP3 or ManageSieve, handed over by a master user.
    Mailbox(Mailbox, Master),
    /// Mail submission.
    Submission {
        /// How it is handed over.
        handover: SubmissionHandover,
        /// MAIL FROM takes only addresses of the account.
        own_addresses: bool,
    },
    /// HTTP with Basic.
    Http(Box<Http>),
}

/// How a session for submission is handed over.
#[derive(Debug)]
pub(crate) enum SubmissionHandover {
    /// By Postfix's XCLIENT.
    Xclient,
    /// By AUTH PLAIN of a master user, acting as the person.
    MasterUser(Master),
}

/// A protocol by which people get at their mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mailbox {
    Imap,
    Pop3,
    Sieve,
}

impl Mailbox {
    /// The service, and the scheme of its upstream.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
            Self::Sieve => "sieve",
        }
    }
}

/// Who signs in at the server behind, acting as the person.
#[derive(Debug)]
pub(crate) struct Master {
    /// Its name there.
    pub(crate) login: String,
    /// Its password there.
    pub(crate) password: PasswordFile,
    /// Between the person's name and its own, where there is no other way to act as somebody.
    pub(crate) separator: Option<char>,
}

impl Service {
    /// The file with the master user's password, where there is one.
    pub(crate) fn password_file(&self) -> Option<&PasswordFile> {
        match self {
            Self::Mailbox(_, master) | Self::Submission { handover: SubmissionHandover::MasterUser(master), .. } => {
                Some(&master.password)
            }
            Self::Http(http) => match &http.handover {
                Handover::Basic { password, .. } => Some(password),
                Handover::Header(_) => None,
            },
            Self::Submission { handover: SubmissionHandover::Xclient, .. } => None,
        }
    }

    fn place(&mut self, at: impl FnOnce(&mut PathBuf)) {
        match self {
            Self::Mailbox(_, master) | Self::Submission { handover: SubmissionHandover::MasterUser(master), .. } => {
                at(&mut master.password.0);
            }
            Self::Http(http) => {
                if let Handover::Basic { password, .. } = &mut http.handover {
                    at(&mut password.0);
                }
            }
            Self::Submission { handover: SubmissionHandover::Xclient, .. } => {}
        }
    }
}

/// A file that holds a password in its first line.
#[derive(Debug)]
pub(crate) struct PasswordFile(PathBuf);

impl PasswordFile {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// True if everybody on this machine can read it.
    pub(crate) fn is_exposed(&self) -> bool {
        is_exposed(&self.0)
    }

    pub(crate) fn read(&self) -> Result<Secret, ConfigError> {
        let text = std::fs::read_to_string(&self.0).map_err(|source| ConfigError::unreadable(&self.0, &source))?;
        let text = Zeroizing::new(text);
        match text.lines().next() {
            Some(line) if !line.is_empty() => Ok(Secret::new(line.to_owned())),
            _ => Err(ConfigError::empty_password(&self.0)),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGateway {
    #[serde(deserialize_with = "values::service")]
    service: values::Protocol,
    name: Option<String>,
    #[serde(default, deserialize_with = "addresses")]
    listen: Vec<Address>,
    #[serde(default, deserialize_with = "addresses")]
    listen_starttls: Vec<Address>,
    #[serde(default, deserialize_with = "networks")]
    proxy_protocol_from: Vec<IpNet>,
    upstream: String,
    handover: RawHandover,
    own_addresses: Option<bool>,
    #[serde(default, deserialize_with = "scopes")]
    data: Option<Scopes>,
    #[serde(default, deserialize_with = "http::path")]
    path: Option<gateway::Path>,
    #[serde(default, deserialize_with = "values::own_listener")]
    #[expect(dead_code, reason = "read only to be refused")]
    host: Option<()>,
    #[serde(default, deserialize_with = "http::prefix_header")]
    prefix_header: Option<::http::HeaderName>,
    routes: Option<Vec<http::RawRoute>>,
    kinds: Option<http::Kinds>,
    #[serde(default, deserialize_with = "http::place")]
    well_known: Option<::http::HeaderValue>,
    http2: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHandover {
    #[serde(deserialize_with = "values::handover")]
    kind: values::HandoverKind,
    #[serde(default, deserialize_with = "opt_text")]
    login: Option<String>,
    password_file: Option<PathBuf>,
    #[serde(default, deserialize_with = "values::separator")]
    separator: Option<char>,
    #[serde(default, deserialize_with = "opt_text")]
    user: Option<String>,
}

impl TryFrom<RawGateway> for Gateway {
    type Error = String;

    fn try_from(raw: RawGateway) -> Result<Self, String> {
        use values::{HandoverKind, Protocol};
        let RawHandover { kind, login, password_file, separator, user } = raw.handover;
        if separator.is_some() && kind != HandoverKind::MasterUser {
            return Err("separator is for handover of kind \"master-user\": take it out".into());
        }
        let (data, path, prefix_header, routes) = (raw.data, raw.path, raw.prefix_header, raw.routes);
        let of_http = http::Raw {
            data,
            path,
            prefix_header,
            routes,
            kinds: raw.kinds,
            well_known: raw.well_known,
            http2: raw.http2,
        };
        if !matches!(raw.service, Protocol::Http)
            && let Some(key) = of_http.first()
        {
            return Err(format!("{key} is for http: take it out"));
        }
        let (scheme, service) = match (raw.service, kind) {
            (Protocol::Mailbox(mailbox), HandoverKind::MasterUser | HandoverKind::Authzid) => {
                (mailbox.name(), Service::Mailbox(mailbox, master(login, password_file, separator)?))
            }
            (Protocol::Submission, HandoverKind::Xclient) => {
                let handover = SubmissionHandover::Xclient;
                ("smtp", Service::Submission { handover, own_addresses: raw.own_addresses.unwrap_or(false) })
            }
            (Protocol::Submission, HandoverKind::MasterUser | HandoverKind::Authzid) => {
                let handover = SubmissionHandover::MasterUser(master(login, password_file, separator)?);
                ("smtp", Service::Submission { handover, own_addresses: raw.own_addresses.unwrap_or(false) })
            }
            (Protocol::Http, kind @ (HandoverKind::Header | HandoverKind::Basic)) => {
                let handover = match kind {
                    HandoverKind::Basic => Handover::basic(user, password_file)?,
                    _ => Handover::header(user)?,
                };
                ("http", Service::Http(Box::new(Http::new(handover, of_http)?)))
            }
            (Protocol::Mailbox(mailbox), _) => {
                let name = mailbox.name();
                return Err(format!("service {name:?} is handed over by kind = \"master-user\" or \"authzid\""));
            }
            (Protocol::Submission, _) => {
                return Err(
                    "service \"submission\" is handed over by kind = \"xclient\", \"master-user\" or \"authzid\""
                        .into(),
                );
            }
            (Protocol::Http, _) => {
                return Err("service \"http\" is handed over by kind = \"header\" or \"basic\"".into());
            }
        };
        if raw.listen.is_empty() && raw.listen_starttls.is_empty() {
            return Err("a gateway needs listen = [\"[::]:993\"] or the like".into());
        }
        if matches!(service, Service::Http(_)) && !raw.listen_starttls.is_empty() {
            return Err("listen_starttls is for mail: http has TLS from the first byte".into());
        }
        if raw.own_addresses.is_some() && !matches!(service, Service::Submission { .. }) {
            return Err("own_addresses is for submission: take it out".into());
        }
        let usual = if scheme == "smtp" { "submission" } else { scheme };
        let name = raw.name.unwrap_or_else(|| usual.to_owned());
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || name.len() > 32 || !name.chars().all(plain) {
            return Err("a gateway's name has 1 to 32 of a-z 0-9 -".into());
        }
        Ok(Self {
            name,
            listen: raw.listen,
            listen_starttls: raw.listen_starttls,
            proxy_protocol_from: raw.proxy_protocol_from,
            upstream: Upstream::parse(&raw.upstream, scheme).map_err(|error| error.to_string())?,
            service,
        })
    }
}

/// A folder of files for each account.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Drive {
    #[serde(deserialize_with = "addresses")]
    pub(crate) listen: Vec<Address>,
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
        Ok(config)
    }

    fn place(&mut self, folder: &Path) {
        let at = |path: &mut PathBuf| *path = folder.join(&*path);
        if let Some(store) = &mut self.store {
            [&mut store.password_file, &mut store.ca].into_iter().flatten().for_each(at);
        }
        at(&mut self.data);
        if let Some(tls) = &mut self.tls {
            at(&mut tls.certificate);
            at(&mut tls.key);
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
