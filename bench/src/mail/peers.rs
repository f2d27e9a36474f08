//! Who stands in front of the server, each as its makers would set it up for one
//! processor.

use std::{fs, process::Command};

use super::{Protocol, Yard};
use crate::{
    Outcome,
    machine::{Core, descriptors, ourselves},
    server::Server,
};

/// Which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// Authenticates, registers, and can cut off.
    Postern,
    /// TLS and bytes, no more.
    Pump,
    /// TLS and bytes, no more.
    Haproxy,
    /// Asks itself over HTTP who may come in: anybody.
    Nginx,
    /// Lets in anybody without a look at the password.
    Dovecot,
}

/// A running one.
pub(super) struct Peer {
    pub(super) server: Server,
    pub(super) port: u16,
    pub(super) protocol: Protocol,
}

impl Who {
    /// Those that stand in front of servers of this protocol.
    pub(super) fn all(protocol: Protocol) -> &'static [Self] {
        match protocol {
            Protocol::Imap => &[Self::Postern, Self::Pump, Self::Haproxy, Self::Nginx, Self::Dovecot],
            _ => &[Self::Postern, Self::Pump, Self::Haproxy],
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Postern => "Postern",
            Self::Pump => "bare Rust pump",
            Self::Haproxy => "haproxy",
            Self::Nginx => "nginx mail",
            Self::Dovecot => "Dovecot proxy",
        }
    }

    /// Starts it. Postern comes first: it makes the certificate.
    pub(super) fn start(self, yard: &Yard) -> Outcome<Peer> {
        let port = match self {
            Self::Postern => yard.door,
            _ => e2e::free_port()?,
        };
        let mut command = match self {
            Self::Postern => postern(yard)?,
            Self::Pump => pump(yard, port),
            Self::Haproxy => haproxy(yard, port)?,
            Self::Nginx => nginx(yard, port)?,
            Self::Dovecot => dovecot(yard, port)?,
        };
        let log = yard.path(&format!("{self:?}.log"));
        let server = Server::start(&mut command, Core::Server, port, &log)?;
        Ok(Peer { server, port, protocol: yard.protocol })
    }
}

fn postern(yard: &Yard) -> Outcome<Command> {
    let mut command = Command::new(e2e::binary()?);
    command.arg("serve").arg("--config").arg(yard.site.config());
    // It tells how long a fence took to close.
    command.env("POSTERN_LOG", "info,keeper::live_session=debug");
    Ok(command)
}

fn pump(yard: &Yard, port: u16) -> Command {
    let mut command = ourselves();
    command.arg("pump").args([port.to_string(), yard.upstream.to_string()]).arg(yard.certificate()).arg(yard.key());
    command
}

fn haproxy(yard: &Yard, port: u16) -> Outcome<Command> {
    let both = [fs::read_to_string(yard.certificate())?, fs::read_to_string(yard.key())?].concat();
    let pem = yard.write("haproxy.pem", &both)?;
    let config = format!(
        "global\n nbthread 1\n maxconn {}\n tune.ssl.cachesize 0\n\
         defaults\n mode tcp\n timeout connect 5s\n timeout client 1h\n timeout server 1h\n\
         listen mail\n bind 127.0.0.1:{port} ssl crt {} backlog 4096\n server behind 127.0.0.1:{}\n",
        // It refuses to start with more than there are descriptors for.
        descriptors().min(40_000) / 2 - 40,
        pem.display(),
        yard.upstream,
    );
    let mut command = Command::new("haproxy");
    command.arg("-db").arg("-f").arg(yard.write("haproxy.cfg", &config)?);
    Ok(command)
}

