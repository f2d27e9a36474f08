//! The first commands after a sign-in: what goes on, and what is held.

use fingerprint::Signature;
use proptest::prelude::*;
use protocols::imap::{Flooded, Provisional};

use crate::caller::cut;

fn session() -> Provisional {
    Provisional::new(fingerprint::Dialogue::Imap(fingerprint::imap::Dialogue::default()))
}

/// What went on, whether the client is shown, how it looks, what is held.
fn fed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (String, bool, String, String) {
    let (mut session, mut on) = (session(), Vec::new());
    for piece in pieces {
        session.feed(piece, &mut on).unwrap();
    }
    let seen = Signature::new(None, &session.dialogue()).to_string();
    let text = |octets: &[u8]| octets.escape_ascii().to_string();
    (text(&on), session.is_shown(), seen, text(&session.release()))
}

#[test]
fn what_touches_no_mail_goes_on() {
    for (sent, on, held, seen) in [
        ("a NOOP\r\n", "a NOOP\\r\\n", "", "1;imap;-;-;any;NOOP"),
        ("1 capability\n", "1 capability\\r\\n", "", "1;imap;-;-;9;-"),
        (
            "1 ENABLE UTF8=ACCEPT\r\n2 NAMESPACE\r\n",
            "1 ENABLE UTF8=ACCEPT\\r\\n2 NAMESPACE\\r\\n",
            "",
            "1;imap;-;-;9;ENABLE,NAMESPACE",
        ),
        ("1 LOGOUT\r\n", "1 LOGOUT\\r\\n", "", "1;imap;-;-;9;LOGOUT"),
        ("1 ID (\"name\" \"Mail\")\r\n2 SEL", "1 ID (\"name\" \"Mail\")\\r\\n", "2 SEL", "1;imap;-;mail;9;ID"),
        ("1 ID NIL\r\n", "1 ID NIL\\r\\n", "", "1;imap;-;-;9;ID"),
    ] {
        let sent_on = on.replace("\"", "\\\"");
        assert_eq!(fed([sent.as_bytes()]), (sent_on, false, seen.into(), held.into()), "{sent}");
    }
}

#[test]
fn anything_else_shows_the_client_and_stays() {
    for (sent, seen) in [
        ("1 LIST \"\" \"*\"\r\n", "9;LIST.eW"),
        ("1 select INBOX\r\n", "9;select.a"),
        ("1 IDLE\r\n", "9;IDLE."),
        ("1 UID FETCH 1:* (FLAGS)\r\n", "9;UID.aap"),
        // A literal is announced: nobody has to send it for this.
        ("1 APPEND INBOX {300}\r\n", "9;APPEND.al"),
        ("1 APPEND INBOX {999999999}\r\n", "9;APPEND.al"),
        ("1 APPEND INBOX {300+}\r\nhalf of it", "9;APPEND.al"),
        ("1 LOGIN alice secret\r\n", "9;LOGIN.aa"),
        ("1 CHECK\r\n", "9;CHECK."),
        ("nonsense\r\n", "any;?."),
        ("\r\n", "any;?."),
        // What would be one line for us, and two for the server behind.
        ("1 NOOP\rb SELECT INBOX\r\n", "9;NOOP,NOOP.aaa"),
        ("1 NOOP {20+}\r\nb SELECT INBOX\r\n    \r\n", "9;NOOP,NOOP.l"),
        ("1 NOOP\0\r\n", "9;NOOP?."),
    ] {
        let (on, shown, looks, held) = fed([sent.as_bytes()]);
        assert_eq!((on.as_str(), shown, held), ("", true, sent.as_bytes().escape_ascii().to_string()), "{sent}");
        let seen = seen.replace("NOOP,", "");
        assert!(looks.ends_with(&format!(";-;{seen}")), "{sent}: {looks}");
    }
}

