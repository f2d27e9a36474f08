//! Radicale behind the gateway: how much of its request rate is left when somebody
//! in front of it checks a credential. Beside it, Radicale that lets in anybody,
//! Radicale behind nginx that checks a password, and Radicale that checks a bcrypt
//! hash itself.

mod client;
mod servers;

use std::fs;

use base64::{Engine, prelude::BASE64_STANDARD};
use e2e::Site;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use servers::{nginx, postern, radicale};

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
/// Clients at once.
const AT_ONCE: usize = 4;

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
    let postern = postern(&site, folder.path())?;
    let (nginx_upstream, behind_nginx) = radicale(&folder.path().join("behind-nginx"), "type = http_x_remote_user")?;
    let (nginx_port, nginx) = nginx(&site, &folder.path().join("nginx"), nginx_upstream)?;

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
        way("behind nginx", nginx_port, Some(tls::connector()?), "pass".into(), vec![nginx, behind_nginx]),
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
    let [through, nginx, open, own] = &ways;
    let clock = |way: &Way| format!("{} ({:.0} /s by the clock)", way.name, way.by_the_clock.median());
    let line = |way: &Way| Line::new(format!("Radicale {}", clock(way)), way.figures.clone(), Unit::PerCoreSecond);
    let share = |series: &Series| series.over(&open.figures);
    let promised = Some(Goal::AtLeast(0.95));
    Ok(vec![
        line(through).beside("of Radicale that lets in anybody", share(&through.figures), Unit::Percent, promised),
        Line::new("  the same, Postern on a processor of its own", through.radicale_alone.clone(), Unit::PerCoreSecond)
            .beside("of Radicale that lets in anybody", share(&through.radicale_alone), Unit::Percent, promised),
        line(nginx).beside("of Radicale that lets in anybody", share(&nginx.figures), Unit::Percent, None),
        line(open),
        line(own).beside("of Radicale that lets in anybody", share(&own.figures), Unit::Percent, None),
    ])
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
                    None => client::connect(port, tls.as_ref()).await?,
                };
                client::propfind(&mut open, &authorization).await?;
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
