//! The handover, as the server behind sees it.

use crate::caller::{FROM, acting};
use protocols::sasl::SaslError;
use protocols::{
    ClientSide as _,
    handover::{Event, HandoverError, Ready},
    pop3::client::Client,
};

// alice@example.org NUL postern NUL master
const AUTH: &str = "AUTH PLAIN YWxpY2VAZXhhbXBsZS5vcmcAcG9zdGVybgBtYXN0ZXI=\r\n";

type Outcome = Option<Result<Ready, HandoverError>>;

/// What the client says to each line, and what it comes to.
fn talk(master: &str, lines: &[&str]) -> (String, Outcome) {
    let mut client = Client::new(&acting("alice@example.org", "postern", master), FROM).unwrap();
    let (mut sent, mut outcome) = (String::new(), None);
    for line in lines {
        client.feed(line.as_bytes());
        while let Some(event) = client.next_event() {
            assert!(outcome.is_none(), "nothing may follow the outcome: {event:?}");
            match event {
                Event::Send(octets) => sent.push_str(std::str::from_utf8(&octets).unwrap()),
                Event::Ready(ready) => outcome = Some(Ok(ready)),
                Event::Failed(error) => outcome = Some(Err(error)),
            }
        }
    }
    (sent, outcome)
}

fn ready(leftover: &str) -> Outcome {
    Some(Ok(Ready { capabilities: String::new(), leftover: leftover.into() }))
}

#[test]
fn hands_over_and_says_where_the_client_is_to_who_asks() {
    assert_eq!(talk("master", &["+OK ready\r\n", "+OK in\r\n"]), (AUTH.into(), ready("")));
    assert_eq!(talk("master", &["+OK\r\n", "+OK in\r\nmore"]), (AUTH.into(), ready("more")));
    let xclient = format!("XCLIENT ADDR=192.0.2.7 PORT=4711\r\n{AUTH}");
    let greeting = "+OK [XCLIENT] Dovecot ready.\r\n";
    assert_eq!(talk("master", &[greeting, "+OK Updated\r\n", "+OK Logged in.\r\n"]), (xclient, ready("")));
    // Too long for a command: asked for first (RFC 5034).
    let long = "m".repeat(200);
    let (sent, outcome) = talk(&long, &["+OK ready\r\n", "+ \r\n", "+OK in\r\n"]);
    let lines: Vec<_> = sent.lines().collect();
    assert_eq!((lines.len(), lines[0], outcome), (2, "AUTH PLAIN", ready("")));
    assert!(lines[1].starts_with("YWxpY2VAZXhhbXBsZS5vcmcAcG9zdGVybgBt"));
}

#[test]
fn a_port_that_is_none_is_not_told() {
    let mut client = Client::new(&acting("alice", "postern", "master"), "[2001:db8::7]:0".parse().unwrap()).unwrap();
    client.feed(b"+OK [XCLIENT] ready\r\n");
    let Some(Event::Send(octets)) = client.next_event() else { panic!() };
    assert_eq!(&**octets, b"XCLIENT ADDR=2001:db8::7\r\n");
}

#[test]
fn tells_a_bad_handover_from_an_outage() {
    let (greeting, trusting) = ("+OK ready\r\n", "+OK [XCLIENT] ready\r\n");
    let endless = "x".repeat(8193);
    let long = "m".repeat(200);
    let table: [(&str, &[&str], HandoverError); 12] = [
        ("master", &[greeting, "-ERR [AUTH] no\r\n"], HandoverError::Refused("[AUTH] no".into())),
        ("master", &[greeting, "-ERR no\r\n"], HandoverError::Refused("no".into())),
        ("master", &[greeting, "-ERR [SYS/TEMP] later\r\n"], HandoverError::Unavailable("[SYS/TEMP] later".into())),
        ("master", &[greeting, "-ERR [IN-USE] locked\r\n"], HandoverError::Unavailable("[IN-USE] locked".into())),
        ("master", &["-ERR full\r\n"], HandoverError::Unavailable("full".into())),
        ("master", &[trusting, "-ERR what\r\n"], HandoverError::Unavailable("what".into())),
        ("master", &["220 mail.example.org ESMTP\r\n"], unexpected("220 mail.example.org ESMTP")),
        ("master", &[&endless], unexpected("a line without end")),
        ("master", &[greeting, "+ again\r\n"], unexpected("+ again")),
        (&long, &[greeting, "+OK in\r\n"], unexpected("+OK in")),
        ("master", &["+OK ready\r\n+OK in\r\n"], unexpected("an answer ahead of the question")),
        ("master", &["+OK [XCLIENT] ready\r\n+OK Updated\r\n"], unexpected("an answer ahead of the question")),
    ];
    for (master, lines, error) in table {
        assert_eq!(talk(master, lines).1, Some(Err(error)), "{lines:?}");
    }
}

#[test]
fn a_closed_connection_is_an_outage() {
    let mut client = Client::new(&acting("alice", "postern", "master"), FROM).unwrap();
    client.feed(b"+OK ready\r\n");
    assert!(matches!(client.next_event(), Some(Event::Send(_))));
    assert!(matches!(client.closed(), HandoverError::Unavailable(_)));
    client.feed(b"+OK in\r\n");
    assert!(client.next_event().is_none());
}

#[test]
fn a_name_cannot_become_another_one_on_the_way() {
    assert_eq!(Client::new(&acting("al\0ice", "postern", "x"), FROM).map(|_| ()).unwrap_err(), SaslError::Name);
    assert_eq!(Client::new(&acting("alice", "postern", ""), FROM).map(|_| ()).unwrap_err(), SaslError::EmptyPassword);
}

fn unexpected(heard: &str) -> HandoverError {
    HandoverError::Unexpected { protocol: "POP3", heard: heard.into() }
}
