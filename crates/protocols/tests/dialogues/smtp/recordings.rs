//! Real clients, as recorded, sign in to our server and send their mail.

use protocols::smtp::{Extensions, Senders, Session};

use super::server::server;
use crate::{
    caller::{Answer, Caller},
    recording::Recording,
};

#[test]
fn each_client_signs_in_and_sends_as_it_did_when_recorded() {
    for (name, mechanism) in [
        ("alpine_smtps_run1_00121", "PLAIN"),
        ("claws-mail_submission-starttls_run1_01076", "LOGIN"),
        ("curl_smtps_run1_00004", "PLAIN"),
        ("msmtp_smtps_run1_00025", "PLAIN"),
        ("mutt_smtps_run1_00010", "PLAIN"),
        ("nodemailer_smtps_run1_00029", "PLAIN"),
        ("swaks_submission-starttls_run1_00028", "LOGIN"),
        ("thunderbird_smtps_run1_01016", "PLAIN"),
        ("thunderbird140_submission-starttls_run1_01070", "PLAIN"),
    ] {
        let recording = Recording::read(name);
        let mut caller = Caller::new(server(recording.transport()), Answer::Later);
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
        assert!(!caller.sent.lines().any(|line| line.starts_with('5')), "{name}: {}", caller.sent);

        let mut session = Session::new(Extensions::default(), Senders::Any);
        let (mut up, mut down) = (Vec::new(), Vec::new());
        for chunk in chunks {
            session.client(chunk.as_bytes(), &mut up, &mut down).unwrap();
            if !session.listens() {
                session.upstream(b"250 ok\r\n250 ok\r\n354 go\r\n", &mut up, &mut down).unwrap();
            }
        }
        let up = String::from_utf8(up).unwrap();
        assert_eq!((up.matches("DATA\r\n").count(), up.matches("\r\n.\r\n").count()), (1, 1), "{name}: {up}");
        assert!(!String::from_utf8(down).unwrap().contains("502"), "{name}");
    }
}
