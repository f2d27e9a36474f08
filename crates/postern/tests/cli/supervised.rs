//! Started by systemd, or by whatever does as it does.

use std::{
    fs::File,
    net::TcpListener,
    os::{
        fd::OwnedFd,
        unix::net::{UnixDatagram, UnixListener},
    },
    process::{Command, Stdio},
    time::Duration,
};

use rustix::process::Signal;

use crate::site::{Server, Site};

/// What a supervisor is told.
struct Told(UnixDatagram);

impl Told {
    fn next(&self) -> String {
        let mut octets = [0; 4096];
        let count = self.0.recv(&mut octets).unwrap();
        String::from_utf8_lossy(&octets[..count]).into_owned()
    }
}

fn supervisor(site: &Site) -> Told {
    let socket = UnixDatagram::bind(site.path("notify.sock")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    Told(socket)
}

#[test]
fn the_supervisor_is_told_of_every_turn() {
    let site = Site::with("[drive]\nlisten = [\"unix:drive.sock\"]\n");
    let told = supervisor(&site);
    let mut command = site.command(&["serve"]);
    command.env("NOTIFY_SOCKET", site.path("notify.sock"));
    let mut server = Server::start(&mut command);
    assert!(told.next().starts_with("READY=1\n"));
    // It says so when everything is bound.
    std::os::unix::net::UnixStream::connect(site.path("drive.sock")).unwrap();

    server.after(Signal::HUP, "were read again");
    let reloading = told.next();
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    assert!(told.next().starts_with("READY=1\n"));

    assert_eq!(server.stop().0, Some(0));
    assert!(told.next().starts_with("STOPPING=1\n"));
}

#[test]
fn the_supervisor_gets_signs_of_life_if_it_wants_them() {
    let site = Site::with("");
    let told = supervisor(&site);
    let mut command = site.command(&["serve"]);
    command.env("NOTIFY_SOCKET", site.path("notify.sock")).env("WATCHDOG_USEC", "200000");
    let server = Server::start(&mut command);
    assert!(told.next().starts_with("READY=1\n"));
    for _ in 0..3 {
        assert_eq!(told.next().trim_end(), "WATCHDOG=1");
    }
    drop(server);
}

/// A server that is started with this socket, as systemd would pass it on.
fn activated(site: &Site, socket: OwnedFd) -> Command {
    // The shell's own number is the server's.
    let script = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web exec \"$@\"";
    let serve = site.command(&["serve"]);
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(serve.get_program()).args(serve.get_args());
    command.current_dir(site.path("")).env("POSTERN_LOG", "info").env_remove("POSTERN_CONFIG");
    command.stdin(Stdio::from(socket)).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn sockets_that_were_passed_on_are_used() {
    // Taken already: the server could not bind it.
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap();
    let site = Site::with(&format!("[monitor]\nlisten = [\"{address}\"]\n"));
    let server = Server::start(&mut activated(&site, tcp.into()));
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let answer = {
        use std::io::{Read, Write};
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(server.stop().0, Some(0));

    // Its file is not the server's to remove.
    let site = Site::with("");
    let portal = UnixListener::bind(site.path("portal.sock")).unwrap();
    let absolute = format!("listen = [\"unix:{}\"]", site.path("portal.sock").display());
    let config = std::fs::read_to_string(site.path("postern.toml")).unwrap();
    site.write("postern.toml", &config.replace("listen = [\"unix:portal.sock\"]", &absolute));
    let server = Server::start(&mut activated(&site, portal.into()));
    assert_eq!(server.stop().0, Some(0));
    assert!(site.path("portal.sock").exists());
}

#[test]
fn a_socket_that_nobody_asked_for_keeps_the_server_from_starting() {
    let site = Site::with("");
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap();
    let ended = activated(&site, tcp.into()).output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(2), "{said}");
    assert!(said.contains(&format!("the socket {address} was passed on as `web`, and no `listen`")), "{said}");

    let file = File::open(site.path("postern.toml")).unwrap();
    let ended = activated(&site, file.into()).output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(2), "{said}");
    assert!(said.contains("passed on as `web` is no listener"), "{said}");
}
