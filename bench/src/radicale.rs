//! Radicale behind the gateway: how much of its request rate is left when somebody
//! in front of it checks a credential. Beside it, Radicale that lets in anybody, and
//! Radicale that checks a bcrypt hash itself.

use std::{fs, net::Ipv4Addr, path::Path, process::Command};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use e2e::Site;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tempfile::TempDir;
use tokio::{net::TcpStream, task::JoinSet};
use tokio_rustls::TlsConnector;

use crate::{
    Extent, Outcome,
    machine::Core,
    report::{Goal, Line, Unit, tell},
    series::Series,
    server::Server,
    stopwatch::Stopwatch,
    tls,
};

const LOGIN: &str = "user0@example.org";
/// At Radicale that checks for itself: "pass", bcrypt, cost 10.
const HTPASSWD: &str = "user0@example.org:$2y$10$74FaXTmFomMMQIensNMLw./CKpzZaxera9cYwZSgeRn8p5DCPIVgu\n";
const EVENTS: usize = 20;
/// Clients at once.
const AT_ONCE: usize = 4;

const PROPFIND: &str = "<?xml version=\"1.0\"?><d:propfind xmlns:d=\"DAV:\"><d:prop>\
    <d:getetag/><d:resourcetype/><d:displayname/></d:prop></d:propfind>";

/// A way to a calendar.
struct Way {
    name: &'static str,
    port: u16,
    /// The gateway's; Radicale itself speaks in the clear.
    tls: Option<TlsConnector>,
    password: String,
    servers: Vec<Server>,
    figures: Series,
    by_the_clock: Series,
    /// Counting only what the last of the servers took: Radicale.
    radicale_alone: Series,
}

pub(crate) fn measure(extent: &Extent) -> Outcome<Vec<Line>> {
    Core::Load.move_here()?;
    let folder = tempfile::Builder::new().prefix("postern-bench-").tempdir()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(in_turns(&folder, extent))
}

async fn in_turns(folder: &TempDir, extent: &Extent) -> Outcome<Vec<Line>> {
    let (open_port, open) = radicale(&folder.path().join("open"), "type = none")?;
    fs::write(folder.path().join("htpasswd"), HTPASSWD)?;
    let htpasswd = format!(
        "type = htpasswd\nhtpasswd_filename = {}\nhtpasswd_encryption = bcrypt",
        folder.path().join("htpasswd").display()
    );
    let (own_port, own) = radicale(&folder.path().join("own"), &htpasswd)?;
    let (behind_port, behind) = radicale(&folder.path().join("behind"), "type = http_x_remote_user")?;
    let site = Site::new(e2e::free_port()?, behind_port, "")?;
    site.account(LOGIN)?;
    let (_, secret) = site.app_password(LOGIN, "calendars,contacts", &["--lock", "off"])?;
    let mut postern = Command::new(e2e::binary()?);
    postern.arg("serve").arg("--config").arg(site.config());
    let postern = Server::start(&mut postern, Core::Server, site.dav, &folder.path().join("postern.log"))?;

    let way = |name, port, tls, password, servers| Way {
        name,
        port,
        tls,
        password,
        servers,
        figures: Series::default(),
        by_the_clock: Series::default(),
        radicale_alone: Series::default(),
    };
    let mut ways = [
        way("behind Postern", site.dav, Some(tls::connector()?), secret, vec![postern, behind]),
        way("that lets in anybody", open_port, None, "pass".into(), vec![open]),
        way("that checks bcrypt itself", own_port, None, "pass".into(), vec![own]),
    ];
    for round in 0..=extent.rounds(7) {
        for way in &mut ways {
            if round > 0 {
                tell(&format!("radicale: round {round}, {}", way.name));
            }
            let before: Vec<f64> = way.servers.iter().map(Server::worked).collect();
            let (counted, seconds) = requests(way, if extent.quick { 1.0 } else { 3.0 }).await?;
            let worked: Vec<f64> = way.servers.iter().zip(before).map(|(of, before)| of.worked() - before).collect();
            // The first round warms everything up.
            if let (1.., Some(radicale)) = (round, worked.last()) {
                way.figures.push(counted / worked.iter().sum::<f64>());
                way.radicale_alone.push(counted / radicale);
                way.by_the_clock.push(counted / seconds);
            }
        }
    }
    let [through, open, own] = &ways;
    let clock = |way: &Way| format!("{} ({:.0} /s by the clock)", way.name, way.by_the_clock.median());
    let line = |way: &Way| Line::new(format!("Radicale {}", clock(way)), way.figures.clone(), Unit::PerCoreSecond);
    let share = |series: &Series| series.over(&open.figures);
    let promised = Some(Goal::AtLeast(0.95));
    Ok(vec![
        line(through).beside("of Radicale that lets in anybody", share(&through.figures), Unit::Percent, promised),
        Line::new("  the same, Postern on a processor of its own", through.radicale_alone.clone(), Unit::PerCoreSecond)
            .beside("of Radicale that lets in anybody", share(&through.radicale_alone), Unit::Percent, promised),
        line(open),
        line(own).beside("of Radicale that lets in anybody", share(&own.figures), Unit::Percent, None),
    ])
}

