//! Dialogues as a client sees them.

use crate::caller::{Answer, Caller};
use protocols::sasl::Mechanism;
use protocols::{
    Event, ServerSide as _, Transport,
    dialogue::{MAX_BAD_COMMANDS, MAX_PIPELINED, MAX_REFUSALS, MAX_SASL_LINE},
    pop3::{MAX_LINE, Server, bye},
};

const STLS: Transport = Transport::Plain { starttls: true };
const IN_TLS: &str = "+OK Capability list follows.\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\nAUTH-RESP-CODE\r\nUSER\r\nSASL PLAIN LOGIN\r\n.\r\n";
const IN_THE_CLEAR: &str =
    "+OK Capability list follows.\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\nAUTH-RESP-CODE\r\nSTLS\r\n.\r\n";

fn encrypted() -> Caller<Server> {
    Caller::new(Server::new(Transport::Encrypted), Answer::Refuse)
}

fn later() -> Caller<Server> {
    Caller::new(Server::new(Transport::Encrypted), Answer::Later)
}

fn plain() -> Caller<Server> {
    Caller::new(Server::new(STLS), Answer::Refuse)
}

#[test]
fn answers_what_may_be_asked_before_a_sign_in() {
    for (command, answer) in [
        ("CAPA\r\n", IN_TLS),
        ("capa \n", IN_TLS),
        ("NOOP\r\n", "+OK Nothing done.\r\n"),
        ("AUTH\r\n", "+OK Mechanisms follow.\r\nPLAIN\r\nLOGIN\r\n.\r\n"),
        ("USER alice\r\n", "+OK Send PASS.\r\n"),
        ("USER nobody\r\n", "+OK Send PASS.\r\n"),
        ("USER\r\n", "-ERR USER needs a name.\r\n"),
        ("PASS secret\r\n", "-ERR Send USER first.\r\n"),
        (
            "USER alice\r\nSTAT\r\nPASS secret\r\n",
            "+OK Send PASS.\r\n-ERR Unknown command, or one that needs signing in first.\r\n-ERR Send USER first.\r\n",
        ),
        ("USER alice\r\nNOOP\r\n", "+OK Send PASS.\r\n+OK Nothing done.\r\n"),
        ("STLS\r\n", "-ERR TLS is active already.\r\n"),
        ("NOOP x\r\n", "-ERR This command has no arguments.\r\n"),
        ("STAT\r\n", "-ERR Unknown command, or one that needs signing in first.\r\n"),
        (
            "APOP alice c4c9334bac560ecc979e58001b3e22fb\r\n",
            "-ERR Unknown command, or one that needs signing in first.\r\n",
        ),
        ("XCLIENT ADDR=192.0.2.1\r\n", "-ERR Unknown command, or one that needs signing in first.\r\n"),
        ("\r\n", "-ERR Unknown command, or one that needs signing in first.\r\n"),
        ("AUTH CRAM-MD5\r\n", "-ERR This mechanism is not offered here.\r\n"),
        ("AUTH PLAIN a b\r\n", "-ERR The arguments of this command make no sense.\r\n"),
    ] {
        let mut caller = encrypted();
        assert_eq!(caller.feed(command.as_bytes()).sent, answer, "{command:?}");
        assert!(!caller.closed && caller.sign_ins.is_empty(), "{command:?}");
    }
    assert_eq!(plain().feed(b"CAPA\r\nAUTH\r\n").sent, format!("{IN_THE_CLEAR}+OK Mechanisms follow.\r\n.\r\n"));
}

#[test]
fn says_goodbye() {
    let mut caller = encrypted();
    caller.feed(b"QUIT\r\nNOOP\r\n");
    assert_eq!(caller.sent, "+OK Bye.\r\n");
    assert!(caller.closed);
    assert_eq!(caller.feed(b"NOOP\r\n").sent, "+OK Bye.\r\n");
}

