//! Dialogues as a client sees them.

use crate::caller::{Answer, Caller};
use protocols::sasl::Mechanism;
use protocols::{
    Event, ServerSide as _, Transport,
    dialogue::{MAX_BAD_COMMANDS, MAX_PIPELINED, MAX_REFUSALS},
    sieve::{Server, Shown, bye, unavailable},
};

const STARTTLS: Transport = Transport::Plain { starttls: true };
const IN_TLS: &str = "\"IMPLEMENTATION\" \"Postern\"\r\n\"SIEVE\" \"fileinto vacation\"\r\n\"NOTIFY\" \"mailto\"\r\n\"SASL\" \"PLAIN LOGIN\"\r\n\"VERSION\" \"1.0\"\r\n";
const IN_THE_CLEAR: &str = "\"IMPLEMENTATION\" \"Postern\"\r\n\"SIEVE\" \"fileinto vacation\"\r\n\"NOTIFY\" \"mailto\"\r\n\"SASL\" \"\"\r\n\"STARTTLS\"\r\n\"VERSION\" \"1.0\"\r\n";

fn server(transport: Transport) -> Server {
    Server::new(
        transport,
        Shown::of("\"SIEVE\" \"fileinto vacation\"\n\"NOTIFY\" \"mailto\"\n\"SASL\" \"PLAIN XOAUTH2\""),
    )
}

fn encrypted() -> Caller<Server> {
    Caller::new(server(Transport::Encrypted), Answer::Refuse)
}

fn later() -> Caller<Server> {
    Caller::new(server(Transport::Encrypted), Answer::Later)
}

fn plain() -> Caller<Server> {
    Caller::new(server(STARTTLS), Answer::Refuse)
}

#[test]
fn greets_with_its_list() {
    for (transport, list) in [(Transport::Encrypted, IN_TLS), (STARTTLS, IN_THE_CLEAR)] {
        let greeting = String::from_utf8(server(transport).greeting()).unwrap();
        assert_eq!(greeting, format!("{list}OK \"Postern ready.\"\r\n"));
    }
}

#[test]
fn answers_what_may_be_asked_before_a_sign_in() {
    let senseless = "NO \"The arguments of this command make no sense.\"\r\n";
    let too_early = "NO \"Unknown command, or one that needs signing in first.\"\r\n";
    for (command, answer) in [
        ("capability\r\n", &*format!("{IN_TLS}OK \"Capability completed.\"\r\n")),
        ("NOOP\r\n", "OK \"NOOP completed.\"\r\n"),
        ("noop \"STARTTLS-SYNC-42\"\n", "OK (TAG \"STARTTLS-SYNC-42\") \"NOOP completed.\"\r\n"),
        ("NOOP {4+}\r\na\"\\b\r\n", "OK (TAG \"a\\\"\\\\b\") \"NOOP completed.\"\r\n"),
        ("NOOP {4+}\r\na\r\nb\r\n", "OK (TAG \"a  b\") \"NOOP completed.\"\r\n"),
        ("NOOP x\r\n", senseless),
        ("STARTTLS\r\n", "NO \"TLS is active already.\"\r\n"),
        ("AUTHENTICATE \"XOAUTH2\" \"dXNlcg==\"\r\n", "NO \"This mechanism is not offered here.\"\r\n"),
        ("AUTHENTICATE\r\n", senseless),
        ("AUTHENTICATE PLAIN\r\n", senseless),
        ("LISTSCRIPTS\r\n", too_early),
        ("PUTSCRIPT \"x\" {6+}\r\nkeep;\n\r\n", too_early),
        ("UNAUTHENTICATE\r\n", too_early),
        ("XCLIENT ADDR=192.0.2.1\r\n", too_early),
        ("\r\n", too_early),
    ] {
        let mut caller = encrypted();
        assert_eq!(caller.feed(command.as_bytes()).sent, answer, "{command:?}");
        assert!(!caller.closed && caller.sign_ins.is_empty(), "{command:?}");
    }
}

#[test]
fn says_goodbye() {
    let mut caller = encrypted();
    assert_eq!(caller.feed(b"LOGOUT\r\nNOOP\r\n").sent, "OK \"Logout completed.\"\r\n");
    assert!(caller.closed);
}

