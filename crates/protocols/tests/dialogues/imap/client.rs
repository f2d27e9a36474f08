//! The handover, as the server behind sees it.

use crate::caller::{FROM, acting};
use protocols::sasl::SaslError;
use protocols::{
    ClientSide as _,
    handover::{Event, HandoverError, Ready},
    imap::client::Client,
};

// alice@example.org NUL postern NUL master
const MESSAGE: &str = "YWxpY2VAZXhhbXBsZS5vcmcAcG9zdGVybgBtYXN0ZXI=";

const ID: &str = "P0 ID (\"x-originating-ip\" \"192.0.2.7\" \"x-originating-port\" \"4711\")\r\n";

type Outcome = Option<Result<Ready, HandoverError>>;

/// What the client says to each line, and what it comes to.
fn talk(lines: &[&str]) -> (String, Outcome) {
    let mut client = Client::new(&acting("alice@example.org", "postern", "master"), FROM).unwrap();
    let mut sent = String::new();
    let mut outcome = None;
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

fn ready(capabilities: &str, leftover: &str) -> Outcome {
    Some(Ok(Ready { capabilities: capabilities.into(), leftover: leftover.into() }))
}

#[test]
fn hands_over_in_as_few_steps_as_the_server_allows() {
    let with_ir = format!("P2 AUTHENTICATE PLAIN {MESSAGE}\r\n");
    let without_ir = format!("P2 AUTHENTICATE PLAIN\r\n{MESSAGE}\r\n");
    let table: [(&[&str], String, Outcome); 9] = [
        // Dovecot
        (
            &[
                "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] Dovecot ready.\r\n",
                "P2 OK [CAPABILITY IMAP4rev1 IDLE] Logged in\r\n",
            ],
            with_ir.clone(),
            ready("IMAP4rev1 IDLE", ""),
        ),
        // the same where ID is known: it is told where the client is, whatever it says to that
        (
            &[
                "* OK [CAPABILITY IMAP4rev1 SASL-IR ID AUTH=PLAIN] Dovecot ready.\r\n",
                "* ID NIL\r\nP0 OK ID completed.\r\n",
                "P2 OK [CAPABILITY IMAP4rev1 IDLE] Logged in\r\n",
            ],
            format!("{ID}{with_ir}"),
            ready("IMAP4rev1 IDLE", ""),
        ),
        (
            &[
                "* OK [CAPABILITY IMAP4rev1 ID AUTH=PLAIN] ready.\r\n",
                "P0 BAD not now\r\n",
                "+ \r\n",
                "P2 OK [CAPABILITY IMAP4rev1 IDLE] Logged in\r\n",
            ],
            format!("{ID}{without_ir}"),
            ready("IMAP4rev1 IDLE", ""),
        ),
        // the list comes untagged, and more of the session is there already
        (
            &[
                "* OK [capability IMAP4rev1 sasl-ir auth=plain] hello\r\n",
                "* CAPABILITY IMAP4rev1 IDLE\r\nP2 OK Logged in\r\n* OK [ALERT] full\r\n* 1 EX",
            ],
            with_ir.clone(),
            ready("IMAP4rev1 IDLE", "* OK [ALERT] full\r\n* 1 EX"),
        ),
        // no SASL-IR
        (
            &["* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hello\r\n", "+ \r\n", "P2 OK [CAPABILITY IMAP4rev1] Welcome\r\n"],
            without_ir.clone(),
            ready("IMAP4rev1", ""),
        ),
        (
            &["* OK [CAPABILITY AUTH=PLAIN] hello\r\n", "+\r\n", "P2 OK [CAPABILITY IMAP4rev1] Welcome\r\n"],
            without_ir,
            ready("IMAP4rev1", ""),
        ),
        // no list in the greeting
        (
            &[
                "* OK hello\r\n",
                "* CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN\r\nP1 OK done\r\n",
                "P2 OK [CAPABILITY IMAP4rev1] Welcome\r\n",
            ],
            format!("P1 CAPABILITY\r\n{with_ir}"),
            ready("IMAP4rev1", ""),
        ),
        // no list after the sign-in: the one before it does not hold
        (
            &[
                "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hello\r\n",
                "P2 OK Welcome\r\n",
                "* CAPABILITY IMAP4rev1 QUOTA\r\nP3 OK done\r\nrest",
            ],
            format!("{with_ir}P3 CAPABILITY\r\n"),
            ready("IMAP4rev1 QUOTA", "rest"),
        ),
        // untagged chatter is passed over
        (
            &[
                "* OK [CAPABILITY SASL-IR AUTH=PLAIN] hello\r\n",
                "* OK [ALERT] Maintenance tonight\r\n* NO look\r\n",
                "P2 OK [CAPABILITY IMAP4rev1] Welcome\r\n",
            ],
            with_ir,
            ready("IMAP4rev1", ""),
        ),
    ];
    for (lines, sent, outcome) in table {
        // The same octet by octet; only what is left over depends on when it came.
        let octets: Vec<String> = lines.concat().chars().map(String::from).collect();
        let (bitwise, got) = talk(&octets.iter().map(String::as_str).collect::<Vec<_>>());
        let capabilities = |outcome: &Outcome| outcome.as_ref().unwrap().as_ref().unwrap().capabilities.clone();
        assert_eq!((bitwise, capabilities(&got)), (sent.clone(), capabilities(&outcome)));
        assert_eq!(talk(lines), (sent, outcome));
    }
}

#[test]
fn tells_a_bad_handover_from_an_outage() {
    let greeting = "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hello\r\n";
    let no_ir = "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hello\r\n";
    let endless = "x".repeat(8193);
    let chatter = "* 1 EXISTS\r\n".repeat(65);
    let table: [(&[&str], HandoverError); 17] = [
        (&[greeting, "P2 OK [CAPABILITY IMAP4rev1 unauthenticate] in\r\n"], HandoverError::LeadsPast),
        (
            &[greeting, "P2 NO [AUTHENTICATIONFAILED] Authentication failed.\r\n"],
            HandoverError::Refused("[AUTHENTICATIONFAILED] Authentication failed.".into()),
        ),
        (&[greeting, "P2 BAD what\r\n"], HandoverError::Refused("what".into())),
        (&[no_ir, "P2 NO no\r\n"], HandoverError::Refused("no".into())),
        (
            &[greeting, "P2 NO [UNAVAILABLE] Temporary failure\r\n"],
            HandoverError::Unavailable("[UNAVAILABLE] Temporary failure".into()),
        ),
        (&["* BYE full\r\n"], HandoverError::Unavailable("full".into())),
        (&[greeting, "* BYE going down\r\n"], HandoverError::Unavailable("going down".into())),
        (&["* OK hello\r\n", "P1 NO later\r\n"], HandoverError::Unavailable("later".into())),
        (&["* PREAUTH [CAPABILITY IMAP4rev1] hello root\r\n"], HandoverError::PreAuthenticated),
        (&["* OK [CAPABILITY IMAP4rev1 LOGINDISABLED STARTTLS] hello\r\n"], HandoverError::NoPlain),
        (&["* OK hello\r\n", "P1 OK no list\r\n"], HandoverError::NoPlain),
        (&["220 mail.example.org ESMTP\r\n"], unexpected("220 mail.example.org ESMTP")),
        (&["* 1 EXISTS\r\n"], unexpected("1 EXISTS")),
        (&[&endless], unexpected("a line without end")),
        (&[greeting, &chatter], unexpected("too many lines before an answer")),
        (&[greeting, "+ again\r\n"], unexpected("+ again")),
        // an OK before the message was sent is an answer to somebody else
        (&[no_ir, "P2 OK [CAPABILITY IMAP4rev1] in\r\n"], unexpected("OK [CAPABILITY IMAP4rev1] in")),
    ];
    for (lines, error) in table {
        assert_eq!(talk(lines).1, Some(Err(error)), "{lines:?}");
    }
}

#[test]
fn an_answer_ahead_of_the_question_opens_nothing() {
    let (sent, outcome) = talk(&["* OK hello\r\nP2 OK [CAPABILITY IMAP4rev1] in\r\n"]);
    assert_eq!(sent, "P1 CAPABILITY\r\n");
    assert!(matches!(outcome, Some(Err(HandoverError::Unexpected { .. }))));
}

#[test]
fn a_closed_connection_is_an_outage() {
    let mut client = Client::new(&acting("alice", "postern", "master"), FROM).unwrap();
    client.feed(b"* OK [CAPABILITY SASL-IR AUTH=PLAIN] hello\r\n");
    assert!(matches!(client.next_event(), Some(Event::Send(_))));
    assert!(matches!(client.closed(), HandoverError::Unavailable(_)));
    client.feed(b"P2 OK [CAPABILITY IMAP4rev1] in\r\n");
    assert!(client.next_event().is_none());
}

#[test]
fn a_name_cannot_become_another_one_on_the_way() {
    for (user, master, password, error) in [
        ("alice\0root", "postern", "master", SaslError::Name),
        ("", "postern", "master", SaslError::Name),
        ("alice", "post\rern", "master", SaslError::Name),
        ("alice", "postern", "", SaslError::EmptyPassword),
        ("alice", "postern", "mas\0ter", SaslError::Syntax),
    ] {
        assert_eq!(Client::new(&acting(user, master, password), FROM).map(|_| ()).unwrap_err(), error);
    }
}

#[test]
fn words_of_the_server_fit_one_line_of_a_log() {
    let long = format!("* BYE \u{1b}[31m{}\r\n", "x".repeat(1000));
    let Some(Err(HandoverError::Unavailable(text))) = talk(&[&long]).1 else { panic!() };
    assert!(text.len() == 256 && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn the_master_password_is_not_printed() {
    let mut client = Client::new(&acting("alice", "postern", "master"), FROM).unwrap();
    client.feed(b"* OK [CAPABILITY SASL-IR AUTH=PLAIN] hello\r\n");
    assert_eq!(format!("{:?}", client.next_event().unwrap()), "Send([52 octets, redacted])");
}

fn unexpected(heard: &str) -> HandoverError {
    HandoverError::Unexpected { protocol: "IMAP", heard: heard.into() }
}