#[test]
fn every_way_of_signing_in_yields_the_same_two_words() {
    use Mechanism::{Command, Login, Plain};
    let table: [(&[&[u8]], Mechanism, &str); 10] = [
        (&[b"USER alice\r\n", b"PASS secret\r\n"], Command, "+OK Send PASS.\r\n"),
        (&[b"USER alice\r\nPASS secret\r\n"], Command, "+OK Send PASS.\r\n"),
        (&[b"user alice\npass secret\n"], Command, "+OK Send PASS.\r\n"),
        (&[b"USER bob\r\nUSER alice\r\nPASS secret\r\n"], Command, "+OK Send PASS.\r\n+OK Send PASS.\r\n"),
        (&[b"AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n"], Plain, ""),
        (&[b"auth plain\r\n", b"AGFsaWNlAHNlY3JldA==\r\n"], Plain, "+ \r\n"),
        (&[b"AUTH PLAIN YWxpY2UAYWxpY2UAc2VjcmV0\r\n"], Plain, ""),
        (&[b"AUTH LOGIN\r\n", b"YWxpY2U=\r\n", b"c2VjcmV0\r\n"], Login, "+ VXNlcm5hbWU6\r\n+ UGFzc3dvcmQ6\r\n"),
        (&[b"AUTH LOGIN YWxpY2U=\r\n", b"c2VjcmV0\r\n"], Login, "+ UGFzc3dvcmQ6\r\n"),
        (&[b"AUTH LOGIN\r\nYWxpY2U=\r\nc2VjcmV0\r\n"], Login, "+ VXNlcm5hbWU6\r\n+ UGFzc3dvcmQ6\r\n"),
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
fn all_behind_pass_is_the_password() {
    for (line, password) in
        [(&b"PASS two words \r\n"[..], "two words "), (b"PASS  x\r\n", " x"), (b"PASS p\xe4ss\r\n", "päss")]
    {
        assert_eq!(later().feed(b"USER alice\r\n").feed(line).secrets(), [("alice", password)]);
    }
}

#[test]
fn an_authzid_of_somebody_else_is_shown_to_the_caller() {
    let mut caller = later();
    caller.feed(b"AUTH PLAIN Ym9iAGFsaWNlAHNlY3JldA==\r\n"); // bob, alice, secret
    assert!(caller.sign_ins[0].acts_for_another());
    assert_eq!(caller.sign_ins[0].authzid.as_deref(), Some("bob"));
}

#[test]
fn an_exchange_that_fails_leaves_the_connection_usable() {
    for (exchange, answer) in [
        (&b"AUTH PLAIN\r\n*\r\n"[..], "+ \r\n-ERR Authentication cancelled.\r\n"),
        (b"AUTH LOGIN\r\nYWxpY2U=\r\n*\r\n", "+ VXNlcm5hbWU6\r\n+ UGFzc3dvcmQ6\r\n-ERR Authentication cancelled.\r\n"),
        (b"AUTH PLAIN\r\n!!!!\r\n", "+ \r\n-ERR Sorry, invalid base64.\r\n"),
        (b"AUTH PLAIN !!!!\r\n", "-ERR Sorry, invalid base64.\r\n"),
        (b"AUTH PLAIN =\r\n", "-ERR Sorry, malformed credentials.\r\n"),
        (b"AUTH PLAIN AGFsAGljZQBzZWNyZXQ=\r\n", "-ERR Sorry, malformed credentials.\r\n"),
        (b"AUTH PLAIN AGFsaWNlDQpiAHNlY3JldA==\r\n", "-ERR [AUTH] Sorry, malformed user name.\r\n"),
        (b"USER al\tice\r\nPASS x\r\n", "+OK Send PASS.\r\n-ERR [AUTH] Sorry, malformed user name.\r\n"),
        (b"USER alice\r\nPASS al\0ice\r\n", "+OK Send PASS.\r\n-ERR Sorry, malformed credentials.\r\n"),
        (b"USER alice\r\nPASS\r\n", "+OK Send PASS.\r\n-ERR [AUTH] Sorry, empty password.\r\n"),
        (b"AUTH PLAIN AGFsaWNlAA==\r\n", "-ERR [AUTH] Sorry, empty password.\r\n"),
    ] {
        let mut caller = later();
        assert_eq!(caller.feed(exchange).said(), answer, "{}", exchange.escape_ascii());
        assert!(caller.sign_ins.is_empty() && !caller.closed);
        assert_eq!(caller.feed(b"NOOP\r\n").said(), "+OK Nothing done.\r\n");
        assert_eq!(caller.feed(b"USER alice\r\nPASS secret\r\n").secrets(), [("alice", "secret")]);
    }
}

#[test]
fn a_refusal_keeps_the_connection_and_forgets_the_name() {
    let mut caller = encrypted();
    caller.feed(b"USER alice\r\nPASS wrong\r\nPASS again\r\nAUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n");
    assert_eq!(
        caller.sent,
        "+OK Send PASS.\r\n-ERR [AUTH] Use an app password: https://id.example.org\r\n-ERR Send USER first.\r\n\
         -ERR [AUTH] Use an app password: https://id.example.org\r\n"
    );
    assert_eq!(caller.secrets(), [("alice", "wrong"), ("alice", "secret")]);
    assert!(!caller.closed);
}

#[test]
fn the_attempt_after_the_last_refusal_is_not_looked_at() {
    for attempt in ["USER alice\r\n", "AUTH PLAIN\r\n", "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n"] {
        let mut caller = encrypted();
        for _ in 0..MAX_REFUSALS {
            caller.feed(b"USER alice\r\nPASS wrong\r\n");
            assert!(!caller.closed);
        }
        caller.said();
        assert_eq!(caller.feed(attempt.as_bytes()).said(), "-ERR Too many failed sign-ins.\r\n");
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
    assert!(caller.sent.ends_with("-ERR Too many bad commands.\r\n"));
}

#[test]
fn what_is_sent_ahead_of_an_answer_is_kept_and_bounded() {
    let mut caller = later();
    caller.feed(b"USER alice\r\nPASS secret\r\nSTAT\r\nRE").feed(b"TR 1\r\n");
    let admitted = caller.admit().unwrap();
    assert_eq!((&*admitted.answer, &*admitted.pipelined), (&b"+OK Logged in.\r\n"[..], &b"STAT\r\nRETR 1\r\n"[..]));

    let mut caller = later();
    caller.feed(b"USER a\r\nPASS b\r\n").feed(&vec![b'x'; MAX_PIPELINED]);
    assert!(!caller.closed);
    caller.feed(b"x");
    assert!(caller.sent.ends_with("-ERR Too much sent ahead of an answer.\r\n"));
    assert!(caller.closed && caller.admit().is_none());
}

#[test]
fn nobody_is_admitted_who_did_not_ask() {
    assert!(later().admit().is_none());
    let mut caller = later();
    caller.feed(b"USER alice\r\nPASS secret\r\n");
    let _ = caller.server.refuse("no");
    assert!(caller.admit().is_none());
    let mut named = later();
    named.feed(b"USER alice\r\n");
    assert!(named.server.refuse("no").is_empty());
    assert_eq!(named.feed(b"PASS secret\r\n").secrets(), [("alice", "secret")]);
}

#[test]
fn an_outage_never_looks_like_a_wrong_password() {
    let mut caller = later();
    caller.feed(b"USER alice\r\nPASS secret\r\nNOOP\r\n");
    assert_eq!(caller.server.unavailable("Try again later."), b"-ERR [SYS/TEMP] Try again later.\r\n");
    caller.feed(b"");
    assert!(caller.closed);
    assert!(caller.server.bye("again").is_empty() && caller.server.unavailable("again").is_empty());
    assert!(caller.admit().is_none());
    assert_eq!(bye("This session was ended."), b"-ERR [SYS/TEMP] This session was ended.\r\n");
}

#[test]
fn oversize_lines_end_the_connection() {
    let long = |before: &str, length: usize| format!("{before}{}\r\n", "x".repeat(length - before.len() - 2));
    for (octets, closes) in [
        (long("PASS ", MAX_LINE), false),
        (long("PASS ", MAX_LINE + 1), true),
        ("x".repeat(MAX_LINE + 1), true),
        (long("AUTH PLAIN ", MAX_SASL_LINE), false),
        (long("AUTH PLAIN ", MAX_SASL_LINE + 1), true),
        (format!("AUTH PLAIN\r\n{}", long("", MAX_SASL_LINE)), false),
        (format!("AUTH PLAIN\r\n{}", long("", MAX_SASL_LINE + 1)), true),
    ] {
        let mut caller = later();
        caller.feed(octets.as_bytes());
        assert_eq!(caller.closed, closes, "{} octets", octets.len());
        assert_eq!(caller.sent.ends_with("-ERR Line too long.\r\n"), closes, "{}", caller.sent);
    }
}

#[test]
fn nobody_signs_in_in_the_clear() {
    for transport in [STLS, Transport::Plain { starttls: false }] {
        for attempt in [
            "USER alice\r\n",
            "PASS secret\r\n",
            "AUTH PLAIN\r\n",
            "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n",
            "AUTH LOGIN\r\n",
        ] {
            let mut caller = Caller::new(Server::new(transport), Answer::Refuse);
            assert_eq!(caller.feed(attempt.as_bytes()).said(), "-ERR Signing in needs TLS.\r\n", "{attempt}");
            assert!(caller.sign_ins.is_empty() && !caller.closed);
        }
    }
    let mut none = Caller::new(Server::new(Transport::Plain { starttls: false }), Answer::Refuse);
    assert_eq!(none.feed(b"STLS\r\n").said(), "-ERR TLS is not offered here.\r\n");
    assert!(!none.awaits_tls && !none.feed(b"CAPA\r\n").said().contains("STLS"));
}

#[test]
fn stls_begins_anew() {
    let mut caller = plain();
    caller.feed(b"CAPA\r\nUSER mallory\r\n");
    assert_eq!(caller.said(), format!("{IN_THE_CLEAR}-ERR Signing in needs TLS.\r\n"));
    assert_eq!(caller.feed(b"STLS\r\n").said(), "+OK Begin TLS negotiation now.\r\n");
    assert!(caller.awaits_tls && !caller.closed);
    caller.tls_started();
    assert_eq!(caller.feed(b"PASS secret\r\n").said(), "-ERR Send USER first.\r\n");
    assert_eq!(caller.feed(b"CAPA\r\n").said(), IN_TLS);
    assert_eq!(caller.feed(b"USER alice\r\nPASS secret\r\n").secrets(), [("alice", "secret")]);
}

/// CVE-2011-0411: what is put behind STLS in the clear must not be obeyed inside TLS.
#[test]
fn what_follows_stls_in_the_clear_ends_the_connection() {
    for behind in [&b"NOOP\r\n"[..], b"USER mallory\r\n", b"x", b"\r\n"] {
        let mut together = plain();
        together.feed(&[b"STLS\r\n", behind].concat());
        assert_eq!(together.said(), "-ERR Nothing may follow STLS before TLS.\r\n");
        assert!(together.closed && !together.awaits_tls);

        let mut apart = plain();
        apart.feed(b"STLS\r\n").feed(behind);
        assert_eq!(apart.said(), "+OK Begin TLS negotiation now.\r\n");
        assert!(apart.closed);

        for mut caller in [together, apart] {
            caller.tls_started();
            assert_eq!(caller.feed(b"NOOP\r\n").said(), "");
            assert!(caller.sign_ins.is_empty());
        }
    }
    let mut not_yet_begun = Server::new(STLS);
    not_yet_begun.feed(b"STLS\r\n");
    assert!(matches!(not_yet_begun.next_event(), Some(Event::Send(_))));
    not_yet_begun.feed(b"NOOP\r\n");
    assert!(matches!(not_yet_begun.next_event(), Some(Event::Close)));
    assert!(not_yet_begun.next_event().is_none());
}
