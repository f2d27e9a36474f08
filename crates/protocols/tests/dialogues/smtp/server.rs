//! Dialogues as a client sees them.

use protocols::{
    ServerSide as _, Transport,
    dialogue::{MAX_BAD_COMMANDS, MAX_PIPELINED, MAX_REFUSALS, MAX_SASL_LINE},
    sasl::Mechanism,
    smtp::{Extensions, Server},
};

use crate::caller::{Answer, Caller};

const STARTTLS: Transport = Transport::Plain { starttls: true };

pub(super) fn server(transport: Transport) -> Server {
    let behind = "XCLIENT LOGIN\nSIZE 7\nPIPELINING\nAUTH PLAIN\n8BITMIME";
    Server::new(transport, "mail.example.org", Extensions::read(behind.lines()))
}

fn encrypted(answer: Answer) -> Caller<Server> {
    let mut caller = Caller::new(server(Transport::Encrypted), answer);
    caller.feed(b"EHLO laptop\r\n").said();
    caller
}

#[test]
fn greets_with_the_frozen_list() {
    for (transport, ours) in [
        (Transport::Encrypted, "250-AUTH PLAIN LOGIN\r\n"),
        (STARTTLS, "250-STARTTLS\r\n"),
        (Transport::Plain { starttls: false }, ""),
    ] {
        let mut caller = Caller::new(server(transport), Answer::Refuse);
        assert_eq!(caller.server.greeting(), b"220 mail.example.org ESMTP Postern ready\r\n");
        let list = format!("250-mail.example.org\r\n250-PIPELINING\r\n250-SIZE 7\r\n{ours}250 8BITMIME\r\n");
        assert_eq!(caller.feed(b"ehlo laptop\r\n").said(), list);
        assert_eq!(caller.feed(b"HELO laptop\r\n").said(), "250 mail.example.org\r\n");
    }
}

#[test]
fn answers_what_may_be_asked_before_a_sign_in() {
    for (command, answer) in [
        ("NOOP\r\n", "250 2.0.0 OK\r\n"),
        ("rset \n", "250 2.0.0 OK\r\n"),
        ("HELP\r\n", "214 2.0.0 See RFC 5321 and RFC 4954.\r\n"),
        ("MAIL FROM:<a@example.org>\r\n", "530 5.7.0 Sign in first.\r\n"),
        ("RCPT TO:<a@example.org>\r\n", "530 5.7.0 Sign in first.\r\n"),
        ("DATA\r\n", "530 5.7.0 Sign in first.\r\n"),
        ("VRFY a\r\n", "530 5.7.0 Sign in first.\r\n"),
        ("XCLIENT LOGIN=bob\r\n", "502 5.5.1 This command is unknown here.\r\n"),
        ("\r\n", "502 5.5.1 This command is unknown here.\r\n"),
        ("NOOP\rQUIT\r\n", "500 5.5.2 A command is one line without control characters.\r\n"),
        ("EHLO \r\n", "501 5.5.4 EHLO needs a name.\r\n"),
        ("STARTTLS\r\n", "503 5.5.1 TLS is active already.\r\n"),
        ("STARTTLS x\r\n", "501 5.5.4 STARTTLS stands alone.\r\n"),
        ("AUTH XOAUTH2 dXNlcg==\r\n", "504 5.5.4 This mechanism is not offered here.\r\n"),
        ("AUTH\r\n", "504 5.5.4 This mechanism is not offered here.\r\n"),
        ("AUTH PLAIN !\r\n", "501 5.5.2 Sorry, invalid base64.\r\n"),
        ("AUTH PLAIN =\r\n", "501 5.5.2 Sorry, malformed credentials.\r\n"),
        ("AUTH PLAIN\r\n*\r\n", "334 \r\n501 5.7.0 Authentication cancelled.\r\n"),
        ("AUTH PLAIN AGFsaWNlAA==\r\n", "535 5.7.8 Sorry, empty password.\r\n"),
    ] {
        let mut caller = encrypted(Answer::Refuse);
        assert_eq!(caller.feed(command.as_bytes()).said(), answer, "{command:?}");
        assert!(!caller.closed && caller.sign_ins.is_empty(), "{command:?}");
    }
    let mut caller = encrypted(Answer::Refuse);
    assert_eq!(caller.feed(b"QUIT\r\nNOOP\r\n").said(), "221 2.0.0 Bye\r\n");
    assert!(caller.closed);
}

#[test]
fn every_way_of_signing_in_yields_the_same_two_words() {
    for (octets, mechanism, prompts) in [
        (&b"AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n"[..], Mechanism::Plain, ""),
        (b"AUTH PLAIN\r\nAGFsaWNlAHNlY3JldA==\r\n", Mechanism::Plain, "334 \r\n"),
        (b"auth login\r\nYWxpY2U=\r\nc2VjcmV0\r\n", Mechanism::Login, "334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n"),
        (b"AUTH LOGIN YWxpY2U=\r\nc2VjcmV0\r\n", Mechanism::Login, "334 UGFzc3dvcmQ6\r\n"),
    ] {
        let mut caller = encrypted(Answer::Later);
        assert_eq!(caller.feed(octets).said(), prompts);
        assert_eq!((caller.secrets(), caller.sign_ins[0].mechanism), (vec![("alice", "secret")], mechanism));
        caller.feed(b"MAIL FROM:<a@example.org>\r\n");
        let admitted = caller.admit().unwrap();
        assert_eq!(admitted.answer, b"235 2.7.0 Signed in.\r\n");
        assert_eq!(admitted.pipelined, b"MAIL FROM:<a@example.org>\r\n");
    }
}

