//! The handover, as the server behind sees it.

use crate::caller::{FROM, acting};
use protocols::{
    ClientSide,
    handover::{Event, HandoverError, Ready},
    sieve::client::{Client, Greeting},
};

// alice@example.org NUL postern NUL master
const AUTHENTICATE: &str = "AUTHENTICATE \"PLAIN\" {44+}\r\nYWxpY2VAZXhhbXBsZS5vcmcAcG9zdGVybgBtYXN0ZXI=\r\n";
const GREETING: &str = "\"SIEVE\" \"fileinto\"\r\n\"SASL\" \"LOGIN PLAIN\"\r\nOK \"ready\"\r\n";

type Outcome = Option<Result<Ready, HandoverError>>;

/// What the client says to each piece, and what it comes to.
fn talk(mut client: impl ClientSide, pieces: &[&str]) -> (String, Outcome) {
    let (mut sent, mut outcome) = (String::new(), None);
    for piece in pieces {
        client.feed(piece.as_bytes());
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

fn client() -> Client {
    Client::new(&acting("alice@example.org", "postern", "master"), FROM).unwrap()
}

fn ready(capabilities: &str, leftover: &str) -> Outcome {
    Some(Ok(Ready { capabilities: capabilities.into(), leftover: leftover.into() }))
}

#[test]
fn hands_over_and_says_where_the_client_is_to_who_asks() {
    let after = "\"SIEVE\" \"fileinto vacation\"\r\n\"OWNER\" \"alice\"\r\nOK\r\n";
    let list = "\"SIEVE\" \"fileinto vacation\"\n\"OWNER\" \"alice\"";
    assert_eq!(
        talk(client(), &[GREETING, "OK \"Logged in.\"\r\n", after]),
        (format!("{AUTHENTICATE}CAPABILITY\r\n"), ready(list, ""))
    );
    // Strings as literals, and more of the session is there already.
    let literals = "\"SIEVE\" {8}\r\nfileinto\r\n{4}\r\nSASL {5}\r\nPLAIN\r\nOK {5}\r\nready\r\n";
    assert_eq!(
        talk(client(), &[literals, "OK (SASL \"cnNwYXV0aA==\") \"in\"\r\n", &format!("{after}more")]),
        (format!("{AUTHENTICATE}CAPABILITY\r\n"), ready(list, "more"))
    );
    let trusting = format!("\"XCLIENT\"\r\n{GREETING}");
    assert_eq!(
        talk(client(), &[&trusting, "OK \"Updated\"\r\n", "OK\r\n", after]),
        (format!("XCLIENT ADDR=192.0.2.7 PORT=4711\r\n{AUTHENTICATE}CAPABILITY\r\n"), ready(list, ""))
    );
}

#[test]
fn tells_a_bad_handover_from_an_outage() {
    let endless = "x".repeat(8193);
    let chatter = "\"A\" \"b\"\r\n".repeat(65);
    let refused = |text: &str| HandoverError::Refused(text.into());
    let unavailable = |text: &str| HandoverError::Unavailable(text.into());
    let table: [(&[&str], HandoverError); 15] = [
        (&[GREETING, "NO \"Authentication failed.\"\r\n"], refused("\"Authentication failed.\"")),
        (&[GREETING, "NO (TRYLATER) \"load\"\r\n"], unavailable("(TRYLATER) \"load\"")),
        (&[GREETING, "BYE \"down\"\r\n"], unavailable("\"down\"")),
        (&["BYE (REFERRAL \"sieve://other\") \"go\"\r\n"], unavailable("(REFERRAL \"sieve://other\") \"go\"")),
        (&["NO\r\n"], unavailable("")),
        (&[GREETING, "OK\r\n", "NO \"what\"\r\n"], unavailable("\"what\"")),
        (&["\"SASL\" \"\"\r\n\"STARTTLS\"\r\nOK\r\n"], HandoverError::NoPlain),
        (&["OK \"no list\"\r\n"], HandoverError::NoPlain),
        (&["\"unauthenticate\"\r\n\"SASL\" \"PLAIN\"\r\nOK\r\n"], HandoverError::LeadsPast),
        (&[GREETING, "OK\r\n", "\"UNAUTHENTICATE\"\r\nOK\r\n"], HandoverError::LeadsPast),
        (&["* OK IMAP\r\n"], unexpected("* OK IMAP")),
        (&[GREETING, "\"\"\r\n"], unexpected("\"\"")),
        (&[&endless], unexpected("a line without end")),
        (&[&chatter], unexpected("too many lines before an answer")),
        (&[&format!("{GREETING}OK \"in\"\r\n")], unexpected("an answer ahead of the question")),
    ];
    for (pieces, error) in table {
        assert_eq!(talk(client(), pieces).1, Some(Err(error)), "{pieces:?}");
    }
}

#[test]
fn the_greeting_alone_tells_what_the_server_can_do() {
    let told = ready("\"SIEVE\" \"fileinto\"\n\"SASL\" \"LOGIN PLAIN\"", "");
    assert_eq!(talk(Greeting::new(), &[GREETING]), (String::new(), told));
    let busy = Some(Err(HandoverError::Unavailable("\"busy\"".into())));
    assert_eq!(talk(Greeting::new(), &["BYE \"busy\"\r\n"]).1, busy);
}

#[test]
fn a_closed_connection_is_an_outage() {
    let mut client = client();
    client.feed(GREETING.as_bytes());
    assert!(matches!(client.next_event(), Some(Event::Send(_))));
    assert!(matches!(client.closed(), HandoverError::Unavailable(_)));
    client.feed(b"OK\r\n");
    assert!(client.next_event().is_none());
}

fn unexpected(heard: &str) -> HandoverError {
    HandoverError::Unexpected { protocol: "ManageSieve", heard: heard.into() }
}
