//! Dialogues as a client sees them.

use crate::caller::{Answer, Caller};
use protocols::sasl::Mechanism;
use protocols::{
    ServerSide as _, Transport,
    dialogue::{MAX_BAD_COMMANDS, MAX_PIPELINED, MAX_REFUSALS, MAX_SASL_LINE},
    imap::{MAX_LINE, MAX_LITERAL, Server, bye},
};

const STARTTLS: Transport = Transport::Plain { starttls: true };

fn encrypted() -> Caller<Server> {
    Caller::new(Server::new(Transport::Encrypted), Answer::Refuse)
}

fn later() -> Caller<Server> {
    Caller::new(Server::new(Transport::Encrypted), Answer::Later)
}

fn plain() -> Caller<Server> {
    Caller::new(Server::new(STARTTLS), Answer::Refuse)
}

#[test]
fn greets_with_the_frozen_list() {
    for (transport, greeting) in [
        (
            Transport::Encrypted,
            "* OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ AUTH=PLAIN AUTH=LOGIN] Postern ready.\r\n",
        ),
        (
            STARTTLS,
            "* OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ STARTTLS LOGINDISABLED] Postern ready.\r\n",
        ),
    ] {
        assert_eq!(String::from_utf8(Server::new(transport).greeting()).unwrap(), greeting);
    }
}

#[test]
fn answers_what_may_be_asked_before_a_sign_in() {
    for (command, answer) in [
        ("a NOOP\r\n", "a OK NOOP completed.\r\n"),
        ("a noop \n", "a OK NOOP completed.\r\n"),
        (
            "a capability\r\n",
            "* CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ AUTH=PLAIN AUTH=LOGIN\r\n\
             a OK Capability completed, there are more after signing in.\r\n",
        ),
        ("a ID NIL\r\n", "* ID (\"name\" \"Postern\")\r\na OK ID completed.\r\n"),
        ("a ID ({4}\r\nname \"x\")\r\n", "+ OK\r\n* ID (\"name\" \"Postern\")\r\na OK ID completed.\r\n"),
        ("a STARTTLS\r\n", "a BAD TLS is active already.\r\n"),
        ("a SELECT INBOX\r\n", "a BAD Unknown command, or one that needs signing in first.\r\n"),
        ("a\r\n", "a BAD A tag alone is no command.\r\n"),
        ("\r\n", "* BAD Every command begins with a tag.\r\n"),
        ("a AUTHENTICATE XOAUTH2 dXNlcg==\r\n", "a NO This mechanism is not offered here.\r\n"),
        ("a AUTHENTICATE\r\n", "a BAD The arguments of this command make no sense.\r\n"),
        ("a LOGIN alice\r\n", "a BAD The arguments of this command make no sense.\r\n"),
        ("a NOOP x\r\n", "a BAD The arguments of this command make no sense.\r\n"),
        ("a ID (\"name\")\r\n", "a BAD The arguments of this command make no sense.\r\n"),
    ] {
        let mut caller = encrypted();
        assert_eq!(caller.feed(command.as_bytes()).sent, answer, "{command:?}");
        assert!(!caller.closed && caller.sign_ins.is_empty(), "{command:?}");
    }
}

#[test]
fn says_goodbye() {
    let mut caller = encrypted();
    caller.feed(b"a LOGOUT\r\nb NOOP\r\n");
    assert_eq!(caller.sent, "* BYE Logging out\r\na OK Logout completed.\r\n");
    assert!(caller.closed);
    assert_eq!(caller.feed(b"c NOOP\r\n").sent, "* BYE Logging out\r\na OK Logout completed.\r\n");
}

