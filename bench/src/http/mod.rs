//! HTTPS with a credential check, on connections that are kept, in front of a
//! server that answers nothing at once. Beside Postern, nginx with the quickest
//! check that it has itself, and nginx that asks another server, as it is set up
//! where a credential is somebody else's to check.
//!
//! Counted is all that a check takes: nginx asks itself, at a port where it checks
//! the same file, so what answers is in its own time. That is the least that it can
//! ask. The server behind is the same for all and counted for none, and handshakes
//! are over before counting begins: `imap-logins` has those.

mod client;
pub(crate) mod stub;

use std::{fs, process::Command};

use e2e::Site;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::{
    Extent, Outcome,
    machine::{Core, ourselves},
    report::{Goal, Line, Unit, tell},
    series::Series,
    server::Server,
    stopwatch::Stopwatch,
    tls,
};

const LOGIN: &str = "user0@example.org";
/// What nginx checks: "pass", SHA-1 without salt.
const HTPASSWD: &str = "user0@example.org:{SHA}nU4eI71bcnBGqeO0t9tXvY1u5oQ=\n";
/// Connections at once.
const AT_ONCE: usize = 64;
/// They share so many app passwords, which have 64 sessions each at most.
const PASSWORDS: usize = 4;

/// A way to the server behind.
struct Way {
    name: &'static str,
    goal: Option<Goal>,
    /// Which of the servers it is.
    server: usize,
    port: u16,
    path: &'static str,
    passwords: Vec<String>,
    per_core_second: Series,
    per_second: Series,
}

pub(crate) fn measure(extent: &Extent) -> Outcome<Vec<Line>> {
    Core::Load.move_here()?;
    let folder = tempfile::Builder::new().prefix("postern-bench-").tempdir()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(in_turns(&folder, extent))
}

async fn in_turns(folder: &TempDir, extent: &Extent) -> Outcome<Vec<Line>> {
    let upstream = e2e::free_port()?;
    let mut stub = ourselves();
    stub.arg("http-stub").arg(upstream.to_string());
    let _stub = Server::start(&mut stub, Core::Load, upstream, &folder.path().join("stub.log"))?;

    let site = Site::new(e2e::free_port()?, upstream, "")?;
    site.account(LOGIN)?;
    let mut secrets = Vec::new();
    for _ in 0..PASSWORDS {
        secrets.push(site.app_password(LOGIN, "calendars,contacts", &["--lock", "off"])?.1);
    }
    let mut command = Command::new(e2e::binary()?);
    command.arg("serve").arg("--config").arg(site.config());
    let postern = Server::start(&mut command, Core::Server, site.dav, &folder.path().join("postern.log"))?;
    let (nginx_port, nginx) = nginx(&site, folder, upstream)?;
    let servers = [postern, nginx];

    let way = |name, goal, server, port, path, passwords| Way {
        name,
        goal,
        server,
        port,
        path,
        passwords,
        per_core_second: Series::default(),
        per_second: Series::default(),
    };
    let pass = || vec!["pass".to_owned()];
    let mut ways = [
        way("Postern", None, 0, site.dav, "/x", secrets),
        way("nginx auth_basic {SHA}", Some(Goal::AtLeast(1.1)), 1, nginx_port, "/sha/x", pass()),
        way("nginx auth_request, which asks nginx {SHA}", Some(Goal::AtLeast(2.5)), 1, nginx_port, "/asked/x", pass()),
        way("nginx that lets in anybody", None, 1, nginx_port, "/open/x", pass()),
    ];
    let seconds = if extent.quick { 1.0 } else { 2.0 };
    for round in 0..=extent.rounds(9) {
        for way in &mut ways {
            if round > 0 {
                tell(&format!("http-check: round {round}, {}", way.name));
            }
            let server = &servers[way.server];
            let counted = requests(way, server, seconds).await.map_err(|why| format!("{why}\n{}", server.said()))?;
            // The first round warms everything up.
            if round > 0 {
                way.per_core_second.push(counted.requests / counted.worked);
                way.per_second.push(counted.requests / counted.took);
            }
        }
    }
    let postern = ways[0].per_core_second.clone();
    let line = |way: &Way| {
        let what = format!("HTTPS with a check, {} ({:.0} /s by the clock)", way.name, way.per_second.median());
        let line = Line::new(what, way.per_core_second.clone(), Unit::PerCoreSecond);
        if way.server == 0 {
            return line;
        }
        line.beside("is Postern's", postern.over(&way.per_core_second), Unit::Times, way.goal)
    };
    Ok(ways.iter().map(line).collect())
}

