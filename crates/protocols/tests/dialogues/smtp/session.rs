//! What passes in a session, and what does not.

use protocols::smtp::{Broken, Extensions, Senders, Session};

/// A session with what goes either way.
struct Passing {
    session: Session,
    up: Vec<u8>,
    down: Vec<u8>,
}

impl Passing {
    fn new(senders: Senders) -> Self {
        let extensions = Extensions::read(["PIPELINING", "CHUNKING"]);
        Self { session: Session::new(extensions, senders), up: Vec::new(), down: Vec::new() }
    }

    /// What the server behind gets of it.
    fn client(&mut self, octets: &[u8]) -> String {
        self.session.client(octets, &mut self.up, &mut self.down).unwrap();
        String::from_utf8(std::mem::take(&mut self.up)).unwrap()
    }

    /// What the client gets of it.
    fn upstream(&mut self, octets: &[u8]) -> String {
        self.session.upstream(octets, &mut self.up, &mut self.down).unwrap();
        self.said()
    }

    fn said(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.down)).unwrap()
    }
}

fn any() -> Passing {
    Passing::new(Senders::Any)
}

#[test]
fn what_would_make_it_somebody_elses_stays_here() {
    for (command, code) in [
        ("XCLIENT LOGIN=bob", "502"),
        ("xclient login=bob", "502"),
        (" XCLIENT LOGIN=bob", "502"),
        ("XFORWARD ADDR=192.0.2.7", "502"),
        ("AUTH PLAIN AGJvYgBib2I=", "503"),
        ("STARTTLS", "503"),
        ("ETRN example.org", "502"),
        ("BURL imap://x", "502"),
        ("DATA now", "502"),
        ("NOOP\rXCLIENT LOGIN=bob", "500"),
        ("NOOP\0", "500"),
        ("", "502"),
    ] {
        let mut passing = any();
        assert_eq!(passing.client(format!("{command}\r\n").as_bytes()), "", "{command:?}");
        assert!(passing.said().starts_with(code), "{command:?}");
    }
}

#[test]
fn answers_come_in_the_order_of_the_questions() {
    let mut passing = any();
    let up =
        passing.client(b"MAIL FROM:<a@example.org>\r\nXCLIENT LOGIN=bob\r\nRCPT TO:<b@example.org>\nAUTH PLAIN\r\n");
    assert_eq!(up, "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\n");
    assert_eq!(passing.said(), "");
    assert_eq!(passing.upstream(b"250 2.1.0 "), "");
    let said = passing.upstream(b"Ok\r\n");
    assert_eq!(said, "250 2.1.0 Ok\r\n502 5.5.1 This command is unknown here.\r\n");
    assert_eq!(passing.upstream(b"250-one\r\n250 two\r\n"), "250-one\r\n250 two\r\n503 5.5.1 Signed in already.\r\n");
}

#[test]
fn a_message_begins_when_the_server_behind_says_so() {
    // Sent ahead of the answer, as no client should: commands if the answer is no.
    let ahead = b"DATA\r\nXCLIENT LOGIN=bob\r\n.\r\nNOOP\r\n";
    let mut passing = any();
    assert_eq!(passing.client(ahead), "DATA\r\n");
    assert!(!passing.session.listens());
    assert_eq!(passing.upstream(b"354 go\r\n"), "354 go\r\n");
    assert_eq!(std::mem::take(&mut passing.up), b"XCLIENT LOGIN=bob\r\n.\r\nNOOP\r\n");
    assert!(passing.session.listens());

    let mut passing = any();
    assert_eq!(passing.client(ahead), "DATA\r\n");
    let said = passing.upstream(b"503 no\r\n");
    assert_eq!(said.matches("502 5.5.1").count(), 2, "{said}");
    assert_eq!(std::mem::take(&mut passing.up), b"NOOP\r\n");
}

