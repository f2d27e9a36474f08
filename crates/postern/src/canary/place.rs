//! Where the canary is tried, and what is spoken there.

use std::{fmt, net::IpAddr, path::PathBuf, str::FromStr};

use front::Address;
use gateway::Upstream;

use crate::config::{Config, Gateway, HostName, Mailbox, Service};

/// What is spoken at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Speaks {
    Imap,
    Smtp,
    Pop3,
    Sieve,
    Http,
}

/// Whether and when there is TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Cover {
    Plain,
    StartTls,
    Implicit,
}

/// Where it listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum At {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

/// One way in, perhaps.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) speaks: Speaks,
    pub(crate) cover: Cover,
    pub(crate) at: At,
    /// What TLS and HTTP call it, where that is not where it is.
    pub(crate) name: Option<String>,
    /// For HTTP.
    pub(crate) path: String,
    /// True if it wants a PROXY header from this machine.
    pub(crate) proxied: bool,
    /// How it was found: "upstream of imap".
    pub(crate) found: String,
}

impl Place {
    pub(crate) fn tcp(speaks: Speaks, cover: Cover, host: &str, port: u16, found: &str) -> Self {
        let at = At::Tcp { host: host.to_owned(), port };
        Self { speaks, cover, at, name: None, path: "/".to_owned(), proxied: false, found: found.to_owned() }
    }

    pub(crate) fn with_path(self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self }
    }

    /// The same place is tried once, however often it was found.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let of = |place: &Self| (place.speaks, place.cover, place.at.clone(), place.name.clone(), place.path.clone());
        of(self) == of(other)
    }

    /// Its name, as TLS and HTTP say it.
    pub(crate) fn host(&self) -> &str {
        match (&self.name, &self.at) {
            (Some(name), _) => name,
            (None, At::Tcp { host, .. }) => host,
            (None, At::Unix(_)) => "localhost",
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.speaks {
            Speaks::Imap => "imap",
            Speaks::Smtp => "smtp",
            Speaks::Pop3 => "pop3",
            Speaks::Sieve => "sieve",
            Speaks::Http => "http",
        };
        let cover = match self.cover {
            Cover::Plain => "",
            Cover::StartTls => "+starttls",
            Cover::Implicit => "s",
        };
        write!(f, "{name}{cover}:")?;
        match &self.at {
            At::Tcp { host, port } if host.contains(':') => write!(f, "//[{host}]:{port}")?,
            At::Tcp { host, port } => write!(f, "//{host}:{port}")?,
            At::Unix(path) => write!(f, "{}", path.display())?,
        }
        if self.path != "/" {
            f.write_str(&self.path)?;
        }
        if let Some(name) = &self.name {
            write!(f, " as {name}")?;
        }
        write!(f, " ({})", self.found)
    }
}

/// A port in the clear is tried as it is, and again after STARTTLS.
pub(crate) const IN_THE_CLEAR: [Cover; 2] = [Cover::Plain, Cover::StartTls];

/// `imaps://mail.example.org`, as it is written in `[canary] also`.
#[derive(Clone, Debug)]
pub(crate) struct Also(pub(crate) Vec<Place>);

impl FromStr for Also {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        use Speaks::{Http, Imap, Pop3, Sieve, Smtp};
        let no = || {
            format!(
                "{text:?} is no place to try: write imaps://, imap://, submissions://, submission://, smtp://, pop3s://, pop3://, sieve:// or https:// and HOST or HOST:PORT"
            )
        };
        const IMPLICIT: &[Cover] = &[Cover::Implicit];
        let (scheme, rest) = text.split_once("://").ok_or_else(no)?;
        let (speaks, covers, usual): (_, &[Cover], _) = match scheme {
            "imaps" => (Imap, IMPLICIT, 993),
            "imap" => (Imap, &IN_THE_CLEAR, 143),
            "submissions" | "smtps" => (Smtp, IMPLICIT, 465),
            "submission" => (Smtp, &IN_THE_CLEAR, 587),
            "smtp" => (Smtp, &IN_THE_CLEAR, 25),
            "pop3s" => (Pop3, IMPLICIT, 995),
            "pop3" => (Pop3, &IN_THE_CLEAR, 110),
            "sieve" => (Sieve, &IN_THE_CLEAR, 4190),
            "https" => (Http, IMPLICIT, 443),
            "http" => (Http, &[Cover::Plain], 80),
            _ => return Err(no()),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':')),
            None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
        };
        let port = port.map_or(Ok(usual), str::parse).map_err(|_| no())?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '_');
        let is_path = path.chars().all(|c| c.is_ascii_graphic());
        if host.is_empty() || port == 0 || !host.chars().all(plain) || !is_path {
            return Err(no());
        }
        let path = if path.is_empty() { "/" } else { path };
        let place = |cover: &Cover| Place::tcp(speaks, *cover, host, port, "[canary] also").with_path(path);
        Ok(Self(covers.iter().map(place).collect()))
    }
}