#[test]
fn text_that_looks_like_commands_is_no_command() {
    let message = "1 APPEND Drafts {48+}\r\n2 ID (\"name\" \"Thunderbird\")\r\n3 SELECT INBOX\r\nxx\r\n4 NOOP\r\n";
    let (on, shown, seen, held) = fed([message.as_bytes()]);
    assert_eq!((on.as_str(), shown, seen.as_str()), ("", true, "1;imap;-;-;9;APPEND.al"));
    assert_eq!(held, message.as_bytes().escape_ascii().to_string());
    // In an ID too: what it says is read, and all of it stays.
    let id = "1 ID (\"name\" {4+}\r\nMail \"x\" {17+}\r\n2 SELECT INBOX\r\n )\r\n";
    let (on, shown, seen, _) = fed([id.as_bytes()]);
    assert_eq!((on.as_str(), shown, seen.as_str()), ("", true, "1;imap;-;mail;9;ID.p"));
}

#[test]
fn who_names_itself_twice_is_both() {
    let twice = |second: &str| fed([format!("1 ID (\"name\" \"Mail\")\r\n2 ID {second}\r\n3 IDLE\r\n").as_bytes()]).2;
    assert_eq!(twice("(\"name\" \"Mail 2\")"), "1;imap;-;mail;9;ID,IDLE.");
    assert_eq!(twice("NIL"), "1;imap;-;mail;9;ID,IDLE.");
    assert_eq!(twice("(\"name\" \"Thunderbird\")"), "1;imap;-;mail+thunderbird;9;ID,IDLE.");
}

#[test]
fn nobody_waits_for_ever_and_nothing_is_held_without_end() {
    let noops = "1 NOOP\r\n".repeat(100);
    let (on, shown, ..) = fed([noops.as_bytes()]);
    assert!(shown && on.matches("NOOP").count() == 32);
    let long = format!("1 SEARCH {}", "x".repeat(9000));
    assert!(fed([long.as_bytes()]).1);
    let mut session = session();
    session.feed(b"1 LIST\r\n", &mut Vec::new()).unwrap();
    assert_eq!(session.feed(&[b'x'; 70_000], &mut Vec::new()), Err(Flooded));
}

fn piece() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        &b"1 NOOP\r\n"[..],
        b"2 CAPABILITY\n",
        b"3 ID (\"name\" \"x\" \"version\" NIL)\r\n",
        b"4 ID ({4}\r\nname {1+}\r\nx)\r\n",
        b"5 ID (\"name\" {4+}\r\nMail)\r\n",
        b"6 APPEND x {3+}\r\n7 S\r\n",
        b"7 LIST (a \"",
        b"8 ENABLE {3+}\r\nabc\r\n",
        b"9 SELECT \"In box\"\r\n",
        b"{4097+}\r\n",
        b"\r\n",
        b"10 NAMESPACE\r\n",
    ])
    .prop_map(<[u8]>::to_vec);
    prop_oneof![
        8 => known,
        1 => prop::collection::vec(any::<u8>(), 0..40),
        1 => (8180usize..8200).prop_map(|n| vec![b'x'; n]),
    ]
}

proptest! {
    #[test]
    fn what_is_seen_does_not_depend_on_how_it_was_cut(
        pieces in prop::collection::vec(piece(), 0..7),
        sizes in prop::collection::vec(1usize..64, 1..16),
    ) {
        let input = pieces.concat();
        prop_assume!(input.len() < 60_000);
        let whole = fed([&input[..]]);
        prop_assert_eq!(&fed(input.chunks(1)), &whole);
        prop_assert_eq!(&fed(cut(&input, &sizes)), &whole);
        // Lines that go on are whole, and touch no mail.
        for line in whole.0.split_terminator("\\r\\n") {
            let verb = line.split(' ').nth(1).unwrap_or_default().to_ascii_uppercase();
            prop_assert!(["CAPABILITY", "ID", "NOOP", "ENABLE", "NAMESPACE", "LOGOUT"].contains(&&*verb), "{}", line);
        }
    }
}
