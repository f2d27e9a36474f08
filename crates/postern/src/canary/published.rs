//! What a domain publishes: the names and ports that apps find by themselves.

use std::net::{IpAddr, SocketAddr};

use futures_util::future::join_all;
use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolverConfig},
    net::{NetError, runtime::TokioRuntimeProvider},
    proto::rr::{Name, RData, RecordType},
};
use xmltree::Element;

use super::{
    http::page,
    place::{Cover, IN_THE_CLEAR, Place, Speaks},
};

const IMPLICIT: [Cover; 1] = [Cover::Implicit];

/// RFC 6186, 8314, 5804, 6764. What is published without TLS is asked for too: a
/// site that has it by mistake is what this looks for.
const SERVICES: [(&str, Speaks, &[Cover]); 11] = [
    ("_imaps._tcp", Speaks::Imap, &IMPLICIT),
    ("_imap._tcp", Speaks::Imap, &IN_THE_CLEAR),
    ("_submissions._tcp", Speaks::Smtp, &IMPLICIT),
    ("_submission._tcp", Speaks::Smtp, &IN_THE_CLEAR),
    ("_pop3s._tcp", Speaks::Pop3, &IMPLICIT),
    ("_pop3._tcp", Speaks::Pop3, &IN_THE_CLEAR),
    ("_sieve._tcp", Speaks::Sieve, &IN_THE_CLEAR),
    ("_caldavs._tcp", Speaks::Http, &IMPLICIT),
    ("_carddavs._tcp", Speaks::Http, &IMPLICIT),
    ("_caldav._tcp", Speaks::Http, &[Cover::Plain]),
    ("_carddav._tcp", Speaks::Http, &[Cover::Plain]),
];

/// Names that belong to nobody (RFC 2606, 6761): nothing of theirs is published.
pub(super) fn is_reserved(domain: &str) -> bool {
    const TOP: [&str; 5] = ["localhost", "test", "example", "invalid", "local"];
    const SECOND: [&str; 3] = ["example.com", "example.net", "example.org"];
    let ends_with = |name: &str| domain == name || domain.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'));
    TOP.into_iter().chain(SECOND).any(ends_with)
}

/// All that can be found for `domain`. What cannot be looked up is not there.
pub(super) async fn places(domain: &str, resolver: Option<SocketAddr>) -> Result<Vec<Place>, NetError> {
    let resolver = self::resolver(resolver)?;
    let services = join_all(SERVICES.map(|(name, speaks, covers)| {
        let resolver = &resolver;
        async move { service(resolver, domain, name, speaks, covers).await }
    }));
    let (services, exchanges, configured) = tokio::join!(services, exchanges(&resolver, domain), autoconfig(domain));
    let well_known = ["/.well-known/caldav", "/.well-known/carddav"]
        .map(|path| Place::tcp(Speaks::Http, Cover::Implicit, domain, 443, "well-known").with_path(path));
    Ok(services.into_iter().flatten().chain(exchanges).chain(configured).chain(well_known).collect())
}

fn resolver(at: Option<SocketAddr>) -> Result<TokioResolver, NetError> {
    match at {
        Some(at) => TokioResolver::builder_with_config(one(at), TokioRuntimeProvider::default()).build(),
        None => TokioResolver::builder_tokio()?.build(),
    }
}

fn one(at: SocketAddr) -> ResolverConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = at.port();
        connection
    });
    let mut server = NameServerConfig::udp_and_tcp(at.ip());
    server.connections = connections.to_vec();
    ResolverConfig::from_parts(None, vec![], vec![server])
}

async fn service(resolver: &TokioResolver, domain: &str, name: &str, speaks: Speaks, covers: &[Cover]) -> Vec<Place> {
    let found = format!("SRV {name}");
    let mut places = Vec::new();
    for data in lookup(resolver, &format!("{name}.{domain}."), RecordType::SRV).await {
        // A target of "." says that there is none (RFC 2782).
        if let RData::SRV(srv) = data
            && let Some(host) = host(&srv.target)
        {
            places.extend(covers.iter().map(|cover| Place::tcp(speaks, *cover, &host, srv.port, &found)));
        }
    }
    places
}

async fn exchanges(resolver: &TokioResolver, domain: &str) -> Vec<Place> {
    let mut places = Vec::new();
    for data in lookup(resolver, &format!("{domain}."), RecordType::MX).await {
        if let RData::MX(mx) = data
            && let Some(host) = host(&mx.exchange)
        {
            places.extend(IN_THE_CLEAR.map(|cover| Place::tcp(Speaks::Smtp, cover, &host, 25, "MX")));
        }
    }
    places
}

async fn lookup(resolver: &TokioResolver, name: &str, kind: RecordType) -> Vec<RData> {
    let Ok(name) = name.parse::<Name>() else { return vec![] };
    match resolver.lookup(name, kind).await {
        Ok(found) => found.answers().iter().map(|record| record.data.clone()).collect(),
        Err(error) => {
            tracing::debug!(%error, "the canary found nothing published there");
            vec![]
        }
    }
}

fn host(name: &Name) -> Option<String> {
    let text = name.to_ascii();
    let host = text.strip_suffix('.').unwrap_or(&text);
    (!host.is_empty()).then(|| host.to_owned())
}