#[test]
fn every_way_of_signing_in_yields_the_same_two_words() {
    use Mechanism::{Login, Plain};
    let prompts = "\"VXNlcm5hbWU6\"\r\n\"UGFzc3dvcmQ6\"\r\n";
    let table: [(&[&[u8]], Mechanism, &str); 10] = [
        (&[b"AUTHENTICATE \"PLAIN\" \"AGFsaWNlAHNlY3JldA==\"\r\n"], Plain, ""),
        (&[b"authenticate \"plain\" \"AGFsaWNlAHNlY3JldA==\"\n"], Plain, ""),
        (&[b"AUTHENTICATE \"PLAIN\" {20+}\r\n", b"AGFsaWNlAHNlY3JldA==\r\n"], Plain, ""),
        // As servers write literals; nobody is asked to go on.
        (&[b"AUTHENTICATE \"PLAIN\" {20}\r\n", b"AGFsaWNlAHNlY3JldA==\r\n"], Plain, ""),
        (&[b"AUTHENTICATE {5+}\r\nPLAIN \"YWxpY2UAYWxpY2UAc2VjcmV0\"\r\n"], Plain, ""),
        (&[b"AUTHENTICATE \"PLAIN\"\r\n", b"\"AGFsaWNlAHNlY3JldA==\"\r\n"], Plain, "\"\"\r\n"),
        (&[b"AUTHENTICATE \"PLAIN\"\r\n", b"{20+}\r\nAGFsaWNl", b"AHNlY3JldA==\r\n"], Plain, "\"\"\r\n"),
        (&[b"AUTHENTICATE \"LOGIN\"\r\n", b"\"YWxpY2U=\"\r\n", b"{8+}\r\nc2VjcmV0\r\n"], Login, prompts),
        (&[b"AUTHENTICATE \"LOGIN\" \"YWxpY2U=\"\r\n", b"\"c2VjcmV0\"\r\n"], Login, "\"UGFzc3dvcmQ6\"\r\n"),
        (&[b"AUTHENTICATE \"LOGIN\"\r\n\"YWxpY2U=\"\r\n\"c2VjcmV0\"\r\n"], Login, prompts),
    ];
    for (lines, mechanism, asked) in table {
        let mut caller = later();
        for line in lines {
            caller.feed(line);
        }
        let shown = lines.concat().escape_ascii().to_string();
        assert_eq!(caller.secrets(), [("alice", "secret")], "{shown}");
        assert_eq!(caller.sign_ins[0].mechanism, mechanism, "{shown}");
        assert!(!caller.sign_ins[0].acts_for_another(), "{shown}");
        assert_eq!(caller.sent, asked, "{shown}");
    }
}

#[test]
fn an_authzid_of_somebody_else_is_shown_to_the_caller() {
    let mut caller = later();
    caller.feed(b"AUTHENTICATE \"PLAIN\" \"Ym9iAGFsaWNlAHNlY3JldA==\"\r\n"); // bob, alice, secret
    assert!(caller.sign_ins[0].acts_for_another());
    assert_eq!(caller.sign_ins[0].authzid.as_deref(), Some("bob"));
}

