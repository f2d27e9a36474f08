//! What holds for every input and every way it is cut.

use proptest::prelude::*;
use protocols::{
    ClientSide as _, Transport,
    smtp::{Extensions, Senders, Session, client::Client, client::Handover},
};

use super::server::server;
use crate::caller::{Answer, Caller, acting};

/// Whole commands, halves of them, and noise.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        &b"EHLO laptop\r\n"[..],
        b"HELO x\n",
        b"NOOP\r\n",
        b"AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n",
        b"AUTH PLAIN\r\n",
        b"AGFsaWNlAHNlY3JldA==\r\n",
        b"AUTH LOGIN\r\nYWxpY2U=\r\nc2VjcmV0\r\n",
        b"*\r\n",
        b"MAIL FROM:<a@example.org> SIZE=7\r\n",
        b"RCPT TO:<b@example.org>\r\n",
        b"DATA\r\n",
        b".\r\n",
        b"\n.\n",
        b"\r\n.\r\n",
        b"BDAT 7\r\n",
        b"XCLIENT LOGIN=bob\r\n",
        b"STARTTLS\r\n",
        b"\r",
    ])
    .prop_map(<[u8]>::to_vec);
    prop_oneof![8 => known, 1 => prop::collection::vec(any::<u8>(), 0..40)]
}

fn input() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(piece(), 0..24).prop_map(|pieces| pieces.concat())
}

/// The sign-ins, what was said, and whether it is over.
fn dialogue<'a>(answer: Answer, chunks: impl Iterator<Item = &'a [u8]>) -> (Vec<String>, String, bool) {
    let mut caller = Caller::new(server(Transport::Encrypted), answer);
    for chunk in chunks {
        caller.feed(chunk);
    }
    let secrets = caller.sign_ins.iter().map(|credentials| credentials.password.to_string()).collect();
    (secrets, caller.said(), caller.closed)
}

/// A server behind that answers every line that it is sent, and takes every message.
#[derive(Default)]
struct Behind {
    seen: Vec<u8>,
    commands: Vec<String>,
    in_message: bool,
    chunk: usize,
}

impl Behind {
    /// What it answers. It ends messages at any dot alone between any line ends.
    fn take(&mut self, octets: &[u8]) -> Vec<u8> {
        let mut answers = Vec::new();
        self.seen.extend_from_slice(octets);
        loop {
            if self.chunk > 0 {
                let count = self.chunk.min(self.seen.len());
                self.seen.drain(..count);
                self.chunk -= count;
            }
            let Some(end) = self.seen.iter().position(|octet| matches!(octet, b'\r' | b'\n')) else { break };
            if self.seen[end] == b'\r' && self.seen.len() == end + 1 {
                break;
            }
            let line: Vec<u8> = self.seen.drain(..=end).collect();
            if line.ends_with(b"\r") && self.seen.first() == Some(&b'\n') {
                self.seen.remove(0);
            }
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if self.in_message {
                if line == "." {
                    self.in_message = false;
                    answers.extend_from_slice(b"250 taken\r\n");
                }
                continue;
            }
            match line.to_ascii_uppercase().split(' ').next().unwrap_or_default() {
                "DATA" => {
                    self.in_message = true;
                    answers.extend_from_slice(b"354 go\r\n");
                }
                "BDAT" => {
                    self.chunk = line[5..].split(' ').next().unwrap().parse().unwrap();
                    answers.extend_from_slice(b"250 chunk\r\n");
                }
                _ => answers.extend_from_slice(b"250 ok\r\n"),
            }
            self.commands.push(line);
        }
        answers
    }
}

proptest! {
    #[test]
    fn events_do_not_depend_on_how_the_octets_were_cut(input in input(), size in 1usize..32) {
        for answer in [Answer::Refuse, Answer::Later] {
            let whole = dialogue(answer, std::iter::once(&input[..]));
            prop_assert_eq!(dialogue(answer, input.chunks(size)), whole);
        }
    }

    #[test]
    fn nothing_sent_in_the_clear_ever_signs_in(before in input(), after in input(), size in 1usize..32) {
        let mut caller = Caller::new(server(Transport::Plain { starttls: true }), Answer::Refuse);
        for chunk in [&before[..], b"\r\nSTARTTLS\r\n", &after].concat().chunks(size) {
            caller.feed(chunk);
        }
        prop_assert!(caller.sign_ins.is_empty());
    }

    /// Whatever a client sends, in whatever pieces, the server behind reads no
    /// command that was not let pass: it and we agree on what is text.
    #[test]
    fn nobody_becomes_somebody_else(input in input(), size in 1usize..32) {
        let mut session = Session::new(Extensions::read(["CHUNKING"]), Senders::Any);
        let mut behind = Behind::default();
        for chunk in input.chunks(size) {
            let (mut up, mut down) = (Vec::new(), Vec::new());
            if session.client(chunk, &mut up, &mut down).is_err() {
                break;
            }
            while !up.is_empty() {
                let answers = behind.take(&std::mem::take(&mut up));
                session.upstream(&answers, &mut up, &mut down).unwrap();
            }
        }
        for command in behind.commands {
            let verb = command.split(' ').next().unwrap_or_default().to_ascii_uppercase();
            prop_assert!(
                ["EHLO", "HELO", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "NOOP", "VRFY", "EXPN", "HELP", "QUIT"].contains(&&*verb),
                "{command:?}"
            );
        }
    }

    #[test]
    fn no_octets_make_the_client_panic(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20)) {
        let mut client = Client::new("postern", &Handover::Authenticate(acting("alice", "postern", "master"))).unwrap();
        for chunk in [&b"220 x\r\n"[..]].into_iter().chain(chunks.iter().map(Vec::as_slice)) {
            client.feed(chunk);
            while client.next_event().is_some() {}
        }
    }
}