/// What Thunderbird and those who do as it does read.
async fn autoconfig(domain: &str) -> Vec<Place> {
    let at = |cover, host: String, port, path: &str| {
        Place::tcp(Speaks::Http, cover, &host, port, "autoconfig").with_path(path)
    };
    let pages = [
        at(Cover::Implicit, format!("autoconfig.{domain}"), 443, "/mail/config-v1.1.xml"),
        at(Cover::Implicit, domain.to_owned(), 443, "/.well-known/autoconfig/mail/config-v1.1.xml"),
        at(Cover::Plain, format!("autoconfig.{domain}"), 80, "/mail/config-v1.1.xml"),
    ];
    let read = join_all(pages.map(page)).await;
    read.into_iter().flatten().flat_map(|text| servers(&text)).collect()
}

/// The servers that a `config-v1.1.xml` names.
fn servers(text: &[u8]) -> Vec<Place> {
    let Ok(root) = Element::parse(text) else { return vec![] };
    let provider = root.get_child("emailProvider");
    let servers =
        provider.into_iter().flat_map(|provider| provider.children.iter()).filter_map(|node| node.as_element());
    servers.flat_map(|server| named(server).unwrap_or_default()).collect()
}

fn named(server: &Element) -> Option<Vec<Place>> {
    let text = |name: &str| Some(server.get_child(name)?.get_text()?.trim().to_owned());
    let speaks = match server.attributes.get("type")?.as_str() {
        "imap" => Speaks::Imap,
        "pop3" => Speaks::Pop3,
        "smtp" => Speaks::Smtp,
        _ => return None,
    };
    let covers: &[Cover] = if text("socketType")? == "SSL" { &IMPLICIT } else { &IN_THE_CLEAR };
    let (host, port) = (text("hostname")?, text("port")?.parse().ok()?);
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':');
    if host.is_empty() || !host.chars().all(plain) || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified()) {
        return None;
    }
    Some(covers.iter().map(|cover| Place::tcp(speaks, *cover, &host, port, "autoconfig")).collect())
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::{
        op::Message,
        rr::{
            Record,
            rdata::{MX, SRV},
        },
    };

    use super::*;

    #[test]
    fn reserved_names_are_not_looked_up() {
        for (domain, reserved) in [
            ("localhost", true),
            ("example.org", true),
            ("mail.example.org", true),
            ("site.test", true),
            ("notexample.org", false),
            ("latest", false),
        ] {
            assert_eq!(is_reserved(domain), reserved, "{domain}");
        }
    }

    #[test]
    fn autoconfig_names_its_servers() {
        let text = br#"<?xml version="1.0"?><clientConfig version="1.1"><emailProvider id="example.org">
            <domain>example.org</domain>
            <incomingServer type="imap"><hostname>mail.example.org</hostname><port>993</port><socketType>SSL</socketType></incomingServer>
            <incomingServer type="pop3"><hostname>mail.example.org</hostname><port>110</port><socketType>STARTTLS</socketType></incomingServer>
            <outgoingServer type="smtp"><hostname>bad host</hostname><port>465</port><socketType>SSL</socketType></outgoingServer>
            </emailProvider></clientConfig>"#;
        let shown: Vec<_> = servers(text).iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "imaps://mail.example.org:993 (autoconfig)",
                "pop3://mail.example.org:110 (autoconfig)",
                "pop3+starttls://mail.example.org:110 (autoconfig)"
            ]
        );
        assert!(servers(b"<html>").is_empty());
    }

    /// Answers each question with what the zone has, until it is dropped.
    async fn zone(records: Vec<(&'static str, RData)>) -> (SocketAddr, tokio::task::JoinHandle<()>) {
        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let at = socket.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let mut octets = [0; 1024];
            loop {
                let (length, from) = socket.recv_from(&mut octets).await.unwrap();
                let mut message = Message::from_vec(&octets[..length]).unwrap().into_response();
                message.edns = None;
                let asked = message.queries[0].clone();
                for (name, data) in &records {
                    let name: Name = name.parse().unwrap();
                    if name == *asked.name() && data.record_type() == asked.query_type() {
                        message.add_answer(Record::from_rdata(name, 60, data.clone()));
                    }
                }
                socket.send_to(&message.to_vec().unwrap(), from).await.unwrap();
            }
        });
        (at, serving)
    }

    #[tokio::test]
    async fn records_lead_to_places() {
        let srv = |port, target: &str| RData::SRV(SRV::new(0, 1, port, target.parse().unwrap()));
        let (at, serving) = zone(vec![
            ("_imaps._tcp.site.test.", srv(993, "mail.site.test.")),
            ("_imaps._tcp.site.test.", srv(1993, "old.site.test.")),
            // "There is none" (RFC 2782).
            ("_pop3s._tcp.site.test.", srv(0, ".")),
            ("site.test.", RData::MX(MX::new(10, "mx.site.test.".parse().unwrap()))),
        ])
        .await;
        let resolver = resolver(Some(at)).unwrap();
        let shown = |places: Vec<Place>| places.iter().map(ToString::to_string).collect::<Vec<_>>();
        let mut imaps = shown(service(&resolver, "site.test", "_imaps._tcp", Speaks::Imap, &IMPLICIT).await);
        imaps.sort();
        assert_eq!(
            imaps,
            ["imaps://mail.site.test:993 (SRV _imaps._tcp)", "imaps://old.site.test:1993 (SRV _imaps._tcp)"]
        );
        assert!(service(&resolver, "site.test", "_pop3s._tcp", Speaks::Pop3, &IMPLICIT).await.is_empty());
        assert!(service(&resolver, "site.test", "_sieve._tcp", Speaks::Sieve, &IN_THE_CLEAR).await.is_empty());
        assert_eq!(
            shown(exchanges(&resolver, "site.test").await),
            ["smtp://mx.site.test:25 (MX)", "smtp+starttls://mx.site.test:25 (MX)"]
        );
        serving.abort();
    }
}
