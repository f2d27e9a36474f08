//! Values of the configuration: each read once, each error saying what is
//! expected in its place.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use crate::canary::Also;

use authority::{Cutoff, LockMode, Scopes};
use front::Address;
use http::HeaderName;
use ipnet::IpNet;
use serde::{Deserialize, Deserializer, de::Error};

use super::{Mailbox, Master, PasswordFile};

/// The portal's address as people type it: scheme, host, port; no path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url(http_origin::Origin);

mod http_origin {
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub(super) struct Origin {
        pub(super) scheme: &'static str,
        pub(super) authority: Box<str>,
    }
}

impl Url {
    pub(crate) fn scheme(&self) -> &'static str {
        self.0.scheme
    }

    /// Without the port.
    pub(crate) fn host(&self) -> &str {
        self.parts().0.trim_start_matches('[').trim_end_matches(']')
    }

    /// The same origin under another name.
    pub(crate) fn under(&self, host: &HostName) -> String {
        format!("{}://{}{}", self.0.scheme, host.as_str(), self.parts().1)
    }

    /// The host, and the port with its colon where there is one.
    fn parts(&self) -> (&str, &str) {
        let authority = &self.0.authority;
        let end =
            if authority.ends_with(']') { authority.len() } else { authority.rfind(':').unwrap_or(authority.len()) };
        authority.split_at(end)
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.0.scheme, self.0.authority)
    }
}

impl FromStr for Url {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "expected the portal's address without a path, as https://id.example.org";
        let (scheme, rest) = match text.split_once("://") {
            Some(("https", rest)) => ("https", rest),
            Some(("http", rest)) => ("http", rest),
            _ => return Err(FORM),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
        if authority.is_empty() || !authority.chars().all(plain) {
            return Err(FORM);
        }
        Ok(Self(http_origin::Origin { scheme, authority: authority.into() }))
    }
}

/// A length of time: `90d`, `1h`, `15m`, `30s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lasting(pub(crate) Duration);

impl FromStr for Lasting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let no = || format!("{text:?} is no length of time: write 90d, 12h, 15m or 30s");
        let unit = text.chars().last().ok_or_else(no)?;
        let seconds: u64 = match unit {
            'd' => 86_400,
            'h' => 3_600,
            'm' => 60,
            's' => 1,
            _ => return Err(no()),
        };
        let count: u64 = text[..text.len() - 1].parse().map_err(|_| no())?;
        let total = count.checked_mul(seconds).filter(|total| (1..=3_650 * 86_400).contains(total)).ok_or_else(no)?;
        Ok(Self(Duration::from_secs(total)))
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Protocol {
    Mailbox(Mailbox),
    Submission,
    Http,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HandoverKind {
    MasterUser,
    Authzid,
    Xclient,
    Header,
    Basic,
}

/// Anything that is read from a string.
pub(super) fn text<'de, T, D>(d: D) -> Result<T, D::Error>
where
    T: FromStr<Err: fmt::Display>,
    D: Deserializer<'de>,
{
    String::deserialize(d)?.parse().map_err(D::Error::custom)
}

pub(super) fn opt_text<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(d)?;
    if text.is_empty() { Err(D::Error::custom("expected a name")) } else { Ok(Some(text)) }
}

pub(super) fn addresses<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Address>, D::Error> {
    each(d)
}

pub(super) fn networks<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<IpNet>, D::Error> {
    Vec::<String>::deserialize(d)?.iter().map(|text| network(text).map_err(D::Error::custom)).collect()
}

/// `10.0.0.0/8`, or a single address.
pub(crate) fn network(text: &str) -> Result<IpNet, String> {
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| format!("{text:?} is no network: write 10.0.0.0/8 or a single address"))
}

pub(super) fn scopes<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Scopes>, D::Error> {
    let scopes: Scopes = each::<authority::Scope, D>(d)?.into_iter().collect();
    if scopes.is_empty() {
        return Err(D::Error::custom(
            "expected at least one kind of data: without one the door would open to any password",
        ));
    }
    Ok(Some(scopes))
}

pub(super) fn duration<'de, D: Deserializer<'de>>(d: D) -> Result<Lasting, D::Error> {
    text(d)
}

pub(super) fn lock<'de, D: Deserializer<'de>>(d: D) -> Result<LockMode, D::Error> {
    text(d)
}

pub(super) fn cutoff<'de, D: Deserializer<'de>>(d: D) -> Result<Cutoff, D::Error> {
    match &*String::deserialize(d)? {
        "enforce" => Ok(Cutoff::Enforced),
        "observe" => Ok(Cutoff::Observed),
        other => Err(D::Error::custom(format!("{other:?} is no mode: write enforce or observe"))),
    }
}

/// `500M`, `10G`.
pub(super) fn size<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
    let text = String::deserialize(d)?;
    let no = || D::Error::custom(format!("{text:?} is no size: write 500M or 10G"));
    let shift = match text.chars().last() {
        Some('M') => 20,
        Some('G') => 30,
        _ => return Err(no()),
    };
    let count: u64 = text[..text.len() - 1].parse().map_err(|_| no())?;
    count.checked_shl(shift).filter(|bytes| bytes >> shift == count && count > 0).ok_or_else(no)
}

pub(super) fn service<'de, D: Deserializer<'de>>(d: D) -> Result<Protocol, D::Error> {
    match &*String::deserialize(d)? {
        "imap" => Ok(Protocol::Mailbox(Mailbox::Imap)),
        "pop3" => Ok(Protocol::Mailbox(Mailbox::Pop3)),
        "sieve" => Ok(Protocol::Mailbox(Mailbox::Sieve)),
        "submission" => Ok(Protocol::Submission),
        "http" => Ok(Protocol::Http),
        other => Err(D::Error::custom(format!("{other:?} is no service: write imap, pop3, sieve, submission or http"))),
    }
}

