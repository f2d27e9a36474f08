//! The handover, as the server behind sees it.

use protocols::{
    ClientSide as _,
    handover::{Event, HandoverError, Ready},
    sasl::SaslError,
    smtp::client::{Client, Handover, Xclient},
};

use crate::caller::acting;

const POSTFIX: &str =
    "250-mail\r\n250-SIZE 7\r\n250-AUTH PLAIN LOGIN\r\n250 XCLIENT NAME ADDR PROTO HELO PORT LOGIN\r\n";
const ALICE: Xclient<'_> = Xclient {
    login: "alice@example.org",
    address: std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7)),
    port: 4711,
    hello: Some("laptop"),
};

type Outcome = Option<Result<Ready, HandoverError>>;

fn talk(handover: &Handover<'_>, lines: &[&str]) -> (String, Outcome) {
    let mut client = Client::new("postern", handover).unwrap();
    let (mut sent, mut outcome) = (String::new(), None);
    for line in lines {
        client.feed(line.as_bytes());
        while let Some(event) = client.next_event() {
            assert!(outcome.is_none());
            match event {
                Event::Send(octets) => sent.push_str(std::str::from_utf8(&octets).unwrap()),
                Event::Ready(ready) => outcome = Some(Ok(ready)),
                Event::Failed(error) => outcome = Some(Err(error)),
            }
        }
    }
    (sent, outcome)
}

fn ready(capabilities: &str) -> Outcome {
    Some(Ok(Ready { capabilities: capabilities.into(), leftover: Vec::new() }))
}

#[test]
fn postfix_is_told_who_it_is_and_from_where() {
    let again = "250-mail\r\n250-PIPELINING\r\n250 AUTH PLAIN\r\n";
    let (sent, outcome) =
        talk(&Handover::Xclient(ALICE), &["220-hello\r\n220 mail\r\n", POSTFIX, "220 mail\r\n", again]);
    assert_eq!(
        sent,
        "EHLO postern\r\n\
         XCLIENT LOGIN=alice@example.org ADDR=192.0.2.7 PORT=4711 NAME=[UNAVAILABLE] PROTO=ESMTP HELO=laptop\r\n\
         EHLO laptop\r\n"
    );
    assert_eq!(outcome, ready("PIPELINING"));

    // Said only as far as it is understood, and in xtext.
    let hello = "a=b+c";
    let six = Xclient {
        address: "2001:db8::7".parse().unwrap(),
        port: 0,
        hello: Some(hello),
        login: "j\u{fc}rg@example.org",
    };
    let few = "250-mail\r\n250 xclient login addr port helo\r\n";
    let (sent, _) = talk(&Handover::Xclient(six), &["220 mail\r\n", few]);
    assert!(
        sent.ends_with(
            "XCLIENT LOGIN=j+C3+BCrg@example.org ADDR=IPV6:2001:db8::7 PORT=[UNAVAILABLE] HELO=a+3Db+2Bc\r\n"
        ),
        "{sent}"
    );
}

#[test]
fn a_line_of_xclient_has_room_for_the_login_before_the_name() {
    let (login, hello) = (format!("{}@example.org", "a".repeat(200)), "h".repeat(255));
    let long = Xclient { login: &login, hello: Some(&hello), ..ALICE };
    let (sent, _) = talk(&Handover::Xclient(long), &["220 mail\r\n", POSTFIX, "220 mail\r\n"]);
    let line = sent.lines().nth(1).unwrap();
    assert!(line.len() < 511 && line.contains(&login) && !line.contains("HELO="), "{line}");
    assert!(sent.ends_with(&format!("EHLO {hello}\r\n")));
    let login = "\u{fc}".repeat(120);
    let none = Xclient { login: &login, ..ALICE };
    assert_eq!(Client::new("postern", &Handover::Xclient(none)).err(), Some(SaslError::Name));
    for login in ["", "a\r\nRSET"] {
        let bad = Xclient { login, ..ALICE };
        assert_eq!(Client::new("postern", &Handover::Xclient(bad)).err(), Some(SaslError::Name));
    }
}

#[test]
fn a_master_user_acts_as_the_person() {
    let acting = Handover::Authenticate(acting("alice@example.org", "postern", "master"));
    let (sent, outcome) = talk(&acting, &["220 mail\r\n", POSTFIX, "235 in\r\n"]);
    assert_eq!(sent, "EHLO postern\r\nAUTH PLAIN YWxpY2VAZXhhbXBsZS5vcmcAcG9zdGVybgBtYXN0ZXI=\r\n");
    assert_eq!(outcome, ready("SIZE 7"));
}

#[test]
fn only_what_it_can_do_is_asked() {
    assert_eq!(talk(&Handover::Ask, &["220 mail\r\n", POSTFIX]), ("EHLO postern\r\n".into(), ready("SIZE 7")));
}

#[test]
fn an_outage_is_told_from_a_refusal() {
    let unexpected = |heard: &str| HandoverError::Unexpected { protocol: "SMTP", heard: heard.into() };
    let no_login = "250-mail\r\n250 XCLIENT ADDR PORT\r\n";
    let table: [(&[&str], HandoverError); 9] = [
        (&["554 no\r\n"], HandoverError::Unavailable("554 no".into())),
        (&["421 later\r\n"], HandoverError::Unavailable("421 later".into())),
        (&["* OK IMAP\r\n"], unexpected("* OK IMAP")),
        (&["220 mail\r\n", "502 what\r\n"], unexpected("502 what")),
        (&["220 mail\r\n", "250 mail\r\n"], HandoverError::NoXclient("LOGIN")),
        (&["220 mail\r\n", no_login], HandoverError::NoXclient("LOGIN")),
        (&["220 mail\r\n", POSTFIX, "550 5.7.0 no\r\n"], HandoverError::Refused("550 5.7.0 no".into())),
        (&["220 mail\r\n", POSTFIX, "421 later\r\n"], HandoverError::Unavailable("421 later".into())),
        (&["220 mail\r\n", POSTFIX, "220 mail\r\n", "550 no\r\n"], unexpected("550 no")),
    ];
    for (lines, error) in table {
        assert_eq!(talk(&Handover::Xclient(ALICE), lines).1, Some(Err(error)), "{lines:?}");
    }
    let acting = Handover::Authenticate(acting("alice", "postern", "master"));
    assert_eq!(talk(&acting, &["220 mail\r\n", "250 mail\r\n"]).1, Some(Err(HandoverError::NoPlain)));
    let refused = talk(&acting, &["220 mail\r\n", POSTFIX, "535 5.7.8 no\r\n"]).1;
    assert_eq!(refused, Some(Err(HandoverError::Refused("535 5.7.8 no".into()))));
    let endless = "250-x\r\n".repeat(99);
    assert!(matches!(talk(&acting, &["220 mail\r\n", &endless]).1, Some(Err(HandoverError::Unexpected { .. }))));
}