#[test]
fn an_exchange_that_fails_leaves_the_connection_usable() {
    for (exchange, answer) in [
        (&b"AUTHENTICATE \"PLAIN\"\r\n\"*\"\r\n"[..], "\"\"\r\nNO \"Authentication cancelled.\"\r\n"),
        (b"AUTHENTICATE \"PLAIN\"\r\n{1+}\r\n*\r\n", "\"\"\r\nNO \"Authentication cancelled.\"\r\n"),
        (b"AUTHENTICATE \"PLAIN\"\r\n*\r\n", "\"\"\r\nNO \"The arguments of this command make no sense.\"\r\n"),
        (b"AUTHENTICATE \"PLAIN\" \"!!!!\"\r\n", "NO \"Sorry, invalid base64.\"\r\n"),
        (b"AUTHENTICATE \"PLAIN\" \"=\"\r\n", "NO \"Sorry, invalid base64.\"\r\n"),
        (b"AUTHENTICATE \"PLAIN\" \"\"\r\n", "NO \"Sorry, malformed credentials.\"\r\n"),
        (b"AUTHENTICATE \"PLAIN\" \"AGFsaWNlDQpiAHNlY3JldA==\"\r\n", "NO \"Sorry, malformed user name.\"\r\n"),
        (b"AUTHENTICATE \"PLAIN\" \"AGFsaWNlAA==\"\r\n", "NO \"Sorry, empty password.\"\r\n"),
        (b"AUTHENTICATE \"PLAIN\" \"AGFs\0aWNl\"\r\n", "NO \"The arguments of this command make no sense.\"\r\n"),
    ] {
        let mut caller = later();
        assert_eq!(caller.feed(exchange).said(), answer, "{}", exchange.escape_ascii());
        assert!(caller.sign_ins.is_empty() && !caller.closed);
        assert_eq!(caller.feed(b"NOOP\r\n").said(), "OK \"NOOP completed.\"\r\n");
        caller.feed(b"AUTHENTICATE \"PLAIN\" \"AGFsaWNlAHNlY3JldA==\"\r\n");
        assert_eq!(caller.secrets(), [("alice", "secret")]);
    }
}

const WRONG: &[u8] = b"AUTHENTICATE \"PLAIN\" \"AGFsaWNlAHdyb25n\"\r\n";

#[test]
fn a_refusal_keeps_the_connection_and_the_attempt_after_the_last_is_not_looked_at() {
    for attempt in [WRONG, b"AUTHENTICATE \"PLAIN\"\r\n"] {
        let mut caller = encrypted();
        for _ in 0..MAX_REFUSALS {
            assert_eq!(caller.feed(WRONG).said(), "NO \"Use an app password: https://id.example.org\"\r\n");
            assert!(!caller.closed);
        }
        assert_eq!(caller.feed(attempt).said(), "BYE \"Too many failed sign-ins.\"\r\n");
        assert!(caller.closed);
        assert_eq!(caller.sign_ins.len(), usize::from(MAX_REFUSALS));
    }
}

#[test]
fn bad_commands_are_borne_for_a_while() {
    let mut caller = encrypted();
    for left in (0..MAX_BAD_COMMANDS).rev() {
        assert!(!caller.closed);
        caller.feed(b"FROBNICATE\r\n");
        assert_eq!(caller.closed, left == 0);
    }
    assert!(caller.sent.ends_with("BYE \"Too many bad commands.\"\r\n"));
}

#[test]
fn what_is_sent_ahead_of_an_answer_is_kept_and_bounded() {
    let mut caller = later();
    caller.feed(WRONG).feed(b"LISTSCR").feed(b"IPTS\r\n{");
    let admitted = caller.admit().unwrap();
    assert_eq!((&*admitted.answer, &*admitted.pipelined), (&b"OK \"Logged in.\"\r\n"[..], &b"LISTSCRIPTS\r\n{"[..]));

    let mut caller = later();
    caller.feed(WRONG).feed(&vec![b'x'; MAX_PIPELINED]);
    assert!(!caller.closed);
    assert_eq!(caller.feed(b"x").said(), "BYE \"Too much sent ahead of an answer.\"\r\n");
    assert!(caller.closed && caller.admit().is_none());
}

#[test]
fn nobody_is_admitted_who_did_not_ask() {
    assert!(later().admit().is_none());
    let mut caller = later();
    caller.feed(WRONG);
    let _ = caller.server.refuse("no");
    assert!(caller.admit().is_none());
    assert!(later().server.refuse("no").is_empty());
}

#[test]
fn an_outage_never_looks_like_a_wrong_password() {
    let mut caller = later();
    caller.feed(WRONG);
    assert_eq!(caller.server.unavailable("Try again later."), b"BYE (TRYLATER) \"Try again later.\"\r\n");
    caller.feed(b"");
    assert!(caller.closed);
    assert!(caller.server.bye("again").is_empty() && caller.server.unavailable("again").is_empty());
    assert!(caller.admit().is_none());
    assert_eq!(bye("This session was ended."), b"BYE \"This session was ended.\"\r\n");
    assert_eq!(unavailable("Later."), b"BYE (TRYLATER) \"Later.\"\r\n");
}