#[test]
fn every_way_of_signing_in_yields_the_same_two_words() {
    use Mechanism::{Command, Login, Plain};
    let table: [(&[&[u8]], Mechanism, &str); 14] = [
        (&[b"a LOGIN alice secret\r\n"], Command, ""),
        (&[b"a login \"alice\" \"secret\"\r\n"], Command, ""),
        (&[b"a LOGIN {5}\r\n", b"alice {6}\r\n", b"secret\r\n"], Command, "+ OK\r\n+ OK\r\n"),
        (&[b"a LOGIN {5}\r\n", b"alice \"secret\"\r\n"], Command, "+ OK\r\n"),
        (&[b"a LOGIN {5+}\r\nalice {6+}\r\nsecret\r\n"], Command, ""),
        (&[b"a LOGIN \"alice\" {6+}\r\nsecret\r\n"], Command, ""),
        (&[b"a AUTHENTICATE PLAIN AGFsaWNlAHNlY3JldA==\r\n"], Plain, ""),
        (&[b"a authenticate plain\r\n", b"AGFsaWNlAHNlY3JldA==\r\n"], Plain, "+ \r\n"),
        (&[b"a AUTHENTICATE PLAIN YWxpY2UAYWxpY2UAc2VjcmV0\r\n"], Plain, ""),
        (&[b"a AUTHENTICATE \"PLAIN\"\r\n"], Plain, "refused"),
        (
            &[b"a AUTHENTICATE LOGIN\r\n", b"YWxpY2U=\r\n", b"c2VjcmV0\r\n"],
            Login,
            "+ VXNlcm5hbWU6\r\n+ UGFzc3dvcmQ6\r\n",
        ),
        (&[b"a AUTHENTICATE LOGIN YWxpY2U=\r\n", b"c2VjcmV0\r\n"], Login, "+ UGFzc3dvcmQ6\r\n"),
        (&[b"a AUTHENTICATE LOGIN\r\nYWxpY2U=\r\nc2VjcmV0\r\n"], Login, "+ VXNlcm5hbWU6\r\n+ UGFzc3dvcmQ6\r\n"),
        (&[b"a LOGIN alice secret\n"], Command, ""),
    ];
    for (lines, mechanism, asked) in table {
        let mut caller = later();
        for line in lines {
            caller.feed(line);
        }
        let shown = lines.concat().escape_ascii().to_string();
        if asked == "refused" {
            assert!(caller.sent.starts_with("a BAD "), "{shown}");
            continue;
        }
        assert_eq!(caller.secrets(), [("alice", "secret")], "{shown}");
        assert_eq!(caller.sign_ins[0].mechanism, mechanism, "{shown}");
        assert!(!caller.sign_ins[0].acts_for_another(), "{shown}");
        assert_eq!(caller.sent, asked, "{shown}");
    }
}

#[test]
fn a_latin1_password_is_read_as_what_was_typed() {
    for line in [&b"a LOGIN alice \"p\xe4ss\"\r\n"[..], "a LOGIN alice päss\r\n".as_bytes()] {
        assert_eq!(later().feed(line).secrets(), [("alice", "päss")]);
    }
}

#[test]
fn an_authzid_of_somebody_else_is_shown_to_the_caller() {
    let mut caller = later();
    caller.feed(b"a AUTHENTICATE PLAIN Ym9iAGFsaWNlAHNlY3JldA==\r\n"); // bob, alice, secret
    let credentials = &caller.sign_ins[0];
    assert!(credentials.acts_for_another());
    assert_eq!((credentials.authzid.as_deref(), credentials.authcid.as_str()), (Some("bob"), "alice"));
}

