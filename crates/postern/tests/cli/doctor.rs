//! `postern doctor` before servers that let in whom they should not: the real
//! ones are in the end-to-end tests, and are hard to get so wrong.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, UdpSocket},
    os::unix::fs::PermissionsExt,
    thread,
};

use serde_json::Value;

use crate::site::Site;

/// Greets everybody so, and answers the first line they say so.
fn server(address: &str, greeting: &'static str, answer: &'static str) -> u16 {
    let listener = TcpListener::bind((address, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.write_all(greeting.as_bytes());
            let mut line = String::new();
            if matches!(BufReader::new(&stream).read_line(&mut line), Ok(1..)) {
                let _ = stream.write_all(answer.as_bytes());
            }
        }
    });
    port
}

fn imap(port: u16) -> Site {
    mailbox("imap", port)
}

fn mailbox(service: &str, port: u16) -> Site {
    let site = Site::with(&format!(
        "[[gateway]]\nservice = \"{service}\"\nlisten = [\"unix:door.sock\"]\nupstream = \"{service}://127.0.0.1:{port}\"\n\
         handover = {{ kind = \"master-user\", login = \"postern\", password_file = \"master.pw\" }}\n"
    ));
    site.write("master.pw", "secret\n");
    std::fs::set_permissions(site.path("master.pw"), std::fs::Permissions::from_mode(0o600)).unwrap();
    site
}

fn http(port: u16) -> Site {
    Site::with(&format!(
        "[[gateway]]\nservice = \"http\"\nname = \"dav\"\nlisten = [\"unix:dav.sock\"]\nupstream = \"http://127.0.0.1:{port}\"\n\
         handover = {{ kind = \"header\", user = \"X-Remote-User\" }}\ndata = [\"calendars\"]\n"
    ))
}

/// The finding of one check, and the exit status.
fn finding(site: &Site, check: &str) -> (String, String, Option<i32>) {
    let ended = site.run(&["doctor", "--json"]);
    let all = ended.json();
    let found = all.as_array().unwrap().iter().find(|finding| finding["check"] == check);
    let found = found.unwrap_or_else(|| panic!("no {check} in {all}"));
    assert_eq!(found["remedy"] == Value::Null, found["verdict"] == "ok", "trouble comes with a remedy: {found}");
    (found["verdict"].as_str().unwrap().into(), found["found"].as_str().unwrap().into(), ended.status)
}

#[test]
fn an_imap_server_that_lets_strangers_in_fails() {
    for (greeting, answer, verdict, told) in [
        ("* OK hello\r\n", "d NO [AUTHENTICATIONFAILED] no\r\n", "ok", "refuses who is not the master user"),
        ("* OK hello\r\n", "d OK welcome\r\n", "fail", "a name in that was made up"),
        ("* OK hello\r\n", "* CAPABILITY IMAP4rev1\r\nd OK welcome\r\n", "fail", "a name in that was made up"),
        ("* PREAUTH hello\r\n", "", "fail", "without asking who they are"),
        ("* BYE full\r\n", "", "fail", "turns us away"),
        ("220 mail.example.org ESMTP\r\n", "500 what?\r\n", "fail", "is no IMAP server"),
    ] {
        let (found, text, status) = finding(&imap(server("127.0.0.1", greeting, answer)), "upstream imap");
        assert_eq!((&*found, status), (verdict, Some(i32::from(verdict == "fail"))), "{greeting}{answer}{text}");
        assert!(text.contains(told), "{text}");
    }
}

