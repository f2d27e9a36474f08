//! Clients by hand, for what no honest app does.

use std::{io::Write, process::Command};

use e2e::{Imap, Site, run};
use serde_json::Value;

use super::apps::ALICE;

/// How a client signs in and what it does first, line by line; `SECRET` stands for the
/// password.
pub(super) type Lines<'l> = &'l [&'l str];

pub(super) fn password(site: &Site, made_for: &str) -> (String, String) {
    let arguments = [
        "app-password",
        "create",
        ALICE,
        "--label",
        "x",
        "--app",
        made_for,
        "--scope",
        "mail,mail:send,calendars,contacts",
        "--json",
    ];
    let made = site.cli(&arguments, "").unwrap();
    assert_eq!(made.status, Some(0), "{made:?}");
    let text = |key: &str| made.json()[key].as_str().unwrap().to_owned();
    (text("id"), text("secret"))
}

pub(super) fn show(site: &Site, id: &str) -> Value {
    site.cli(&["app-password", "show", id, "--json"], "").unwrap().json()
}

/// The signatures that it is locked to.
pub(super) fn pins(site: &Site, id: &str) -> Vec<String> {
    let shown = show(site, id);
    shown["locked_to"].as_array().unwrap().iter().map(|pin| pin["client"].as_str().unwrap().to_owned()).collect()
}

/// Says these lines to a door, each when all before it has been answered, and the last
/// with the answer yet to come.
pub(super) fn begin(port: u16, site: &Site, secret: &str, lines: Lines<'_>) -> Imap {
    let mut imap = Imap::connect(port, &site.ca(), false).unwrap();
    imap.line().unwrap();
    for (at, line) in lines.iter().enumerate() {
        let line = line.replace("SECRET", secret);
        if at + 1 == lines.len() {
            imap.send(&line).unwrap();
            break;
        }
        let (tag, command) = line.split_once(' ').unwrap();
        let answer = imap.command(tag, command).unwrap();
        assert!(answer.last().unwrap().starts_with(&format!("{tag} OK")), "{line}: {answer:?}");
    }
    imap
}

/// True if the command with this tag is answered by OK; false if by NO, and the end.
pub(super) fn is_let_in(imap: &mut Imap, tag: &str) -> bool {
    while let Some(line) = imap.line() {
        if line.starts_with(&format!("{tag} OK")) {
            return true;
        }
        if line.starts_with(&format!("{tag} NO")) {
            return false;
        }
    }
    panic!("neither OK nor NO to {tag}");
}

pub(super) fn comes_in(port: u16, site: &Site, secret: &str, lines: Lines<'_>) -> bool {
    let tag = lines.last().unwrap().split(' ').next().unwrap();
    is_let_in(&mut begin(port, site, secret, lines), tag)
}

/// The same from another TLS library: Python's.
pub(super) fn comes_in_by_another_library(port: u16, site: &Site, secret: &str, lines: Lines<'_>) -> bool {
    let script = "import socket, ssl, sys\n\
        port, ca, *lines = sys.argv[1:]\n\
        s = ssl.create_default_context(cafile=ca).wrap_socket(socket.create_connection(('localhost', int(port))), server_hostname='localhost')\n\
        f = s.makefile('rwb')\n\
        f.readline()\n\
        for line in lines:\n\
        \x20 f.write(line.encode() + b'\\r\\n'); f.flush()\n\
        \x20 tag = line.split()[0].encode()\n\
        \x20 answer = f.readline()\n\
        \x20 while answer and not answer.startswith(tag + b' '): answer = f.readline()\n\
        print(answer.decode())\n";
    let file = site.write("by_hand.py", script).unwrap();
    let mut python = Command::new("python3");
    python.arg(file).arg(port.to_string()).arg(site.ca());
    let (_, said) = run(python.args(lines.iter().map(|line| line.replace("SECRET", secret)))).unwrap();
    match said.split_whitespace().nth(1) {
        Some("OK") => true,
        Some("NO") => false,
        _ => panic!("neither OK nor NO: {said}"),
    }
}

/// Sends these octets as they are over `openssl s_client`, and returns all that is said.
pub(super) fn says_at_once(port: u16, site: &Site, text: &str) -> String {
    let mut openssl = Command::new("openssl");
    openssl.args(["s_client", "-quiet", "-verify_quiet", "-servername", "localhost", "-connect"]);
    openssl.arg(format!("127.0.0.1:{port}")).arg("-CAfile").arg(site.ca());
    openssl.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = openssl.stderr(std::process::Stdio::null()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(text.as_bytes()).unwrap();
    stdin.flush().unwrap();
    // It is the server that ends it, after LOGOUT.
    let said = child.wait_with_output().unwrap();
    drop(stdin);
    String::from_utf8_lossy(&said.stdout).into_owned()
}