#[test]
fn an_exchange_that_fails_leaves_the_connection_usable() {
    for (exchange, answer) in [
        (&b"a AUTHENTICATE PLAIN\r\n*\r\n"[..], "+ \r\na BAD Authentication cancelled.\r\n"),
        (b"a AUTHENTICATE PLAIN\r\n!!!!\r\n", "+ \r\na BAD Sorry, invalid base64.\r\n"),
        (b"a AUTHENTICATE PLAIN !!!!\r\n", "a BAD Sorry, invalid base64.\r\n"),
        (b"a AUTHENTICATE PLAIN AGFsaWNlAHNlY3JldA\r\n", "a BAD Sorry, invalid base64.\r\n"),
        (b"a AUTHENTICATE PLAIN =\r\n", "a BAD Sorry, malformed credentials.\r\n"),
        (b"a AUTHENTICATE PLAIN AGFsaWNlAHNlY+l0\r\n", "a BAD Sorry, malformed credentials.\r\n"),
        // NUL, CR LF and TAB in the name
        (b"a AUTHENTICATE PLAIN AGFsAGljZQBzZWNyZXQ=\r\n", "a BAD Sorry, malformed credentials.\r\n"),
        (
            b"a AUTHENTICATE PLAIN AGFsaWNlDQpiAHNlY3JldA==\r\n",
            "a NO [AUTHENTICATIONFAILED] Sorry, malformed user name.\r\n",
        ),
        (b"a LOGIN \"al\tice\" secret\r\n", "a NO [AUTHENTICATIONFAILED] Sorry, malformed user name.\r\n"),
        (b"a LOGIN \"al\0ice\" secret\r\n", "a BAD The arguments of this command make no sense.\r\n"),
        (b"a LOGIN {6+}\r\nal\r\nce secret\r\n", "a NO [AUTHENTICATIONFAILED] Sorry, malformed user name.\r\n"),
        (b"a LOGIN {5+}\r\nal\0ce secret\r\n", "a BAD The arguments of this command make no sense.\r\n"),
        (b"a LOGIN \"\" secret\r\n", "a NO [AUTHENTICATIONFAILED] Sorry, malformed user name.\r\n"),
        (b"a LOGIN alice \"\"\r\n", "a NO [AUTHENTICATIONFAILED] Sorry, empty password.\r\n"),
        (b"a AUTHENTICATE PLAIN AGFsaWNlAA==\r\n", "a NO [AUTHENTICATIONFAILED] Sorry, empty password.\r\n"),
    ] {
        let mut caller = later();
        assert_eq!(caller.feed(exchange).said(), answer, "{}", exchange.escape_ascii());
        assert!(caller.sign_ins.is_empty() && !caller.closed);
        assert_eq!(caller.feed(b"b NOOP\r\n").said(), "b OK NOOP completed.\r\n");
        assert_eq!(caller.feed(b"c LOGIN alice secret\r\n").secrets(), [("alice", "secret")]);
    }
}

#[test]
fn a_refusal_says_it_twice_and_keeps_the_connection() {
    let mut caller = encrypted();
    caller.feed(b"a LOGIN alice wrong\r\nb LOGIN alice also-wrong\r\n");
    assert_eq!(
        caller.sent,
        "* NO [ALERT] Use an app password: https://id.example.org\r\n\
         a NO [AUTHENTICATIONFAILED] Use an app password: https://id.example.org\r\n\
         * NO [ALERT] Use an app password: https://id.example.org\r\n\
         b NO [AUTHENTICATIONFAILED] Use an app password: https://id.example.org\r\n"
    );
    assert_eq!(caller.secrets(), [("alice", "wrong"), ("alice", "also-wrong")]);
    assert!(!caller.closed);
}

#[test]
fn the_attempt_after_the_last_refusal_is_not_looked_at() {
    for attempt in ["z LOGIN alice secret\r\n", "z LOGIN {5}\r\n", "z AUTHENTICATE PLAIN\r\n"] {
        let mut caller = encrypted();
        for _ in 0..MAX_REFUSALS {
            caller.feed(b"a LOGIN alice wrong\r\n");
            assert!(!caller.closed);
        }
        caller.said();
        assert_eq!(caller.feed(attempt.as_bytes()).said(), "* BYE Too many failed sign-ins.\r\n");
        assert!(caller.closed);
        assert_eq!(caller.sign_ins.len(), usize::from(MAX_REFUSALS));
    }
}