#[test]
fn oversize_lines_and_literals_end_the_connection_before_they_are_buffered() {
    for (octets, closes) in [
        (format!("NOOP{}\r\n", " ".repeat(8186)), false),
        (format!("NOOP{}\r\n", " ".repeat(8187)), true),
        ("x".repeat(8193), true),
        ("NOOP {4096+}\r\n".into(), false),
        ("NOOP {4097+}\r\n".into(), true),
        ("PUTSCRIPT \"x\" {3000000+}\r\n".into(), true),
        ("NOOP {18446744073709551617+}\r\n".into(), true),
        ("AUTHENTICATE \"PLAIN\"\r\n{4097+}\r\n".into(), true),
    ] {
        let mut caller = later();
        caller.feed(octets.as_bytes());
        assert_eq!(caller.closed, closes, "{:.40} ({} octets)", octets, octets.len());
        assert_eq!(caller.sent.contains("BYE \"Line or literal too long.\""), closes);
    }
}

#[test]
fn nobody_signs_in_in_the_clear() {
    for transport in [STARTTLS, Transport::Plain { starttls: false }] {
        for attempt in [WRONG, b"AUTHENTICATE \"LOGIN\"\r\n", b"AUTHENTICATE garbage\r\n", b"AUTHENTICATE\r\n"] {
            let mut caller = Caller::new(server(transport), Answer::Refuse);
            assert_eq!(caller.feed(attempt).said(), "NO (ENCRYPT-NEEDED) \"Signing in needs TLS.\"\r\n");
            assert!(caller.sign_ins.is_empty() && !caller.closed);
        }
    }
    let mut none = Caller::new(server(Transport::Plain { starttls: false }), Answer::Refuse);
    assert_eq!(none.feed(b"STARTTLS\r\n").said(), "NO \"TLS is not offered here.\"\r\n");
    assert!(!none.awaits_tls && !none.feed(b"CAPABILITY\r\n").said().contains("STARTTLS"));
}

#[test]
fn starttls_begins_anew_and_sends_the_list_again() {
    let mut caller = plain();
    assert_eq!(caller.feed(b"STARTTLS\r\n").said(), "OK \"Begin TLS negotiation now.\"\r\n");
    assert!(caller.awaits_tls && !caller.closed);
    caller.tls_started();
    assert_eq!(caller.feed(b"").said(), format!("{IN_TLS}OK \"TLS negotiation successful.\"\r\n"));
    assert_eq!(caller.feed(WRONG).secrets(), [("alice", "wrong")]);
}

/// CVE-2011-0411: what is put behind STARTTLS in the clear must not be obeyed inside TLS.
#[test]
fn what_follows_starttls_in_the_clear_ends_the_connection() {
    for behind in [b"NOOP\r\n", WRONG, b"x", b"\r\n"] {
        let mut together = plain();
        together.feed(&[b"STARTTLS\r\n", behind].concat());
        assert_eq!(together.said(), "BYE \"Nothing may follow STARTTLS before TLS.\"\r\n");
        assert!(together.closed && !together.awaits_tls);

        let mut apart = plain();
        apart.feed(b"STARTTLS\r\n").feed(behind);
        assert_eq!(apart.said(), "OK \"Begin TLS negotiation now.\"\r\n");
        assert!(apart.closed);

        for mut caller in [together, apart] {
            caller.tls_started();
            assert_eq!(caller.feed(b"NOOP\r\n").said(), "");
            assert!(caller.sign_ins.is_empty());
        }
    }
    let mut not_yet_begun = server(STARTTLS);
    not_yet_begun.feed(b"STARTTLS\r\n");
    assert!(matches!(not_yet_begun.next_event(), Some(Event::Send(_))));
    not_yet_begun.feed(b"NOOP\r\n");
    assert!(matches!(not_yet_begun.next_event(), Some(Event::Close)));
    assert!(not_yet_begun.next_event().is_none());
}
