//! What the other tests stand on: nobody gets past Postern to the servers behind,
//! and Postern's own way in works without it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    process::Command,
    time::Duration,
};

use data_encoding::BASE64;
use e2e::{Dovecot, PRIMARY, Radicale, run};

/// Sends these lines to Dovecot, each after the answer to the one before; the last answers.
fn imap(dovecot: &Dovecot, commands: &[&str]) -> Vec<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", dovecot.port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    assert!(lines.next().unwrap().starts_with("* OK"));
    let mut answer = Vec::new();
    for command in commands {
        write!(stream, "{command}\r\n").unwrap();
        let tag = format!("{} ", command.split(' ').next().unwrap());
        answer.clear();
        for line in lines.by_ref() {
            let last = line.starts_with(&tag);
            answer.push(line);
            if last {
                break;
            }
        }
    }
    answer
}

fn plain(acting_as: &str, login: &str, password: &str) -> String {
    format!("a AUTHENTICATE PLAIN {}", BASE64.encode(format!("{acting_as}\0{login}\0{password}").as_bytes()))
}

#[test]
fn only_the_master_user_gets_into_dovecot_and_only_as_somebody_else() {
    let dovecot = Dovecot::start().unwrap();
    dovecot.deliver("alice@example.org", "Tea at four").unwrap();
    let as_alice = plain("alice@example.org", "postern", Dovecot::MASTER);
    let fetched = imap(&dovecot, &[&as_alice, "b SELECT INBOX", "c FETCH 1 BODY.PEEK[HEADER.FIELDS (SUBJECT)]"]);
    assert!(fetched.iter().any(|line| line == "Subject: Tea at four"), "{fetched:?}");

    for attempt in [
        format!("a LOGIN alice@example.org {PRIMARY:?}"),
        format!("a LOGIN alice@example.org {}", Dovecot::MASTER),
        format!("a LOGIN postern {}", Dovecot::MASTER),
        plain("", "alice@example.org", PRIMARY),
        plain("bob@example.org", "alice@example.org", PRIMARY),
        plain("alice@example.org", "postern", PRIMARY),
    ] {
        let answer = imap(&dovecot, &[&attempt]);
        assert!(answer.last().unwrap().starts_with("a NO"), "{attempt}: {answer:?}");
    }
}

#[test]
fn radicale_believes_the_header_and_nothing_else() {
    let radicale = Radicale::start().unwrap();
    let propfind = |arguments: &[&str]| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--request", "PROPFIND"]);
        curl.args(arguments).arg(format!("http://127.0.0.1:{}/alice@example.org/", radicale.port));
        run(&mut curl).unwrap().1
    };
    assert_eq!(propfind(&["--header", "X-Remote-User: alice@example.org"]), "207");
    assert_eq!(propfind(&["--header", "X-Remote-User: bob@example.org"]), "403");
    for nameless in [&["--user", &format!("alice@example.org:{PRIMARY}")][..], &[]] {
        let status = propfind(nameless);
        assert!(["401", "403"].contains(&status.as_str()), "{nameless:?}: {status}");
    }
}
