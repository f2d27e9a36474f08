//! What is listened on, and who answers there.

use std::{collections::HashMap, sync::Arc};

use authority::{Area, Door, Needs, Protocol, Scope};
use front::{Address, Endpoint, Security, Service, Tls};
use gateway::{
    BasicHandover, HttpDoor, HttpHandover, Imap, MailDoor, MasterUser, Pop3, Sieve, Submission, SubmissionHandover,
    Upstream, drive::Drive,
};
use ipnet::IpNet;
use keeper::Keeper;
use portal::{DoorHelp, Portal, Settings};

use crate::{
    config::{
        Config, Gateway, Handover, HostName, Http, Mailbox, Master, PasswordFile, Serves, Service as Spoken,
        SubmissionHandover as By,
    },
    data::randomness,
    monitor::{Monitor, Watched},
    pages,
    serve::ServeError,
};

/// An endpoint and its service.
type Answered = (Endpoint, Arc<dyn Service>);

/// What goes on when the configuration is read again: who is signed in at the
/// portal, and the drive's locks and uploads.
#[derive(Clone)]
pub(crate) struct Lasting {
    portal: Portal,
    drive: Option<Arc<Drive>>,
}

/// All of a site. What lasts is taken over from `before`.
pub(crate) fn endpoints(
    config: &Config,
    watched: &Arc<Watched>,
    tls: &Tls,
    before: Option<&Lasting>,
) -> Result<(Vec<Answered>, Lasting), ServeError> {
    let keeper = &watched.keeper;
    let lasting = Lasting {
        portal: portal(config, keeper, before),
        drive: match (&config.drive, before.and_then(|before| before.drive.clone())) {
            (Some(drive), None) => {
                let folder = config.data.join("drive");
                let made = Drive::new(folder, drive.quota, Box::new(randomness())).map_err(ServeError::Drive)?;
                Some(Arc::new(made))
            }
            // Also while nothing leads to it: somebody may be at work in there.
            (_, before) => before,
        },
    };
    let (mut all, mut beside) = (Vec::new(), Vec::new());
    for gateway in &config.gateway {
        let (answers, alpn) = service(config, keeper, gateway)?;
        let (service, http) = match answers {
            Answers::Mail(service) => (service, None),
            Answers::Http(door) => (door.clone() as Arc<dyn Service>, Some(door)),
        };
        beside.extend(gateway.host.clone().zip(http));
        let tls = tls.with_alpn(alpn);
        let mut at = |address: &Address, security| {
            let endpoint = endpoint(config, &gateway.name, address, security, &gateway.proxy_protocol_from);
            all.push((endpoint, service.clone()));
        };
        gateway.listen.iter().for_each(|address| at(address, Security::Implicit(tls.clone())));
        gateway.listen_starttls.iter().for_each(|address| at(address, Security::StartTls(tls.clone())));
    }
    let tls_for_pages = tls.with_alpn(&["http/1.1"]);
    if let (Some(drive), Some(folders)) = (&config.drive, &lasting.drive) {
        let door = Arc::new(HttpDoor::drive(keeper.clone(), drive_door(), folders.clone(), &config.url.to_string()));
        beside.extend(drive.host.clone().map(|host| (host, door.clone())));
        let security = Security::Implicit(tls_for_pages.clone());
        for address in &drive.listen {
            let endpoint = endpoint(config, "drive", address, security.clone(), &drive.proxy_protocol_from);
            all.push((endpoint, door.clone()));
        }
    }
    let pages = pages::service(config, keeper, &lasting.portal, beside);
    let security = if config.portal.tls { Security::Implicit(tls_for_pages) } else { Security::None };
    for address in &config.portal.listen {
        all.push((endpoint(config, "portal", address, security.clone(), &[]), pages.clone()));
    }
    for address in config.monitor.iter().flat_map(|monitor| &monitor.listen) {
        let service: Arc<dyn Service> = Arc::new(Monitor(watched.clone()));
        all.push((endpoint(config, "monitor", address, Security::None, &[]), service));
    }
    Ok((all, lasting))
}

/// The names of the doors.
pub(crate) fn door_names(config: &Config) -> Vec<Arc<str>> {
    let gateways = config.gateway.iter().map(|gateway| gateway.name.as_str().into());
    gateways.chain(config.drive.iter().map(|_| drive_door().name)).collect()
}

