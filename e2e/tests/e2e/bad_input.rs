//! What nobody should send, over the real sockets: it is refused in the
//! protocol's own words, opens nothing, and the door stays open for others.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    process::Command,
    time::Duration,
};

use data_encoding::BASE64;
use e2e::{Imap, Postern, Site, run};

use crate::World;

const ALICE: &str = "alice@example.org";

/// An answer of a door, whole.
fn refusal(postern: &Postern) -> [String; 2] {
    let text = format!("Use an app password, not your account password: https://localhost:{}", postern.portal);
    [format!("* NO [ALERT] {text}"), format!("a NO [AUTHENTICATIONFAILED] {text}")]
}

fn plain(acting_as: &str, login: &str, secret: &str) -> String {
    BASE64.encode(format!("{acting_as}\0{login}\0{secret}").as_bytes())
}

/// A connection after its greeting.
fn greeted(postern: &Postern) -> Imap {
    let mut imap = Imap::connect(postern.imap, &postern.ca(), false).unwrap();
    assert!(imap.line().unwrap().starts_with("* OK [CAPABILITY"));
    imap
}

#[test]
fn what_cannot_be_read_over_imap_is_refused_and_the_next_sign_in_works() {
    let world = World::start();
    let postern = &world.postern;
    postern.account(ALICE).unwrap();
    postern.account("bob@example.org").unwrap();
    let (_, secret) = postern.app_password(ALICE, "mail", &[]).unwrap();
    for (what, sent, told) in [
        ("a line without end", format!("LOGIN alice {}", "x".repeat(9000)), "* BYE Line or literal too long."),
        ("a literal of a gigabyte", "LOGIN {1073741824}".into(), "* BYE Line or literal too long."),
        ("the same, unasked for", "LOGIN {1073741824+}".into(), "* BYE Line or literal too long."),
        ("a SASL line without end", format!("AUTHENTICATE PLAIN {}", "A".repeat(20_000)), "* BYE Line"),
        ("NUL in a name", format!("LOGIN \"al\0ice\" \"{secret}\""), "a BAD"),
        ("CR in a name", format!("LOGIN {{6+}}\r\nalice\r \"{secret}\""), "a NO [AUTHENTICATIONFAILED]"),
        ("a wildcard in a name", format!("LOGIN \"alice*postern\" \"{secret}\""), "a NO [AUTHENTICATIONFAILED]"),
        ("no base64", "AUTHENTICATE PLAIN !!!".into(), "a BAD"),
        ("base64 of two words", format!("AUTHENTICATE PLAIN {}", BASE64.encode(b"alice\0x")), "a BAD"),
        ("a mechanism that is not offered", "AUTHENTICATE CRAM-MD5".into(), "a NO"),
        ("a command of the session", "SELECT INBOX".into(), "a BAD"),
        ("no command", String::new(), "a BAD"),
    ] {
        let mut imap = greeted(postern);
        let answer = imap.command("a", &sent).unwrap();
        assert!(answer.last().is_some_and(|line| line.starts_with(told)), "{what}: {answer:?}");
    }

    // Somebody else's name beside one's own password is one of the refusals, word for word.
    let mut imap = greeted(postern);
    let as_bob = format!("AUTHENTICATE PLAIN {}", plain("bob@example.org", "alice", &secret));
    assert_eq!(imap.command("a", &as_bob).unwrap(), refusal(postern));
    // The connection is still good for who mends what was wrong; one's own name is no other's.
    let as_alice = format!("AUTHENTICATE PLAIN {}", plain(ALICE, "alice", &secret));
    assert!(imap.command("a", &as_alice).unwrap().last().unwrap().starts_with("a OK"));
    assert!(!postern.said().contains("panicked"), "{}", postern.said());
}

/// All that a door without TLS says to this, until it closes.
fn in_the_clear(site: &Site, pieces: &[&str]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", site.imap_starttls)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut said = Vec::new();
    for piece in pieces {
        let before = said.len();
        let mut octets = [0; 4096];
        while !said[before..].ends_with(b"\r\n") {
            match stream.read(&mut octets).unwrap() {
                0 => break,
                n => said.extend_from_slice(&octets[..n]),
            }
        }
        stream.write_all(piece.as_bytes()).unwrap();
    }
    // A reset is an end, too; silence is none.
    if let Err(error) = stream.read_to_end(&mut said) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
    String::from_utf8_lossy(&said).into_owned()
}

#[test]
fn nothing_that_is_sent_in_the_clear_signs_anybody_in() {
    let world = World::start();
    let postern = &world.postern;
    postern.account(ALICE).unwrap();
    let (id, secret) = postern.app_password(ALICE, "mail", &[]).unwrap();
    let login = format!("b LOGIN alice \"{secret}\"\r\n");
    for (what, pieces, told) in [
        ("before STARTTLS", vec![login.clone(), "c LOGOUT\r\n".into()], "b NO [PRIVACYREQUIRED]"),
        (
            "by SASL before STARTTLS",
            vec![format!("b AUTHENTICATE PLAIN {}\r\n", plain("", "alice", &secret)), "c LOGOUT\r\n".into()],
            "b NO [PRIVACYREQUIRED]",
        ),
        // As an attacker on the way would put it into the packet, to have it obeyed inside TLS.
        ("in the packet with STARTTLS", vec![format!("a STARTTLS\r\n{login}")], ""),
        ("in place of the handshake", vec!["a STARTTLS\r\n".into(), login.clone()], "a OK"),
    ] {
        let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
        let said = in_the_clear(postern, &pieces);
        assert!(said.contains(told) && !said.contains("b OK"), "{what}: {said}");
    }
    let shown = postern.cli(&["app-password", "show", &id, "--json"], "").unwrap().json();
    assert_eq!(shown["state"], "waiting", "the password was not even looked at");
    assert!(postern.cli(&["session", "list", "--json"], "").unwrap().json().as_array().unwrap().is_empty());
}