pub(super) fn handover<'de, D: Deserializer<'de>>(d: D) -> Result<HandoverKind, D::Error> {
    match &*String::deserialize(d)? {
        "master-user" => Ok(HandoverKind::MasterUser),
        "authzid" => Ok(HandoverKind::Authzid),
        "xclient" => Ok(HandoverKind::Xclient),
        "header" => Ok(HandoverKind::Header),
        "basic" => Ok(HandoverKind::Basic),
        other => Err(D::Error::custom(format!(
            "handover of kind {other:?} is not served by this version: write master-user or authzid (mail), xclient (submission), header or basic (http)"
        ))),
    }
}

/// One character that no login has in it: by one that has, somebody could name another.
pub(super) fn separator<'de, D: Deserializer<'de>>(d: D) -> Result<Option<char>, D::Error> {
    let text = String::deserialize(d)?;
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(c @ ('*' | '%')), None) => Ok(Some(c)),
        _ => Err(D::Error::custom(format!("{text:?} is no separator: write \"*\", or \"%\""))),
    }
}

pub(super) fn header<'de, D: Deserializer<'de>>(d: D) -> Result<Option<HeaderName>, D::Error> {
    let name = String::deserialize(d)?;
    let no = |_| D::Error::custom(format!("{name:?} is no header: write X-Remote-User or the like"));
    name.parse().map(Some).map_err(no)
}

/// A name of its own on the portal's listener: a DNS name, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostName(Box<str>);

impl HostName {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = text.to_ascii_lowercase();
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let is_label = |label: &str| (1..=63).contains(&label.len()) && label.chars().all(plain);
        // Browsers and apps take digits at the end for an address.
        let is_address = name.rsplit('.').next().is_some_and(|end| end.chars().all(|c| c.is_ascii_digit()));
        if name.len() > 253 || is_address || !name.split('.').all(is_label) {
            return Err(format!("{text:?} is no host: write dav.example.org or the like, without a port"));
        }
        Ok(Self(name.into()))
    }
}

pub(super) fn host<'de, D: Deserializer<'de>>(d: D) -> Result<Option<HostName>, D::Error> {
    text(d).map(Some)
}

pub(super) fn limit<'de, D: Deserializer<'de>>(d: D) -> Result<usize, D::Error> {
    const FORM: &str = "expected a whole number of app passwords from 1 to 1000";
    let limit = i64::deserialize(d).map_err(|_| D::Error::custom(FORM))?;
    usize::try_from(limit).ok().filter(|limit| (1..=1000).contains(limit)).ok_or_else(|| D::Error::custom(FORM))
}

/// How many a listener lets in.
pub(super) fn connections<'de, D: Deserializer<'de>>(d: D) -> Result<usize, D::Error> {
    const FORM: &str = "expected a whole number of connections from 1 to 1000000";
    let count = i64::deserialize(d).map_err(|_| D::Error::custom(FORM))?;
    usize::try_from(count).ok().filter(|count| (1..=1_000_000).contains(count)).ok_or_else(|| D::Error::custom(FORM))
}

pub(super) fn sessions<'de, D: Deserializer<'de>>(d: D) -> Result<usize, D::Error> {
    const FORM: &str = "expected a whole number of sessions from 1 to 1000000";
    let most = i64::deserialize(d).map_err(|_| D::Error::custom(FORM))?;
    usize::try_from(most).ok().filter(|most| (1..=1_000_000).contains(most)).ok_or_else(|| D::Error::custom(FORM))
}

/// `192.0.2.53`, or with a port.
pub(super) fn resolver<'de, D: Deserializer<'de>>(d: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(d)?;
    let address = text.parse().or_else(|_| text.parse().map(|ip: IpAddr| SocketAddr::new(ip, 53)));
    address
        .map(Some)
        .map_err(|_| D::Error::custom("expected the address of a resolver, \"192.0.2.53\" or \"[2001:db8::53]:53\""))
}

pub(super) fn also<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Also>, D::Error> {
    each(d)
}

/// The values that a master user has.
pub(super) fn master(
    login: Option<String>,
    file: Option<PathBuf>,
    separator: Option<char>,
) -> Result<Master, &'static str> {
    let (login, file) = login.zip(file).ok_or("this kind of handover needs login and password_file")?;
    Ok(Master { login, password: PasswordFile(file), separator })
}

fn each<'de, T, D>(d: D) -> Result<Vec<T>, D::Error>
where
    T: FromStr<Err: fmt::Display>,
    D: Deserializer<'de>,
{
    Vec::<String>::deserialize(d)?.into_iter().map(|text| text.parse().map_err(D::Error::custom)).collect()
}

/// Where the database is. Prints without a password, should one be in it.
#[derive(PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct DatabaseUrl(pub(super) String);

impl TryFrom<String> for DatabaseUrl {
    type Error = String;

    fn try_from(url: String) -> Result<Self, String> {
        const FORM: &str = "expected postgres://user@host/database, or postgres:///database?host=/folder/of/the/socket";
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(FORM.into());
        }
        let authority = url.split("://").nth(1).unwrap_or_default().split(['/', '?']).next().unwrap_or_default();
        if authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':')) || url.contains("password=") {
            return Err("no password in the address: write password_file = \"FILE\" beside it".into());
        }
        Ok(Self(url))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseUrl")
    }
}