/// Starts one with a calendar of twenty events.
fn radicale(folder: &Path, auth: &str) -> Outcome<(u16, Server)> {
    let calendar = folder.join("collections/collection-root").join(LOGIN).join("cal");
    fs::create_dir_all(&calendar)?;
    fs::write(calendar.join(".Radicale.props"), r#"{"tag": "VCALENDAR"}"#)?;
    for number in 1..=EVENTS {
        let event = format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Postern//bench//EN\r\nBEGIN:VEVENT\r\nUID:{number}\r\n\
             DTSTAMP:20260101T000000Z\r\nDTSTART:202601{number:02}T090000Z\r\nSUMMARY:Tea {number}\r\n\
             END:VEVENT\r\nEND:VCALENDAR\r\n"
        );
        fs::write(calendar.join(format!("{number}.ics")), event)?;
    }
    let port = e2e::free_port()?;
    let config = format!(
        "[server]\nhosts = 127.0.0.1:{port}\nmax_connections = 100\n[auth]\n{auth}\n[rights]\ntype = owner_only\n\
         [storage]\nfilesystem_folder = {}/collections\n[logging]\nlevel = error\n",
        folder.display()
    );
    let file = folder.join("config");
    fs::write(&file, config)?;
    let mut command = Command::new("radicale");
    command.arg("--config").arg(file);
    Ok((port, Server::start(&mut command, Core::Server, port, &folder.join("log"))?))
}

/// How many PROPFINDs of the calendar, depth 0, in how many seconds.
async fn requests(way: &Way, seconds: f64) -> Outcome<(f64, f64)> {
    let watch = Stopwatch::start();
    let authorization = format!("Basic {}", BASE64_STANDARD.encode(format!("{LOGIN}:{}", way.password)));
    let mut clients = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (port, tls, authorization) = (way.port, way.tls.clone(), authorization.clone());
        clients.spawn(async move {
            let mut counted = 0_u32;
            let mut connection = None;
            while watch.seconds() < seconds {
                let mut open = match connection.take() {
                    Some(open) => open,
                    None => connect(port, tls.as_ref()).await?,
                };
                propfind(&mut open, &authorization).await?;
                counted += 1;
                // Radicale closes after each answer, the gateway does not.
                connection = open.ready().await.is_ok().then_some(open);
            }
            Outcome::Ok(counted)
        });
    }
    let mut counted = 0.0;
    while let Some(client) = clients.join_next().await {
        counted += f64::from(client?.map_err(|why| format!("Radicale {}: {why}", way.name))?);
    }
    Ok((counted, watch.seconds()))
}

async fn connect(port: u16, tls: Option<&TlsConnector>) -> Outcome<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.set_nodelay(true)?;
    match tls {
        None => {
            let (open, connection) = handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            Ok(open)
        }
        Some(tls) => {
            let stream = tls.connect(ServerName::try_from("localhost")?, stream).await?;
            let (open, connection) = handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            Ok(open)
        }
    }
}

async fn propfind(open: &mut SendRequest<Full<Bytes>>, authorization: &str) -> Outcome<()> {
    let request = Request::builder()
        .method("PROPFIND")
        .uri(format!("/{LOGIN}/cal/"))
        .header(header::HOST, "localhost")
        .header("Depth", "0")
        .header(header::CONTENT_TYPE, "application/xml")
        .header(header::AUTHORIZATION, authorization)
        .body(Full::from(PROPFIND))?;
    let answer = open.send_request(request).await?;
    let status = answer.status();
    let body = answer.into_body().collect().await?.to_bytes();
    if status != StatusCode::MULTI_STATUS {
        return Err(format!("expected 207, got {status}: {}", String::from_utf8_lossy(&body)).into());
    }
    Ok(())
}