#[test]
fn servers_for_pop3_and_sieve_that_let_strangers_in_fail() {
    let (list, ready) = ("\"SIEVE\" \"fileinto\"\r\n\"SASL\" \"PLAIN\"\r\n", "OK \"ready\"\r\n");
    let sieve: &'static str = Box::leak(format!("{list}{ready}").into_boxed_str());
    for (service, greeting, answer, verdict, told) in [
        ("pop3", "+OK hello\r\n", "-ERR [AUTH] no\r\n", "ok", "refuses who is not the master user"),
        ("pop3", "+OK hello\r\n", "+OK welcome\r\n", "fail", "a name in that was made up"),
        ("pop3", "-ERR full\r\n", "", "fail", "turns us away"),
        ("pop3", "* OK IMAP\r\n", "", "fail", "is no POP3 server"),
        ("sieve", sieve, "NO \"no\"\r\n", "ok", "refuses who is not the master user"),
        ("sieve", sieve, "OK \"welcome\"\r\n", "fail", "a name in that was made up"),
        ("sieve", "BYE \"full\"\r\n", "", "fail", "turns us away"),
        ("sieve", "+OK POP3\r\n", "", "fail", "is no ManageSieve server"),
    ] {
        let port = server("127.0.0.1", greeting, answer);
        let (found, text, status) = finding(&mailbox(service, port), &format!("upstream {service}"));
        assert_eq!((&*found, status), (verdict, Some(i32::from(verdict == "fail"))), "{greeting}{answer}{text}");
        assert!(text.contains(told), "{text}");
    }
}

#[test]
fn a_web_server_that_answers_the_nameless_is_warned_of() {
    for (answer, verdict) in [
        ("HTTP/1.1 401 Unauthorized\r\n\r\n", "ok"),
        ("HTTP/1.1 403 Forbidden\r\n\r\n", "ok"),
        ("HTTP/1.1 207 Multi-Status\r\n\r\n", "warn"),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", "warn"),
        ("SSH-2.0-x\r\n", "fail"),
    ] {
        let (found, text, _) = finding(&http(server("127.0.0.1", "", answer)), "upstream dav");
        assert_eq!(found, verdict, "{answer}{text}");
    }
}

/// An address of this machine that others could use, if it has one.
fn outward() -> Option<std::net::IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|address| !address.is_loopback())
}

#[test]
fn a_way_past_postern_is_found() {
    let refuses = "HTTP/1.1 401 Unauthorized\r\n\r\n";
    let (found, text, _) = finding(&http(server("127.0.0.1", "", refuses)), "past dav");
    assert_eq!(found, "ok", "{text}");
    if let Some(address) = outward() {
        let (found, text, status) = finding(&http(server("0.0.0.0", "", refuses)), "past dav");
        assert_eq!((&*found, status), ("warn", Some(0)), "{text}");
        assert!(text.contains(&address.to_string()) && text.contains("x-remote-user"), "{text}");
    }
}

#[test]
fn files_that_others_can_read_or_write_are_found() {
    let site = imap(server("127.0.0.1", "* OK hello\r\n", "d NO no\r\n"));
    let set = |name: &str, mode| {
        std::fs::set_permissions(site.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    assert_eq!(site.run(&["account", "list"]).status, Some(0));
    assert_eq!(finding(&site, "files").0, "ok");
    for (name, open, closed, verdict) in [
        ("postern.toml", 0o666, 0o644, "fail"),
        ("master.pw", 0o644, 0o640, "warn"),
        ("data", 0o755, 0o700, "fail"),
        ("data/keys/server.key", 0o604, 0o600, "warn"),
    ] {
        set(name, open);
        let (found, text, _) = finding(&site, "files");
        assert_eq!(found, verdict, "{text}");
        assert!(text.contains(name), "{text}");
        set(name, closed);
    }
    assert_eq!(finding(&site, "files").0, "ok");
}

#[test]
fn a_running_server_answers_for_its_store() {
    let site = Site::with("");
    let server = site.serve();
    assert!(finding(&site, "store").1.contains("the server answers"));
    assert_eq!(server.stop().0, Some(0));
    assert!(finding(&site, "store").1.contains("no server is running"));
    assert_eq!(finding(&site, "portal").0, "warn", "no trusted proxy");
}

#[test]
fn a_broken_configuration_is_the_finding() {
    let site = Site::with("[dirve]\n");
    let (verdict, text, status) = finding(&site, "configuration");
    assert_eq!((&*verdict, status), ("fail", Some(1)));
    assert!(text.contains("did you mean \"drive\"?"), "{text}");
    assert!(!site.path("data").exists(), "doctor makes nothing");
}