#[test]
fn malformed_names_count_as_refusals_too() {
    let mut caller = later();
    for _ in 0..=MAX_REFUSALS {
        caller.feed(b"a LOGIN alice \"\"\r\n");
    }
    assert!(caller.closed);
}

#[test]
fn bad_commands_are_borne_for_a_while() {
    let mut caller = encrypted();
    for left in (0..MAX_BAD_COMMANDS).rev() {
        assert!(!caller.closed);
        caller.feed(b"a FROBNICATE\r\n");
        assert_eq!(caller.closed, left == 0);
    }
    assert!(caller.sent.ends_with("* BYE Too many bad commands.\r\n"));
}

#[test]
fn an_admission_announces_what_holds_behind_and_hands_over_what_was_sent_ahead() {
    let mut caller = later();
    caller.feed(b"a LOGIN alice secret\r\nb SELECT IN").feed(b"BOX\r\nc {2+}\r\n\0\xff");
    assert_eq!(caller.sent, "");
    let admitted = caller.admit().unwrap();
    assert_eq!(admitted.answer, b"a OK [CAPABILITY IMAP4rev1 ID ENABLE IDLE] Logged in\r\n");
    assert_eq!(admitted.pipelined, b"b SELECT INBOX\r\nc {2+}\r\n\0\xff");
}

#[test]
fn who_asks_for_capabilities_is_told_them_untagged_as_well() {
    let mut caller = later();
    caller.feed(b"a CAPABILITY\r\nb LOGIN alice secret\r\n");
    assert_eq!(
        String::from_utf8(caller.admit().unwrap().answer).unwrap(),
        "* CAPABILITY IMAP4rev1 ID ENABLE IDLE\r\nb OK [CAPABILITY IMAP4rev1 ID ENABLE IDLE] Logged in\r\n"
    );
}

#[test]
fn nobody_is_admitted_who_did_not_ask() {
    assert!(later().admit().is_none());
    let mut caller = later();
    caller.feed(b"a LOGIN alice secret\r\n");
    let _ = caller.server.refuse("no");
    assert!(caller.admit().is_none());
    let mut idle = later();
    assert!(idle.server.refuse("no").is_empty());
    assert_eq!(idle.feed(b"a NOOP\r\n").sent, "a OK NOOP completed.\r\n");
}

#[test]
fn an_outage_never_looks_like_a_wrong_password() {
    let mut caller = later();
    caller.feed(b"a LOGIN alice secret\r\nb NOOP\r\n");
    let answer = caller.server.unavailable("Try again later.");
    assert_eq!(answer, b"* BYE [UNAVAILABLE] Try again later.\r\n");
    caller.feed(b"");
    assert!(caller.closed && caller.sent.is_empty());
    assert!(caller.server.bye("again").is_empty());
    assert!(caller.admit().is_none());
    assert_eq!(bye("Signed out: this password was revoked."), b"* BYE Signed out: this password was revoked.\r\n");
}

#[test]
fn oversize_lines_and_literals_end_the_connection_before_they_are_buffered() {
    let line = |length: usize| {
        let mut line = b"a NOOP".to_vec();
        line.resize(length - 2, b' ');
        line.extend(b"\r\n");
        line
    };
    let sasl = |length: usize| {
        let mut line = b"a AUTHENTICATE PLAIN\r\n".to_vec();
        line.resize(line.len() + length - 2, b'A');
        line.extend(b"\r\n");
        line
    };
    for (octets, closes) in [
        (line(MAX_LINE), false),
        (line(MAX_LINE + 1), true),
        (vec![b'a'; MAX_LINE + 1], true),
        (sasl(MAX_SASL_LINE), false),
        (sasl(MAX_SASL_LINE + 1), true),
        (format!("a LOGIN {{{MAX_LITERAL}}}\r\n").into(), false),
        (format!("a LOGIN {{{}}}\r\n", MAX_LITERAL + 1).into(), true),
        (format!("a LOGIN {{{}+}}\r\n", MAX_LITERAL + 1).into(), true),
        (format!("a LOGIN {{{0}}}\r\n{1} {{{0}}}\r\n", MAX_LITERAL, "x".repeat(MAX_LITERAL)).into(), false),
        (b"a LOGIN {18446744073709551617}\r\n".to_vec(), true),
        (b"a APPEND INBOX {3000000+}\r\n".to_vec(), true),
        // each fits, all together do not
        (format!("a ID ({})\r\n", ("{4000+}\r\n".to_owned() + &"x".repeat(4000) + " ").repeat(3)).into(), true),
        (format!("a ID ({})\r\n", "{4096+}\r\n".to_owned() + &"x".repeat(4096)).repeat(3).into(), false),
    ] {
        let mut caller = later();
        caller.feed(&octets);
        let shown = octets[..octets.len().min(60)].escape_ascii().to_string();
        assert_eq!(caller.closed, closes, "{shown} ({} octets)", octets.len());
        assert_eq!(caller.sent.contains("* BYE "), closes, "{shown}");
    }
}