fn nginx(yard: &Yard, port: u16) -> Outcome<Command> {
    let asked = e2e::free_port()?;
    let here = yard.path("nginx");
    fs::create_dir_all(&here)?;
    let config = format!(
        "load_module /usr/lib/nginx/modules/ngx_mail_module.so;\n\
         worker_processes 1;\npid {here}/pid;\nerror_log /dev/stderr warn;\n{user}\
         worker_rlimit_nofile {files};\nevents {{ worker_connections {connections}; }}\n\
         http {{\n access_log off;\n client_body_temp_path {here}/1;\n proxy_temp_path {here}/2;\n\
         fastcgi_temp_path {here}/3;\n uwsgi_temp_path {here}/4;\n scgi_temp_path {here}/5;\n\
         server {{\n listen 127.0.0.1:{asked};\n keepalive_requests 1000000;\n location / {{\n\
         add_header Auth-Status OK always;\n add_header Auth-Server 127.0.0.1 always;\n\
         add_header Auth-Port {upstream} always;\n return 200;\n }} }} }}\n\
         mail {{\n auth_http 127.0.0.1:{asked}/;\n imap_capabilities IMAP4rev1 SASL-IR LITERAL+ ID IDLE;\n\
         ssl_certificate {certificate};\n ssl_certificate_key {key};\n ssl_protocols TLSv1.2 TLSv1.3;\n\
         ssl_session_cache none;\n timeout 1h;\n\
         server {{ listen 127.0.0.1:{port} ssl backlog=4096; protocol imap; imap_auth plain login; }} }}\n",
        here = here.display(),
        user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" },
        files = descriptors().min(40_000),
        // With fewer than a sixteenth left it cuts its own questions off.
        connections = descriptors().min(40_000) * 2,
        upstream = yard.upstream,
        certificate = yard.certificate().display(),
        key = yard.key().display(),
    );
    let mut command = Command::new("nginx");
    command.arg("-c").arg(yard.write("nginx/nginx.conf", &config)?).args(["-g", "daemon off;", "-e", "stderr"]);
    Ok(command)
}

/// In its "performance mode": one process for all connections.
fn dovecot(yard: &Yard, port: u16) -> Outcome<Command> {
    let (user, group) = if rustix::process::geteuid().is_root() {
        ("nobody".to_owned(), "nogroup".to_owned())
    } else {
        (id("-un")?, id("-gn")?)
    };
    let config = format!(
        "base_dir = {run}\nstate_dir = {state}\nlog_path = /dev/stderr\nprotocols = imap\n\
         ssl = yes\nssl_cert = <{certificate}\nssl_key = <{key}\n\
         auth_mechanisms = plain\ndisable_plaintext_auth = no\n\
         default_internal_user = {user}\ndefault_internal_group = {group}\ndefault_login_user = {user}\n\
         default_client_limit = 20000\ndefault_vsz_limit = 4G\n\
         passdb {{\n driver = static\n args = proxy=y host=127.0.0.1 port={upstream} nopassword=y\n}}\n\
         userdb {{\n driver = static\n args = uid={user} gid={group} home=/nonexistent\n}}\n\
         service anvil {{\n chroot =\n client_limit = 20000\n unix_listener anvil-auth-penalty {{\n mode = 0\n }}\n}}\n\
         service auth {{\n client_limit = 20000\n}}\n\
         service imap-login {{\n chroot =\n service_count = 0\n process_limit = 1\n process_min_avail = 1\n\
         client_limit = 10000\n inet_listener imap {{\n port = 0\n }}\n\
         inet_listener imaps {{\n address = 127.0.0.1\n port = {port}\n ssl = yes\n }}\n}}\n",
        run = yard.path("dovecot/run").display(),
        state = yard.path("dovecot/state").display(),
        certificate = yard.certificate().display(),
        key = yard.key().display(),
        upstream = yard.upstream,
    );
    let file = yard.write("dovecot/dovecot.conf", &config)?;
    fs::create_dir_all(yard.path("dovecot/run"))?;
    fs::create_dir_all(yard.path("dovecot/state"))?;
    let mut command = Command::new("dovecot");
    command.arg("-F").arg("-c").arg(file);
    Ok(command)
}

fn id(flag: &str) -> Outcome<String> {
    Ok(String::from_utf8(Command::new("id").arg(flag).output()?.stdout)?.trim().to_owned())
}