fn endpoint(config: &Config, name: &str, address: &Address, security: Security, proxy_from: &[IpNet]) -> Endpoint {
    Endpoint {
        name: name.to_owned(),
        address: address.clone(),
        security,
        proxy_from: proxy_from.to_vec(),
        limits: config.limits.of_a_listener(),
    }
}

fn portal(config: &Config, keeper: &Arc<Keeper>, before: Option<&Lasting>) -> Portal {
    let settings = Settings {
        url: config.url.to_string(),
        site: config.domain.to_string(),
        trusted_proxies: config.portal.trusted_proxies.clone(),
        lock: config.app_passwords.lock,
        catalogue: config.catalogue.clone(),
        doors: help(config),
    };
    match before {
        Some(before) => before.portal.with_settings(settings),
        None => Portal::new(keeper.clone(), settings, Box::new(randomness())),
    }
}

/// Who answers at a gateway.
enum Answers {
    Mail(Arc<dyn Service>),
    Http(Arc<HttpDoor>),
}

fn service(
    config: &Config,
    keeper: &Arc<Keeper>,
    gateway: &Gateway,
) -> Result<(Answers, &'static [&'static str]), ServeError> {
    let (keeper, door, upstream) = (keeper.clone(), door(gateway), gateway.upstream.clone());
    let portal = config.url.to_string();
    Ok(match &gateway.service {
        Spoken::Mailbox(mailbox, by) => {
            let by = master(by)?;
            let service: Arc<dyn Service> = match mailbox {
                Mailbox::Imap => Arc::new(MailDoor::new(keeper, door, upstream, Imap(by), &portal)),
                Mailbox::Pop3 => Arc::new(MailDoor::new(keeper, door, upstream, Pop3(by), &portal)),
                Mailbox::Sieve => Arc::new(MailDoor::new(keeper, door, upstream, Sieve::new(by), &portal)),
            };
            // As registered for TLS (RFC 7301).
            let alpn: &[&str] = match mailbox {
                Mailbox::Imap => &["imap"],
                Mailbox::Pop3 => &["pop3"],
                Mailbox::Sieve => &["managesieve"],
            };
            (Answers::Mail(service), alpn)
        }
        Spoken::Submission { handover, own_addresses } => {
            let handover = match handover {
                By::Xclient => SubmissionHandover::Xclient,
                By::MasterUser(by) => SubmissionHandover::Authenticate(master(by)?),
            };
            let speaks = Submission::new(config.url.host(), handover, *own_addresses);
            (Answers::Mail(Arc::new(MailDoor::new(keeper, door, upstream, speaks, &portal))), &["smtp"])
        }
        Spoken::Http(http) => {
            let alpn: &[&str] = if http.http2 { &["h2", "http/1.1"] } else { &["http/1.1"] };
            (Answers::Http(Arc::new(http_door(keeper, door, upstream, http, &portal)?)), alpn)
        }
    })
}

fn http_door(
    keeper: Arc<Keeper>,
    door: Door,
    upstream: Upstream,
    http: &Http,
    portal: &str,
) -> Result<HttpDoor, ServeError> {
    let handover = match &http.handover {
        Handover::Header(name) => HttpHandover::Header(name.clone()),
        Handover::Basic { user, password } => {
            warn_if_exposed(password);
            HttpHandover::Basic(BasicHandover::new(user, password.read()?).map_err(ServeError::Handover)?)
        }
    };
    let mut service = HttpDoor::forwarding(keeper, door, upstream, handover, portal);
    service = match &http.serves {
        Serves::Whole(_) => service,
        Serves::Routes(routes) => service.with_routes(routes.clone()),
        Serves::ByResourceType(data) => service.by_resource_type(data.clone()),
    };
    if let Some(prefix) = &http.prefix {
        service = service.with_prefix(prefix.clone());
    }
    let has = |area| http.scopes().contains(&&Scope::Full(area)) || http.scopes().contains(&&Scope::Read(area));
    let begin = |area| has(area).then(|| http.begin.clone());
    Ok(service.with_well_known(begin(Area::Calendars), begin(Area::Contacts)))
}

fn warn_if_exposed(password: &PasswordFile) {
    if password.is_exposed() {
        tracing::warn!(file = %password.path().display(), "everybody on this machine can read the master user's password: chmod o-rwx it");
    }
}

fn master(by: &Master) -> Result<MasterUser, ServeError> {
    warn_if_exposed(&by.password);
    Ok(MasterUser { login: by.login.clone(), password: by.password.read()?, separator: by.separator })
}