/// All that a door for HTTP says to these octets, until it closes.
fn http(postern: &Postern, port: u16, request: &[u8]) -> String {
    let file = postern.path("request");
    std::fs::write(&file, request).unwrap();
    let mut shell = Command::new("sh");
    shell.arg("-c").arg("exec openssl s_client -quiet -verify_quiet -connect \"$1\" -CAfile \"$2\" < \"$3\"");
    shell.arg("sh").arg(format!("127.0.0.1:{port}")).arg(postern.ca()).arg(&file);
    run(&mut shell).unwrap().1
}

#[test]
fn what_cannot_be_read_over_http_is_refused_at_both_doors() {
    let world = World::start();
    let postern = &world.postern;
    postern.account(ALICE).unwrap();
    let (_, secret) = postern.app_password(ALICE, "calendars,contacts,files", &[]).unwrap();
    let basic = |words: String| format!("Authorization: Basic {}\r\n", BASE64.encode(words.as_bytes()));
    let good = basic(format!("alice:{secret}"));
    for port in [postern.dav, postern.drive] {
        let head = format!("PROPFIND / HTTP/1.1\r\nHost: localhost:{port}\r\nDepth: 0\r\nConnection: close\r\n");
        for (what, request, status) in [
            ("a sound request", format!("{head}{good}\r\n"), "207"),
            ("a header without end", format!("{head}{good}X-Long: {}\r\n\r\n", "x".repeat(70_000)), "431"),
            ("more headers than anybody sends", format!("{head}{good}{}\r\n", "X-A: b\r\n".repeat(500)), "431"),
            (
                "a target without end",
                format!("PROPFIND /{} HTTP/1.1\r\nHost: localhost:{port}\r\n{good}\r\n", "x".repeat(9000)),
                "414",
            ),
            ("NUL in a header", format!("{head}{good}X-Nul: a\0b\r\n\r\n"), "400"),
            ("a folded header", format!("{head}{good}X-Fold: a\r\n b\r\n\r\n"), "400"),
            ("two hosts", format!("{head}Host: other.example.org\r\n{good}\r\n"), "400"),
            ("two sign-ins", format!("{head}{good}{good}\r\n"), "400"),
            (
                "two readings of where the body ends",
                format!("{head}{good}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
                "400",
            ),
            ("no base64", format!("{head}Authorization: Basic !!!\r\n\r\n"), "401"),
            ("no colon", format!("{head}{}\r\n", basic("alice".into())), "401"),
            ("NUL in a name", format!("{head}{}\r\n", basic(format!("al\0ice:{secret}"))), "401"),
            (
                "line ends in a name",
                format!("{head}{}\r\n", basic(format!("alice\r\nX-Remote-User: bob:{secret}"))),
                "401",
            ),
            ("a sign-in without end", format!("{head}{}\r\n", basic(format!("alice:{}", "x".repeat(9000)))), "401"),
        ] {
            let said = http(postern, port, request.as_bytes());
            assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{what} at {port}: {said}");
            assert!(!said.contains(&secret), "{what} at {port}: a secret comes back");
        }
    }
    assert!(!postern.said().contains("panicked"), "{}", postern.said());
    assert!(!postern.said().contains(&secret), "a secret is in the log");
}

#[test]
fn a_client_cannot_tell_the_calendar_server_who_it_is() {
    let world = World::start();
    let postern = &world.postern;
    postern.account(ALICE).unwrap();
    let (_, secret) = postern.app_password(ALICE, "calendars,contacts", &[]).unwrap();
    let body = "<propfind xmlns=\"DAV:\"><prop><current-user-principal/></prop></propfind>";
    // To a WSGI server like Radicale all of these are one name.
    for header in ["X-Remote-User", "x-remote-user", "X_Remote_User", "X-Remote_User", "Remote-User"] {
        let ask = |path: &str| {
            let mut curl = Command::new("curl");
            curl.args(["--silent", "--include", "--request", "PROPFIND", "--header", "Depth: 0", "--data", body]);
            curl.arg("--cacert").arg(postern.ca()).arg("--user").arg(format!("alice:{secret}"));
            curl.arg("--header").arg(format!("{header}: bob@example.org"));
            curl.arg(format!("https://localhost:{}{path}", postern.dav));
            run(&mut curl).unwrap().1
        };
        let said = ask("/");
        assert!(said.contains("/alice@example.org/") || said.contains("/alice%40example.org/"), "{header}: {said}");
        assert!(!said.contains("bob"), "{header}: {said}");
        let said = ask("/bob@example.org/");
        assert!(said.starts_with("HTTP/1.1 403") || said.starts_with("HTTP/1.1 404"), "{header}: {said}");
    }
}