#[test]
fn a_literal_is_not_asked_for_when_the_command_is_refused_anyway() {
    let mut caller = encrypted();
    assert_eq!(
        caller.feed(b"a APPEND INBOX {10}\r\n").said(),
        "a BAD Unknown command, or one that needs signing in first.\r\n"
    );
    assert_eq!(caller.feed(b"b NOOP\r\n").said(), "b OK NOOP completed.\r\n");
}

#[test]
fn sending_ahead_is_bounded() {
    let mut caller = later();
    caller.feed(b"a LOGIN alice secret\r\n").feed(&vec![b'x'; MAX_PIPELINED]);
    assert!(!caller.closed);
    assert_eq!(caller.admit().unwrap().pipelined.len(), MAX_PIPELINED);

    let mut caller = later();
    caller.feed(b"a LOGIN alice secret\r\n").feed(&vec![b'x'; MAX_PIPELINED]).feed(b"x");
    assert_eq!(caller.said(), "* BYE Too much sent ahead of an answer.\r\n");
    assert!(caller.closed && caller.admit().is_none());

    // A caller that does not look for events admits no more than was held.
    let mut server = Server::new(Transport::Encrypted);
    server.feed(b"a LOGIN alice secret\r\n");
    assert!(server.next_event().is_some());
    server.feed(&vec![b'x'; 4 * MAX_PIPELINED]);
    assert!(server.admit("IMAP4rev1").is_none());
}

#[test]
fn nobody_signs_in_in_the_clear() {
    for transport in [STARTTLS, Transport::Plain { starttls: false }] {
        for attempt in [
            &b"a LOGIN alice secret\r\n"[..],
            b"a LOGIN {5}\r\n",
            b"a LOGIN {5+}\r\nalice {6+}\r\nsecret\r\n",
            b"a LOGIN garbage\r\n",
            b"a AUTHENTICATE PLAIN\r\n",
            b"a AUTHENTICATE LOGIN\r\n",
            b"a AUTHENTICATE PLAIN AGFsaWNlAHNlY3JldA==\r\n",
        ] {
            let mut caller = Caller::new(Server::new(transport), Answer::Refuse);
            assert_eq!(
                caller.feed(attempt).said(),
                "a NO [PRIVACYREQUIRED] Signing in needs TLS.\r\n",
                "{}",
                attempt.escape_ascii()
            );
            assert!(caller.sign_ins.is_empty() && !caller.closed);
            assert_eq!(caller.feed(b"b NOOP\r\n").said(), "b OK NOOP completed.\r\n");
        }
    }
}

