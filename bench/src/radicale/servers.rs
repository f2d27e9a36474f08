//! Radicale with a calendar, and nginx in front of one.

use std::{fs, path::Path, process::Command};

use e2e::Site;

use super::LOGIN;
use crate::{Outcome, machine::Core, server::Server};

const EVENTS: usize = 20;
/// What nginx checks: "pass", SHA-1 without salt, the quickest that it knows.
const NGINX_HTPASSWD: &str = "user0@example.org:{SHA}nU4eI71bcnBGqeO0t9tXvY1u5oQ=\n";

/// Starts one with a calendar of twenty events.
pub(super) fn radicale(folder: &Path, auth: &str) -> Outcome<(u16, Server)> {
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

/// Starts Postern on its site.
pub(super) fn postern(site: &Site, folder: &Path) -> Outcome<Server> {
    let mut command = Command::new(e2e::binary()?);
    command.arg("serve").arg("--config").arg(site.config());
    Server::start(&mut command, Core::Server, site.dav, &folder.join("postern.log"))
}

/// Starts nginx, with TLS and a password check of its own, under the same certificate.
pub(super) fn nginx(site: &Site, folder: &Path, upstream: u16) -> Outcome<(u16, Server)> {
    let port = e2e::free_port()?;
    fs::create_dir_all(folder)?;
    fs::write(folder.join("htpasswd"), NGINX_HTPASSWD)?;
    let config = format!(
        "worker_processes 1;\npid {here}/pid;\nerror_log /dev/stderr warn;\n{user}events {{ }}\n\
         http {{\n access_log off;\n client_body_temp_path {here}/1;\n proxy_temp_path {here}/2;\n\
         fastcgi_temp_path {here}/3;\n uwsgi_temp_path {here}/4;\n scgi_temp_path {here}/5;\n\
         server {{\n listen 127.0.0.1:{port} ssl;\n keepalive_requests 1000000;\n\
         ssl_certificate {certificate};\n ssl_certificate_key {key};\n ssl_protocols TLSv1.3;\n\
         location / {{\n auth_basic here;\n auth_basic_user_file {here}/htpasswd;\n\
         proxy_set_header X-Remote-User $remote_user;\n proxy_pass http://127.0.0.1:{upstream};\n }} }} }}\n",
        here = folder.display(),
        user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" },
        certificate = site.path("data/tls/server.pem").display(),
        key = site.path("data/tls/server-key.pem").display(),
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, config)?;
    let mut command = Command::new("nginx");
    command.arg("-c").arg(file).args(["-g", "daemon off;", "-e", "stderr"]);
    Ok((port, Server::start(&mut command, Core::Server, port, &folder.join("log"))?))
}
