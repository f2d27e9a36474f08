//! A recorded client meets our decoders: what they see of it.

use bytes::BytesMut;
use fingerprint::{Dialogue, Protocol, Signature};
use protocols::{Event, ServerSide, Transport, http::head, imap, smtp};

use crate::capture::Capture;

/// The signatures of a connection, in the order in which it would be judged: one,
/// or one for each request that signs in. Empty if nobody did.
pub(crate) fn signatures(capture: &Capture) -> Vec<Signature> {
    let family = capture.hello().map(|hello| hello.family());
    dialogues(capture).iter().map(|dialogue| Signature::new(family.as_ref(), dialogue)).collect()
}

pub(crate) fn dialogues(capture: &Capture) -> Vec<Dialogue> {
    match capture.protocol() {
        Protocol::Imap => imap(capture).into_iter().collect(),
        Protocol::Submission => submission(capture).into_iter().collect(),
        Protocol::Http => http(capture),
        other => panic!("{} has no recordings", other.name()),
    }
}

/// What is left of the recording once somebody signed in, and what was seen until then.
fn sign_in<S: ServerSide>(capture: &Capture, mut server: S) -> Option<(Dialogue, Vec<&str>)> {
    let mut chunks = capture.chunks.iter();
    while let Some(chunk) = chunks.next() {
        server.feed(chunk.as_bytes());
        while let Some(event) = server.next_event() {
            match event {
                Event::StartTls => server.tls_started(),
                Event::SignIn(_) => {
                    let dialogue = server.dialogue();
                    // Recordings go on as clients do that were let in.
                    let rest: Vec<&str> = chunks.map(String::as_str).collect();
                    return Some((dialogue, if capture.variant == "badpw" { Vec::new() } else { rest }));
                }
                Event::Send(_) => {}
                Event::Close => return None,
            }
        }
    }
    None
}

fn imap(capture: &Capture) -> Option<Dialogue> {
    let (dialogue, rest) = sign_in(capture, imap::Server::new(capture.transport()))?;
    let mut session = imap::Provisional::new(dialogue);
    for chunk in rest {
        session.feed(chunk.as_bytes(), &mut Vec::new()).unwrap();
        if session.is_shown() {
            break;
        }
    }
    Some(session.dialogue())
}

fn submission(capture: &Capture) -> Option<Dialogue> {
    let extensions =
        || smtp::Extensions::read(["PIPELINING", "SIZE 30000000", "ENHANCEDSTATUSCODES", "8BITMIME", "CHUNKING"]);
    let (dialogue, rest) = sign_in(capture, smtp::Server::new(capture.transport(), "localhost", extensions()))?;
    let mut session = smtp::Session::provisional(extensions(), smtp::Senders::Any, dialogue);
    for chunk in rest {
        let (mut up, mut down) = (Vec::new(), Vec::new());
        session.client(chunk.as_bytes(), &mut up, &mut down).unwrap();
        // The server behind answers what it hears.
        while !up.is_empty() && !session.is_shown() {
            let heard = std::mem::take(&mut up);
            for line in heard.split_inclusive(|octet| *octet == b'\n') {
                let answer: &[u8] = if line.eq_ignore_ascii_case(b"DATA\r\n") { b"354 go\r\n" } else { b"250 ok\r\n" };
                session.upstream(answer, &mut up, &mut down).unwrap();
            }
        }
        if session.is_shown() {
            break;
        }
    }
    session.dialogue()
}

fn http(capture: &Capture) -> Vec<Dialogue> {
    assert_eq!(capture.transport(), Transport::Encrypted);
    let mut heard = BytesMut::from(capture.chunks.concat().as_bytes());
    let mut seen = Vec::new();
    while let Some(asked) = head::request(&mut heard).unwrap() {
        if asked.parts.headers.contains_key("authorization") {
            seen.push(asked.seen);
        }
        let mut body = asked.body;
        while body.take(&mut heard).unwrap().is_some() {}
    }
    seen
}