#[test]
fn starttls_begins_anew() {
    let mut caller = plain();
    caller.feed(b"a ID (\"name\" \"somebody on the path\")\r\nb CAPABILITY\r\n");
    assert!(caller.said().contains("STARTTLS LOGINDISABLED\r\n"));
    assert!(caller.server.client_id().is_some());
    assert_eq!(caller.feed(b"c STARTTLS\r\n").said(), "c OK Begin TLS negotiation now.\r\n");
    assert!(caller.awaits_tls && !caller.closed);

    caller.tls_started();
    assert!(caller.server.client_id().is_none());
    assert_eq!(
        caller.feed(b"d CAPABILITY\r\n").said(),
        "* CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ AUTH=PLAIN AUTH=LOGIN\r\n\
         d OK Capability completed, there are more after signing in.\r\n"
    );
    assert_eq!(caller.feed(b"e STARTTLS\r\n").said(), "e BAD TLS is active already.\r\n");
    assert_eq!(caller.feed(b"f LOGIN alice secret\r\n").secrets(), [("alice", "secret")]);
}

#[test]
fn starttls_where_it_is_not_offered() {
    let mut caller = Caller::new(Server::new(Transport::Plain { starttls: false }), Answer::Refuse);
    assert_eq!(caller.feed(b"a STARTTLS\r\n").said(), "a BAD TLS is not offered here.\r\n");
    assert!(!caller.awaits_tls);
}

/// CVE-2011-0411: what is put behind STARTTLS in the clear must not be obeyed inside TLS.
#[test]
fn what_follows_starttls_in_the_clear_ends_the_connection() {
    for behind in [&b"b NOOP\r\n"[..], b"b LOGIN mallory secret\r\n", b"x", b"\r\n"] {
        let mut together = plain();
        together.feed(&[b"a STARTTLS\r\n", behind].concat());
        assert_eq!(together.said(), "* BYE Nothing may follow STARTTLS before TLS.\r\n");
        assert!(together.closed && !together.awaits_tls);

        let mut apart = plain();
        apart.feed(b"a STARTTLS\r\n").feed(behind);
        assert_eq!(apart.said(), "a OK Begin TLS negotiation now.\r\n");
        assert!(apart.closed);

        for mut caller in [together, apart] {
            caller.tls_started();
            assert_eq!(caller.feed(b"c NOOP\r\n").said(), "");
            assert!(caller.sign_ins.is_empty());
        }
    }
}

/// The handshake is not even begun for a caller that had not come to it yet.
#[test]
fn a_handshake_not_yet_begun_is_called_off() {
    use protocols::Event;
    let mut server = Server::new(STARTTLS);
    server.feed(b"a STARTTLS\r\n");
    assert!(matches!(server.next_event(), Some(Event::Send(_))));
    server.feed(b"b NOOP\r\n");
    assert!(matches!(server.next_event(), Some(Event::Close)));
    assert!(server.next_event().is_none());
}

#[test]
fn the_client_is_known_by_the_name_it_gave() {
    let mut caller = later();
    caller.feed(b"a ID (\"name\" \"Thunderbird\" \"version\" {7}\r\n153.7.0 \"os\" NIL)\r\n");
    let fields: Vec<_> = caller.server.client_id().unwrap().fields().collect();
    assert_eq!(fields, [("name", Some("Thunderbird")), ("version", Some("153.7.0")), ("os", None)]);
}

#[test]
fn no_event_prints_a_secret() {
    let mut server = Server::new(Transport::Encrypted);
    server.feed(b"a LOGIN alice hunter2\r\n");
    let printed = format!("{:?}", server.next_event().unwrap());
    assert!(!printed.contains("hunter2"), "{printed}");
}

/// Else a question put by somebody on the path would shape an answer inside TLS.
#[test]
fn what_was_asked_in_the_clear_is_forgotten() {
    let mut caller = Caller::new(Server::new(STARTTLS), Answer::Later);
    caller.feed(b"a CAPABILITY\r\n").feed(b"b STARTTLS\r\n").tls_started();
    caller.feed(b"c LOGIN alice secret\r\n");
    assert_eq!(caller.admit().unwrap().answer, b"c OK [CAPABILITY IMAP4rev1 ID ENABLE IDLE] Logged in\r\n");
}