/// What the configuration itself names: our own doors, the servers behind them,
/// and what else it says.
pub(crate) fn configured(config: &Config) -> Vec<Place> {
    let mut places = Vec::new();
    for gateway in &config.gateway {
        let speaks = spoken(&gateway.service);
        let door = format!("door {}", gateway.name);
        for address in &gateway.listen {
            places.extend(own(gateway, address, speaks, &[Cover::Implicit], &door));
        }
        for address in &gateway.listen_starttls {
            places.extend(own(gateway, address, speaks, &IN_THE_CLEAR, &door));
        }
        let covers: &[Cover] = if speaks == Speaks::Http { &[Cover::Plain] } else { &IN_THE_CLEAR };
        let at = match &gateway.upstream {
            Upstream::Tcp { host, port } => At::Tcp { host: host.to_string(), port: *port },
            Upstream::Unix(path) => At::Unix(path.clone()),
        };
        let found = format!("upstream of {}", gateway.name);
        places.extend(covers.iter().map(|cover| Place {
            speaks,
            cover: *cover,
            at: at.clone(),
            name: None,
            path: "/".to_owned(),
            proxied: false,
            found: found.clone(),
        }));
    }
    for address in config.drive.iter().flat_map(|drive| &drive.listen) {
        places.extend(near(address).map(|at| Place {
            speaks: Speaks::Http,
            cover: Cover::Implicit,
            proxied: config.drive.as_ref().is_some_and(|drive| wants_proxy(&drive.proxy_protocol_from, &at)),
            at,
            name: None,
            path: "/".to_owned(),
            found: "door drive".to_owned(),
        }));
    }
    places.extend(config.hosts().flat_map(|(door, host)| beside_the_portal(config, door, host)));
    places.extend(config.canary.also.iter().flat_map(|also| also.0.clone()));
    places
}

/// A door under a name of its own on the portal's listener.
fn beside_the_portal(config: &Config, door: &str, host: &HostName) -> Vec<Place> {
    let place = |at| Place {
        speaks: Speaks::Http,
        cover: if config.portal.tls { Cover::Implicit } else { Cover::Plain },
        at,
        name: Some(host.as_str().to_owned()),
        path: "/".to_owned(),
        proxied: false,
        found: format!("door {door}"),
    };
    config.portal.listen.iter().filter_map(near).map(place).collect()
}

fn spoken(service: &Service) -> Speaks {
    match service {
        Service::Mailbox(Mailbox::Imap, _) => Speaks::Imap,
        Service::Mailbox(Mailbox::Pop3, _) => Speaks::Pop3,
        Service::Mailbox(Mailbox::Sieve, _) => Speaks::Sieve,
        Service::Submission { .. } => Speaks::Smtp,
        Service::Http { .. } => Speaks::Http,
    }
}

fn own(gateway: &Gateway, address: &Address, speaks: Speaks, covers: &[Cover], found: &str) -> Vec<Place> {
    let Some(at) = near(address) else { return vec![] };
    let proxied = wants_proxy(&gateway.proxy_protocol_from, &at);
    let place = |cover: &Cover| Place {
        speaks,
        cover: *cover,
        at: at.clone(),
        name: None,
        path: "/".to_owned(),
        proxied,
        found: found.to_owned(),
    };
    covers.iter().map(place).collect()
}

/// How this machine reaches what it listens on. Port 0 is known to the kernel only.
fn near(address: &Address) -> Option<At> {
    match address {
        Address::Unix(path) => Some(At::Unix(path.clone())),
        Address::Tcp(address) if address.port() == 0 => None,
        Address::Tcp(address) => {
            let host = match address.ip() {
                IpAddr::V4(ip) if ip.is_unspecified() => "127.0.0.1".to_owned(),
                IpAddr::V6(ip) if ip.is_unspecified() => "::1".to_owned(),
                ip => ip.to_string(),
            };
            Some(At::Tcp { host, port: address.port() })
        }
    }
}

/// From this machine to itself: the address that it comes from is the one it goes to.
fn wants_proxy(from: &[ipnet::IpNet], at: &At) -> bool {
    let address = match at {
        At::Tcp { host, .. } => host.parse().ok(),
        At::Unix(_) => Some(IpAddr::from([127, 0, 0, 1])),
    };
    address.is_some_and(|address: IpAddr| from.iter().any(|net| net.contains(&address)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_and_shown() {
        for (text, shown) in [
            ("imaps://mail.example.org", &["imaps://mail.example.org:993 ([canary] also)"][..]),
            (
                "smtp://[2001:db8::1]:26",
                &["smtp://[2001:db8::1]:26 ([canary] also)", "smtp+starttls://[2001:db8::1]:26 ([canary] also)"],
            ),
            ("https://dav.example.org/dav/", &["https://dav.example.org:443/dav/ ([canary] also)"]),
        ] {
            let also: Also = text.parse().unwrap();
            assert_eq!(also.0.iter().map(ToString::to_string).collect::<Vec<_>>(), shown);
        }
        for bad in
            ["", "mail.example.org", "ftp://a", "imap://", "imap://a:0", "imap://a:x", "imap://a b", "https://a/b c"]
        {
            assert!(bad.parse::<Also>().unwrap_err().contains("imaps://"), "{bad}");
        }
    }
}
