//! The first message of a client that is not known yet.

use fingerprint::Signature;
use proptest::prelude::*;
use protocols::{
    ServerSide as _, Transport,
    smtp::{Extensions, Senders, Session},
};

use super::server::server;
use crate::caller::{Answer, Caller, cut};

const HEADER: &str = "Date: now\r\nFrom: alice@example.org\r\nReferences: <a>\r\n <b@c>\r\nsubject: x\r\n\
                      Message-ID: <20261124030511.x@vm>\r\nUser-Agent: Mutt/2.2.12 (2023)\r\n";

struct Held {
    session: Session,
    up: Vec<u8>,
    down: Vec<u8>,
}

impl Held {
    /// A client that has signed in.
    fn new() -> Self {
        let mut caller = Caller::new(server(Transport::Encrypted), Answer::Later);
        caller.feed(b"EHLO [192.0.2.7]\r\nAUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n");
        assert_eq!(caller.sign_ins.len(), 1);
        let extensions = Extensions::read(["PIPELINING", "CHUNKING"]);
        let session = Session::provisional(extensions, Senders::Any, caller.server.dialogue());
        Self { session, up: Vec::new(), down: Vec::new() }
    }

    fn client(&mut self, octets: &[u8]) -> String {
        self.session.client(octets, &mut self.up, &mut self.down).unwrap();
        self.went_on()
    }

    fn upstream(&mut self, octets: &[u8]) {
        self.session.upstream(octets, &mut self.up, &mut self.down).unwrap();
    }

    fn release(&mut self) -> String {
        self.session.release(&mut self.up, &mut self.down).unwrap();
        self.went_on()
    }

    fn went_on(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.up)).unwrap()
    }

    /// Up to the message.
    fn data() -> Self {
        let mut held = Self::new();
        let commands = "mail FROM:<alice@example.org> BODY=8BITMIME size=7\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n";
        assert_eq!(held.client(commands.as_bytes()), commands.replace("mail", "MAIL"));
        held.upstream(b"250 ok\r\n250 ok\r\n354 go\r\n");
        held
    }

    fn looks(&self) -> String {
        Signature::new(None, &self.session.dialogue().unwrap()).to_string()
    }
}

const LOOKS: &str = "1;submission;-;mutt;EHLO.addr,AUTH.PLAIN.ir,mail.size;DFsIU.d";

#[test]
fn the_header_is_held_until_it_is_whole() {
    let mut held = Held::data();
    assert_eq!(held.client(HEADER.as_bytes()), "");
    assert!(!held.session.is_shown() && held.session.listens());
    assert_eq!(held.client(b"\r\nhello"), "");
    assert!(held.session.is_shown() && !held.session.listens());
    assert_eq!(held.looks(), LOOKS);
    // What comes behind it meanwhile waits too.
    assert_eq!(held.client(b" there\r\n.\r\nNOOP\r\n"), "");
    assert_eq!(held.release(), format!("{HEADER}\r\nhello there\r\n.\r\nNOOP\r\n"));
    assert!(held.session.dialogue().is_none() && held.session.listens());
    assert_eq!(held.client(b"QUIT\r\n"), "QUIT\r\n");
}

#[test]
fn a_message_shows_its_client_whatever_it_is() {
    for (message, opening) in [
        (".\r\n", "-"),
        ("\r\nFrom: text\r\n.\r\n", "-"),
        ("no header\r\n", "-"),
        ("Subject: x\r\n.\r\n", "S"),
        ("From: a\nTo: b\n\nlone line ends\r\n", "FT"),
        ("From : a\r\nX-From: b\r\nFrom: again\r\n\r\n", "F"),
    ] {
        let mut held = Held::data();
        assert_eq!(held.client(message.as_bytes()), "", "{message}");
        assert!(held.session.is_shown(), "{message}");
        assert_eq!(held.looks().rsplit(';').next(), Some(opening), "{message}");
    }
    let mut held = Held::data();
    while !held.session.is_shown() {
        assert_eq!(held.client(&b"X-Long: and longer\r\n".repeat(100)), "");
    }
    assert!(held.release().len() < 70_000);
}

#[test]
fn chunks_are_held_until_their_answer_is_waited_for() {
    let mut held = Held::new();
    let commands = "MAIL FROM:<alice@example.org>\r\nRCPT TO:<bob@example.org>\r\n";
    held.client(commands.as_bytes());
    held.upstream(b"250 ok\r\n250 ok\r\n");
    assert_eq!(held.client(b"BDAT 19\r\nFrom: a\r\n"), "BDAT 19\r\n");
    assert!(!held.session.is_shown());
    // The client waits for an answer now, and the server behind for the octets.
    assert_eq!(held.client(b"Subject: x"), "");
    assert!(held.session.is_shown());
    assert_eq!(held.client(b"BDAT 1 LAST\r\nx"), "");
    assert_eq!(held.release(), "From: a\r\nSubject: xBDAT 1 LAST\r\nx");
}

#[test]
fn nothing_is_held_of_who_sends_nothing() {
    let mut held = Held::new();
    for command in ["NOOP\r\n", "RSET\r\n", "MAIL FROM:<>\r\n", "RSET\r\n", "QUIT\r\n"] {
        assert_eq!(held.client(command.as_bytes()), command);
    }
    assert!(!held.session.is_shown());
    // DATA that is not taken is no message.
    let mut held = Held::new();
    held.client(b"DATA\r\n");
    held.upstream(b"503 no\r\n");
    assert_eq!(held.client(b"NOOP\r\n"), "NOOP\r\n");
}

proptest! {
    #[test]
    fn what_goes_on_does_not_depend_on_how_it_was_cut(
        body in prop::collection::vec(prop::sample::select(b"\r\n.a:".to_vec()), 0..40),
        sizes in prop::collection::vec(1usize..64, 1..16),
        headed in any::<bool>(),
    ) {
        let header = if headed { format!("{HEADER}\r\n") } else { String::new() };
        let message = [header.as_bytes(), &body, b"\r\n.\r\nNOOP\r\n"].concat();
        let run = |pieces: &mut dyn Iterator<Item = &[u8]>| {
            let mut held = Held::data();
            let mut on = String::new();
            for piece in pieces {
                on.push_str(&held.client(piece));
            }
            let seen = held.looks();
            prop_assert!(held.session.is_shown() && on.is_empty());
            on.push_str(&held.release());
            Ok((seen, on))
        };
        let whole = run(&mut std::iter::once(&message[..]))?;
        prop_assert_eq!(&run(&mut message.chunks(1))?, &whole);
        prop_assert_eq!(&run(&mut cut(&message, &sizes))?, &whole);
        if headed {
            prop_assert_eq!(whole.0, LOOKS);
        }
    }
}