#[test]
fn chunks_are_counted() {
    let mut passing = any();
    let up = passing.client(b"BDAT 19\r\nXCLIENT LOGIN=bob\r\nBDAT 4 LAST\r\na\n.\nXCLIENT LOGIN=eve\r\n");
    assert_eq!(up, "BDAT 19\r\nXCLIENT LOGIN=bob\r\nBDAT 4 LAST\r\na\n.\n");
    assert_eq!(passing.upstream(b"250 one\r\n250 two\r\n").lines().last().map(|line| &line[..3]), Some("502"));
    for bad in ["BDAT", "BDAT x", "BDAT 4 FIRST", "BDAT  4"] {
        let (mut session, mut up) = (any().session, Vec::new());
        let broken = session.client(format!("{bad}\r\nNOOP\r\n").as_bytes(), &mut up, &mut Vec::new());
        assert_eq!((broken, up), (Err(Broken::Chunk), Vec::new()), "{bad}");
    }
    let mut without = Session::new(Extensions::default(), Senders::Any);
    let broken = without.client(b"BDAT 4 LAST\r\n", &mut Vec::new(), &mut Vec::new());
    assert_eq!(broken, Err(Broken::Chunk));
}

#[test]
fn what_the_server_behind_can_do_is_told_in_our_words() {
    let mut passing = any();
    assert_eq!(passing.client(b"ehlo laptop\r\n"), "ehlo laptop\r\n");
    let behind =
        b"250-mail\r\n250-CHUNKING\r\n250-AUTH PLAIN\r\n250-STARTTLS\r\n250-PIPELINING\r\n250 XCLIENT LOGIN\r\n";
    assert_eq!(passing.upstream(behind), "250-mail\r\n250-PIPELINING\r\n250 CHUNKING\r\n");
    assert_eq!(passing.client(b"EHLO laptop\r\n"), "EHLO laptop\r\n");
    assert_eq!(passing.upstream(b"421 bye\r\n"), "421 bye\r\n");
}

#[test]
fn senders_are_the_accounts_own_where_that_is_asked() {
    let mut passing = Passing::new(Senders::Only(["alice@example.org".into(), "a@example.com".into()].into()));
    for (sender, passes) in [
        ("<alice@example.org>", true),
        ("<Alice+lists@EXAMPLE.org> SIZE=7", true),
        ("<a@example.com>", true),
        ("<>", true),
        ("<bob@example.org>", false),
        ("<alice@example.org.evil.example>", false),
        ("<@relay.example:alice@example.org>", false),
        ("<\"alice\"@example.org>", false),
        ("<+alice@example.org>", false),
        ("<alice>", false),
        ("alice@example.org", false),
        ("<alice@example.org", false),
    ] {
        let up = passing.client(format!("MAIL FROM:{sender}\r\n").as_bytes());
        assert_eq!(!up.is_empty(), passes, "{sender}");
        if passes {
            passing.upstream(b"250 ok\r\n");
        } else {
            assert!(passing.said().starts_with('5'), "{sender}");
        }
    }
}

#[test]
fn on_whose_behalf_is_not_the_clients_to_say() {
    let up = any().client(b"MAIL FROM:<a@example.org> BODY=8BITMIME auth=<bob@example.org> SIZE=7\r\n");
    assert_eq!(up, "MAIL FROM:<a@example.org> BODY=8BITMIME SIZE=7\r\n");
}

#[test]
fn patience_ends() {
    let (mut session, mut up, mut down) = (any().session, Vec::new(), Vec::new());
    assert_eq!(session.client(&[b'x'; 9000], &mut up, &mut down), Err(Broken::Line));
    let mut session = any().session;
    assert_eq!(session.upstream(&[b'2'; 9000], &mut up, &mut down), Err(Broken::Upstream));
    assert_eq!(any().session.upstream(b"hello\r\n", &mut up, &mut down), Err(Broken::Upstream));

    let mut passing = any();
    passing.client(&b"NOOP\r\n".repeat(512));
    assert!(!passing.session.listens());
    passing.upstream(b"250 ok\r\n");
    assert!(passing.session.listens());
}