/// What came of one turn.
struct Counted {
    requests: f64,
    /// Seconds by the clock.
    took: f64,
    /// Seconds of the server's processor.
    worked: f64,
}

async fn requests(way: &Way, server: &Server, seconds: f64) -> Outcome<Counted> {
    let tls = tls::connector()?;
    let requests: Vec<_> = way.passwords.iter().map(|password| client::request(way.path, LOGIN, password)).collect();
    let mut connecting = JoinSet::new();
    for _ in 0..AT_ONCE {
        connecting.spawn(client::Client::connect(way.port, tls.clone()));
    }
    let connected = connecting.join_all().await.into_iter().collect::<Outcome<Vec<_>>>()?;
    let (watch, before) = (Stopwatch::start(), server.worked());
    let mut clients = JoinSet::new();
    for (at, mut client) in connected.into_iter().enumerate() {
        let request = requests[at % requests.len()].clone();
        clients.spawn(async move {
            let mut counted = 0_u32;
            while watch.seconds() < seconds {
                client.ask(&request).await?;
                counted += 1;
            }
            Outcome::Ok(counted)
        });
    }
    let mut requests = 0.0;
    while let Some(client) = clients.join_next().await {
        requests += f64::from(client?.map_err(|why| format!("{}: {why}", way.name))?);
    }
    Ok(Counted { requests, took: watch.seconds(), worked: server.worked() - before })
}

/// nginx as its makers would set it up for one processor, under Postern's certificate.
fn nginx(site: &Site, folder: &TempDir, upstream: u16) -> Outcome<(u16, Server)> {
    let (port, asked, here) = (e2e::free_port()?, e2e::free_port()?, folder.path().join("nginx"));
    fs::create_dir_all(&here)?;
    fs::write(here.join("htpasswd"), HTPASSWD)?;
    let config = format!(
        "worker_processes 1;\npid {here}/pid;\nerror_log /dev/stderr warn;\n{user}events {{ worker_connections 8192; }}\n\
         http {{\n access_log off;\n tcp_nodelay on;\n keepalive_requests 10000000;\n keepalive_timeout 300s;\n\
         client_body_temp_path {here}/1;\n proxy_temp_path {here}/2;\n fastcgi_temp_path {here}/3;\n\
         uwsgi_temp_path {here}/4;\n scgi_temp_path {here}/5;\n\
         upstream behind {{ server 127.0.0.1:{upstream}; keepalive 128; keepalive_requests 10000000; }}\n\
         upstream asked {{ server 127.0.0.1:{asked}; keepalive 128; keepalive_requests 10000000; }}\n\
         server {{\n listen 127.0.0.1:{asked};\n\
         location / {{ auth_basic here; auth_basic_user_file {here}/htpasswd; try_files /none =204; }}\n\
         open_file_cache max=16; open_file_cache_errors on;\n }}\n\
         server {{\n listen 127.0.0.1:{port} ssl;\n ssl_certificate {certificate};\n ssl_certificate_key {key};\n\
         ssl_protocols TLSv1.3;\n proxy_http_version 1.1;\n proxy_set_header Connection \"\";\n\
         location /open/ {{ proxy_pass http://behind; }}\n\
         location /sha/ {{ proxy_pass http://behind; auth_basic here; auth_basic_user_file {here}/htpasswd; }}\n\
         location /asked/ {{ proxy_pass http://behind; auth_request /_asked; }}\n\
         location = /_asked {{ internal; proxy_pass http://asked; proxy_pass_request_body off;\n\
         proxy_set_header Content-Length \"\"; proxy_set_header Connection \"\"; }}\n }} }}\n",
        here = here.display(),
        user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" },
        certificate = site.path("data/tls/server.pem").display(),
        key = site.path("data/tls/server-key.pem").display(),
    );
    let file = here.join("nginx.conf");
    fs::write(&file, config)?;
    let mut command = Command::new("nginx");
    command.arg("-c").arg(file).args(["-g", "daemon off;", "-e", "stderr"]);
    Ok((port, Server::start(&mut command, Core::Server, port, &here.join("log"))?))
}
