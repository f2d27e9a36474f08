//! What is seen of a client up to its sign-in.

use fingerprint::Signature;
use protocols::{ServerSide as _, Transport, imap::Server};

use crate::caller::{Answer, Caller};

fn seen(transport: Transport, said: &[&str]) -> String {
    let mut caller = Caller::new(Server::new(transport), Answer::Refuse);
    for octets in said {
        caller.feed(octets.as_bytes());
        if caller.awaits_tls {
            caller.tls_started();
        }
    }
    Signature::new(None, &caller.server.dialogue()).to_string()
}

const CLEAR: Transport = Transport::Plain { starttls: true };

#[test]
fn forms_of_signing_in() {
    for (said, form) in [
        (&["a001 LOGIN alice secret\r\n"][..], "a009,LOGIN.aa"),
        (&["a001 login \"alice\" \"secret\"\r\n"], "a009,login.qq"),
        (&["a001 LOGIN alice \"sec ret\"\r\n"], "a009,LOGIN.a~"),
        (&["a001 LOGIN {5}\r\n", "alice {6+}\r\nsecret\r\n"], "a009,LOGIN.ll"),
        (&["1 AUTHENTICATE PLAIN AGFsaWNlAHNlY3JldA==\r\n"], "9,AUTHENTICATE.PLAIN.ir"),
        (&["1 authenticate plain\r\n", "YWxpY2UAYWxpY2UAc2VjcmV0\r\n"], "9,authenticate.plain.z"),
        (&["1 CAPABILITY\r\n2 NOOP\r\n3 NOOP\r\n4 LOGIN alice secret\r\n"], "9,NOOP,LOGIN.aa"),
        // What was tried before, and is not offered.
        (&["1 AUTHENTICATE CRAM-MD5\r\n2 LOGIN alice secret\r\n"], "9,CRAM-MD5,LOGIN.aa"),
        (&["1 NOOP\r\n"], "9,NOOP"),
        (&[], "-"),
    ] {
        assert_eq!(seen(Transport::Encrypted, said), format!("1;imap;-;-;{form};-"), "{said:?}");
    }
}

#[test]
fn the_port_makes_no_difference() {
    let encrypted = seen(Transport::Encrypted, &["1 ID (\"name\" \"Mail\")\r\n2 LOGIN alice secret\r\n"]);
    assert_eq!(encrypted, "1;imap;-;mail;9,ID,LOGIN.aa;-");
    for said in [
        &["1 ID (\"name\" \"Mail\")\r\n2 STARTTLS\r\n", "3 CAPABILITY\r\n4 LOGIN alice secret\r\n"][..],
        &["1 CAPABILITY\r\n2 STARTTLS\r\n", "3 ID (\"name\" \"Mail\")\r\n4 LOGIN alice secret\r\n"],
        &["1 ID (\"name\" \"Mail\")\r\n2 STARTTLS\r\n", "3 ID (\"name\" \"Mail\")\r\n4 LOGIN alice secret\r\n"],
    ] {
        assert_eq!(seen(CLEAR, said), encrypted, "{said:?}");
    }
}

#[test]
fn the_first_try_counts() {
    let first = seen(Transport::Encrypted, &["1 AUTHENTICATE PLAIN AGFsaWNlAHNlY3JldA==\r\n"]);
    let more = "1 AUTHENTICATE PLAIN AGFsaWNlAHNlY3JldA==\r\n2 ID (\"name\" \"Liar\")\r\n3 LOGIN alice secret\r\n";
    assert_eq!(seen(Transport::Encrypted, &[more]), first);
    assert_eq!(first, "1;imap;-;-;9,AUTHENTICATE.PLAIN.ir;-");
}

#[test]
fn nothing_of_the_credentials_is_kept() {
    let mut caller = Caller::new(Server::new(Transport::Encrypted), Answer::Refuse);
    caller.feed(b"1 LOGIN alice \"hunter2 \"\r\n");
    let text = format!("{:?}", caller.server.dialogue());
    assert!(!text.contains("hunter2") && !text.contains("alice"), "{text}");
}