#[test]
fn nobody_signs_in_before_ehlo_or_in_the_clear() {
    let mut caller = Caller::new(server(Transport::Encrypted), Answer::Refuse);
    let sign_in = b"AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n";
    assert_eq!(caller.feed(sign_in).said(), "503 5.5.1 Send EHLO first.\r\n");
    caller.feed(b"HELO laptop\r\n").said();
    assert_eq!(caller.feed(sign_in).said(), "503 5.5.1 Send EHLO first.\r\n");
    for starttls in [true, false] {
        let mut caller = Caller::new(server(Transport::Plain { starttls }), Answer::Refuse);
        caller.feed(b"EHLO laptop\r\n").said();
        assert_eq!(caller.feed(sign_in).said(), "538 5.7.11 Signing in needs TLS.\r\n");
        let first = if starttls { "Issue STARTTLS and sign in first." } else { "Sign in first." };
        assert_eq!(caller.feed(b"MAIL FROM:<>\r\n").said(), format!("530 5.7.0 {first}\r\n"));
        assert!(caller.sign_ins.is_empty());
    }
}

#[test]
fn starttls_forgets_what_was_said_before_and_obeys_nothing_behind_it() {
    let mut caller = Caller::new(server(STARTTLS), Answer::Refuse);
    caller.feed(b"EHLO liar\r\n").said();
    assert_eq!(caller.feed(b"STARTTLS\r\n").said(), "220 2.0.0 Begin TLS negotiation now.\r\n");
    assert!(caller.awaits_tls);
    caller.tls_started();
    assert_eq!(caller.server.hello(), None);
    assert_eq!(caller.feed(b"AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n").said(), "503 5.5.1 Send EHLO first.\r\n");

    for (octets, then) in [(&b"STARTTLS\r\nNOOP\r\n"[..], &b""[..]), (b"STARTTLS\r\n", b"EHLO x\r\n")] {
        let mut caller = Caller::new(server(STARTTLS), Answer::Refuse);
        caller.feed(octets).feed(then);
        assert!(caller.closed && !caller.said().contains("250"));
    }
}

#[test]
fn patience_ends() {
    let sign_in = b"AUTH PLAIN AGFsaWNlAHdyb25n\r\n";
    let mut caller = encrypted(Answer::Refuse);
    for _ in 0..MAX_REFUSALS {
        let answer = caller.feed(sign_in).said();
        assert_eq!(answer, "535 5.7.8 Use an app password: https://id.example.org\r\n");
    }
    assert_eq!(caller.feed(sign_in).said(), "421 4.7.0 Too many failed sign-ins.\r\n");
    assert!(caller.closed && caller.sign_ins.len() == usize::from(MAX_REFUSALS));

    let mut caller = encrypted(Answer::Refuse);
    caller.feed("x\r\n".repeat(usize::from(MAX_BAD_COMMANDS)).as_bytes());
    assert!(caller.closed && caller.said().ends_with("421 4.7.0 Too many bad commands.\r\n"));

    let mut caller = encrypted(Answer::Refuse);
    caller.feed(&[b'x'; MAX_SASL_LINE + 1]);
    assert!(caller.closed && caller.said() == "421 4.7.0 Line too long.\r\n");

    let mut caller = encrypted(Answer::Later);
    caller.feed(sign_in).feed(&[b'x'; MAX_PIPELINED + 1]);
    assert!(caller.closed && caller.said() == "421 4.7.0 Too much sent ahead of an answer.\r\n");

    // Octets that would be a chunk, were anybody signed in.
    let mut caller = encrypted(Answer::Refuse);
    caller.feed(b"BDAT 6\r\nQUIT\r\n");
    assert!(caller.closed && caller.said() == "530 5.7.0 Sign in first.\r\n");
}

#[test]
fn an_outage_is_no_refusal() {
    let mut caller = encrypted(Answer::Later);
    caller.feed(b"AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n");
    assert_eq!(caller.server.unavailable("Try later."), b"421 4.3.2 Try later.\r\n");
    assert!(caller.server.refuse("no").is_empty() && caller.server.bye("again").is_empty());
}

#[test]
fn a_name_is_handed_on_only_if_it_can_be_said() {
    for (hello, name) in [
        ("EHLO [127.0.0.1]", Some("[127.0.0.1]")),
        ("EHLO b\u{fc}ro", None),
        ("EHLO two words", None),
        ("EHLO smtpclient.apple ", Some("smtpclient.apple")),
    ] {
        let mut caller = Caller::new(server(Transport::Encrypted), Answer::Refuse);
        caller.feed(format!("{hello}\r\n").as_bytes());
        assert_eq!(caller.server.hello(), name, "{hello}");
    }
}