/// What it takes to pass at a gateway.
pub(crate) fn door(gateway: &Gateway) -> Door {
    let (protocol, needs) = match &gateway.service {
        Spoken::Mailbox(mailbox, _) => {
            let protocol = match mailbox {
                Mailbox::Imap => Protocol::Imap,
                Mailbox::Pop3 => Protocol::Pop3,
                Mailbox::Sieve => Protocol::Sieve,
            };
            (protocol, [Scope::Full(Area::Mail)].into_iter().collect())
        }
        Spoken::Submission { .. } => (Protocol::Submission, [Scope::Full(Area::MailSend)].into_iter().collect()),
        Spoken::Http(http) => (Protocol::Http, http.needs()),
    };
    Door { name: gateway.name.as_str().into(), protocol, needs }
}

fn drive_door() -> Door {
    Door { name: "drive".into(), protocol: Protocol::Http, needs: [Scope::Full(Area::Files)].into_iter().collect() }
}

/// What people call each door, by its name.
pub(crate) fn titles(config: &Config) -> HashMap<String, String> {
    let mut titles = HashMap::new();
    for help in help(config) {
        titles.entry(help.door.name.to_string()).or_insert(help.title);
    }
    titles
}

/// What people type into their apps to find each door.
fn help(config: &Config) -> Vec<DoorHelp> {
    let host = config.url.host();
    let port = |address: &Address| match address {
        Address::Tcp(address) => Some(address.port()),
        Address::Unix(_) => None,
    };
    let first = |addresses: &[Address]| addresses.iter().find_map(port);
    let gateway = |gateway: &Gateway| {
        let (implicit, starttls) = (first(&gateway.listen), first(&gateway.listen_starttls));
        let title = match &gateway.service {
            Spoken::Mailbox(Mailbox::Imap, _) => "Mail (IMAP)",
            Spoken::Mailbox(Mailbox::Pop3, _) => "Mail (POP3)",
            Spoken::Mailbox(Mailbox::Sieve, _) => "Mail filters (ManageSieve)",
            Spoken::Submission { .. } => "Sending mail (SMTP)",
            Spoken::Http(http) => {
                let origin = origin(config, gateway.host.as_ref(), implicit);
                return http_help(origin.as_deref(), gateway, http);
            }
        };
        let address = match (implicit, starttls) {
            (Some(port), _) => format!("Server {host}, port {port}, SSL/TLS"),
            (None, Some(port)) => format!("Server {host}, port {port}, STARTTLS"),
            (None, None) => String::new(),
        };
        vec![DoorHelp { door: door(gateway), title: title.to_owned(), address }]
    };
    let drive = config.drive.iter().map(|drive| DoorHelp {
        door: drive_door(),
        title: "Files (WebDAV)".to_owned(),
        address: origin(config, drive.host.as_ref(), first(&drive.listen))
            .map(|origin| format!("{origin}/"))
            .unwrap_or_default(),
    });
    config.gateway.iter().flat_map(gateway).chain(drive).collect()
}

/// What people type before a path: the host that a door has on the portal's listener,
/// or a port of its own.
fn origin(config: &Config, host: Option<&HostName>, port: Option<u16>) -> Option<String> {
    match host {
        Some(host) => Some(config.url.under(host)),
        None => port.map(|port| format!("https://{}:{port}", config.url.host())),
    }
}

/// One for each kind of data that has a place of its own.
fn http_help(origin: Option<&str>, gateway: &Gateway, http: &Http) -> Vec<DoorHelp> {
    let place = |(needs, path): (Needs, String)| DoorHelp {
        title: dav_title(&needs).to_owned(),
        address: origin.map(|origin| format!("{origin}{path}")).unwrap_or_default(),
        door: Door { needs, ..door(gateway) },
    };
    http.places().into_iter().map(place).collect()
}

fn dav_title(needs: &Needs) -> &'static str {
    let has = |area| needs.iter().any(|scope| *scope == Scope::Full(area));
    match (has(Area::Calendars), has(Area::Contacts)) {
        (true, true) => "Calendars and contacts",
        (true, false) => "Calendars (CalDAV)",
        (false, true) => "Contacts (CardDAV)",
        (false, false) if has(Area::Files) => "Files (WebDAV)",
        (false, false) => "Web service",
    }
}
