//! Real clients, as recorded, sign in to our server.

use crate::{
    caller::{Answer, Caller},
    recording::Recording,
};
use protocols::imap::Server;

#[test]
fn each_client_signs_in_as_it_did_when_recorded() {
    let table: [(&str, &str); 11] = [
        ("alpine_imap-starttls_run1_00018", "PLAIN"),
        ("curl-nocap_imaps_run1_02001", "PLAIN"),
        ("evolution_imaps_run1_00019", "PLAIN"),
        ("imapflow_imaps_run1_00031", "PLAIN"),
        ("imapflow-old_imap-starttls_run1_00036", "command"),
        ("imaplib_imap-starttls_run1_00022", "command"),
        ("mbsync_imaps_run1_00001", "PLAIN"),
        ("mutt_imap-starttls_run1_00009", "PLAIN"),
        ("offlineimap_imap-starttls_run1_00017", "PLAIN"),
        ("thunderbird140_imap-starttls_run1_01068", "PLAIN"),
        ("thunderbird_imaps_run1_01001", "PLAIN"),
    ];
    for (name, mechanism) in table {
        let recording = Recording::read(name);
        let mut caller = Caller::new(Server::new(recording.transport()), Answer::Later);
        let mut chunks = recording.chunks.iter();
        while caller.sign_ins.is_empty() {
            caller.feed(chunks.next().expect(name).as_bytes());
            if caller.awaits_tls {
                caller.tls_started();
            }
        }
        assert_eq!(caller.secrets(), [("alice", "app-pass-0001")], "{name}");
        assert_eq!(caller.sign_ins[0].mechanism.name(), mechanism, "{name}");
        assert!(!caller.sign_ins[0].acts_for_another(), "{name}");
        for word in [" BAD", " NO ", "BYE"] {
            assert!(!caller.sent.contains(word), "{name}: {}", caller.sent);
        }
        // What follows goes on to the server behind, untouched.
        let rest: String = chunks.map(String::as_str).collect();
        caller.feed(rest.as_bytes());
        assert_eq!(caller.admit().unwrap().pipelined, rest.as_bytes(), "{name}");
    }
}

#[test]
fn clients_that_name_themselves_are_known_by_name() {
    for (name, product) in
        [("imapflow_imaps_run1_00031", "imapflow"), ("offlineimap_imap-starttls_run1_00017", "OfflineIMAP")]
    {
        let recording = Recording::read(name);
        let mut caller = Caller::new(Server::new(recording.transport()), Answer::Later);
        let mut seen = None;
        for chunk in &recording.chunks {
            caller.feed(chunk.as_bytes());
            seen = seen.or(caller.server.client_id().and_then(|id| id.get("name")).map(str::to_owned));
            if caller.awaits_tls || !caller.sign_ins.is_empty() {
                break;
            }
        }
        assert_eq!(seen.as_deref(), Some(product));
    }
}

/// Claws Mail and neomutt work through the mechanisms with one wrong password.
#[test]
fn clients_that_fall_back_are_let_finish() {
    for (name, mechanisms) in [
        ("claws-mail-badpw_imaps_run1_01144", ["PLAIN", "LOGIN", "command"]),
        ("neomutt-badpw_imaps_run1_01122", ["PLAIN", "PLAIN", "command"]),
    ] {
        let recording = Recording::read(name);
        let mut caller = Caller::new(Server::new(recording.transport()), Answer::Refuse);
        for chunk in &recording.chunks {
            caller.feed(chunk.as_bytes());
        }
        assert_eq!(caller.secrets(), [("alice", "wrong-pass"); 3], "{name}");
        let seen: Vec<_> = caller.sign_ins.iter().map(|c| c.mechanism.name()).collect();
        assert_eq!(seen, mechanisms, "{name}");
        assert_eq!(caller.sent.matches("NO [AUTHENTICATIONFAILED]").count(), 3, "{name}");
        assert!(!caller.closed, "{name}");
    }
}
