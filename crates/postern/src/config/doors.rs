//! `[[gateway]]`: a door, the server behind it, and how it is told who is there.

use std::path::{Path, PathBuf};

use authority::{Scopes, Secret};
use front::Address;
use gateway::Upstream;
use ipnet::IpNet;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{
    ConfigError, Handover, Http, http, is_exposed,
    values::{self, HostName, addresses, master, networks, opt_text, scopes},
};

/// A door and the server behind it.
#[derive(Debug, Deserialize)]
#[serde(try_from = "RawGateway")]
pub(crate) struct Gateway {
    pub(crate) name: String,
    pub(crate) listen: Vec<Address>,
    pub(crate) listen_starttls: Vec<Address>,
    /// On the portal's listener; for http only.
    pub(crate) host: Option<HostName>,
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

    pub(super) fn place(&mut self, at: impl FnOnce(&mut PathBuf)) {
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
pub(crate) struct PasswordFile(pub(super) PathBuf);

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
    #[serde(default, deserialize_with = "values::host")]
    host: Option<HostName>,
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
        let is_http = matches!(service, Service::Http(_));
        if raw.host.is_some() && !is_http {
            return Err("host is for http: apps for mail tell no name that could be gone by".into());
        }
        if raw.listen.is_empty() && raw.listen_starttls.is_empty() && raw.host.is_none() {
            let or = if is_http { ", or a host of its own on the portal's listener" } else { "" };
            return Err(format!("a gateway needs listen = [\"[::]:993\"] or the like{or}"));
        }
        if raw.listen.is_empty() && raw.http2 == Some(true) {
            return Err("http2 is for a listener of its own: write listen, or take it out".into());
        }
        if is_http && !raw.listen_starttls.is_empty() {
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
            host: raw.host,
            proxy_protocol_from: raw.proxy_protocol_from,
            upstream: Upstream::parse(&raw.upstream, scheme).map_err(|error| error.to_string())?,
            service,
        })
    }
}
