//! What is tried on any octets, a function for each parser. cargo-fuzz runs them
//! (`fuzz/targets`), and `crates/protocols/tests/replay.rs` runs them on all seeds.
//!
//! The first octet of an input says how the rest is cut: 0 not at all, else into
//! pieces of so many octets.

use bytes::BytesMut;
use fingerprint::{
    Signature,
    tls::{ClientHello, NotAHello},
};
use protocols::{
    ClientSide, Event, ServerSide, Transport,
    handover::{self, ActingAs},
    http, imap, pop3,
    sasl::{Exchange, Mechanism, Step},
    sieve, smtp,
};

/// A parser's name, and what is tried on it.
pub type Target = (&'static str, fn(&[u8]));

/// All of them, by the names of their folders of seeds.
pub const ALL: [Target; 16] = [
    ("imap_server", imap_server),
    ("imap_client", imap_client),
    ("pop3_server", pop3_server),
    ("pop3_client", pop3_client),
    ("sieve_server", sieve_server),
    ("sieve_client", sieve_client),
    ("smtp_server", smtp_server),
    ("smtp_client", smtp_client),
    ("smtp_session", smtp_session),
    ("sasl", sasl),
    ("basic", basic),
    ("http_path", http_path),
    ("http_messages", http_messages),
    ("dav", dav),
    ("client_hello", client_hello),
    ("imap_provisional", imap_provisional),
];

pub fn imap_server(input: &[u8]) {
    server(input, imap::Server::new);
}

pub fn pop3_server(input: &[u8]) {
    server(input, pop3::Server::new);
}

pub fn sieve_server(input: &[u8]) {
    server(input, |transport| sieve::Server::new(transport, sieve::Shown::of("\"SIEVE\" \"fileinto\"")));
}

pub fn smtp_server(input: &[u8]) {
    let extensions = || smtp::Extensions::read(["PIPELINING", "SIZE 7", "CHUNKING"]);
    server(input, |transport| smtp::Server::new(transport, "mail.example.org", extensions()));
}

/// What somebody sees of a server.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    sent: Vec<u8>,
    secrets: Vec<(String, String)>,
    closed: bool,
    looks: String,
}

/// The same comes of the same octets however they are cut, and nobody signs in
/// in the clear.
fn server<S: ServerSide>(input: &[u8], new: impl Fn(Transport) -> S) {
    let (octets, pieces) = cut(input);
    let whole = dialogue(new(Transport::Encrypted), &[octets]);
    assert_eq!(dialogue(new(Transport::Encrypted), &pieces), whole);
    let clear = dialogue(new(Transport::Plain { starttls: true }), &pieces);
    assert!(clear.secrets.is_empty(), "signed in in the clear");
    for seen in [whole, clear] {
        assert!(seen.sent.is_empty() || seen.sent.ends_with(b"\r\n"), "half a line");
    }
}

fn dialogue(mut server: impl ServerSide, pieces: &[&[u8]]) -> Seen {
    let mut seen = Seen::default();
    for piece in pieces {
        server.feed(piece);
        while let Some(event) = server.next_event() {
            assert!(!seen.closed, "something after the end: {event:?}");
            match event {
                Event::Send(octets) => seen.sent.extend(octets),
                Event::StartTls => {}
                Event::SignIn(credentials) => {
                    seen.secrets.push((credentials.authcid.clone(), credentials.password.to_string()));
                    seen.sent.extend(server.refuse("no"));
                }
                Event::Close => seen.closed = true,
            }
        }
    }
    seen.looks = Signature::new(None, &server.dialogue()).to_string();
    seen
}

pub fn imap_client(input: &[u8]) {
    client(input, |acting| imap::client::Client::new(&acting, FROM).ok());
}

pub fn pop3_client(input: &[u8]) {
    client(input, |acting| pop3::client::Client::new(&acting, FROM).ok());
}

pub fn sieve_client(input: &[u8]) {
    client(input, |acting| sieve::client::Client::new(&acting, FROM).ok());
    client(input, |_| Some(sieve::client::Greeting::new()));
    let _ = sieve::Shown::of(&String::from_utf8_lossy(input));
}

pub fn smtp_client(input: &[u8]) {
    client(input, |acting| {
        smtp::client::Client::new("mail.example.org", &smtp::client::Handover::Authenticate(acting)).ok()
    });
}

const FROM: std::net::SocketAddr =
    std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7)), 4711);

/// There is one outcome and nothing after it; a server that hangs up is an outage.
fn client<C: ClientSide>(input: &[u8], new: impl Fn(ActingAs<'static>) -> Option<C>) {
    let acting = ActingAs { person: "alice@example.org", master: "postern", password: "master", separator: None };
    let Some(mut client) = new(acting) else { return };
    let mut over = false;
    for piece in cut(input).1 {
        client.feed(piece);
        while let Some(event) = client.next_event() {
            assert!(!over, "something after the outcome");
            over = !matches!(event, handover::Event::Send(_));
        }
    }
    let _ = client.closed();
}

/// Whatever is read of a hello, it is read of no less, and reads back.
pub fn client_hello(input: &[u8]) {
    let Ok(hello) = ClientHello::read(input) else { return };
    assert_eq!(hello.family().to_string().parse(), Ok(hello.family()));
    if let Some(name) = hello.server_name() {
        assert!(!name.ends_with('.') && !name.contains(|c: char| c.is_ascii_uppercase()));
        // Records may cut it in two; the letters are there all the same.
        assert!(name.bytes().all(|octet| input.iter().any(|there| there.to_ascii_lowercase() == octet)));
    }
    assert_eq!(hello.ja4().len(), 36);
    assert_eq!(hello.ja4()[..10], hello.ja4_r()[..10]);
    // Where it ends, it ended: nothing behind it was used, and before it there is none.
    let whole = (0..=input.len()).find(|cut| ClientHello::read(&input[..*cut]) != Err(NotAHello::Incomplete));
    assert_eq!(whole.map(|cut| ClientHello::read(&input[..cut])), Some(Ok(hello)));
}

/// What goes on touches no mail, and neither it nor what is seen depends on the cut.
pub fn imap_provisional(input: &[u8]) {
    let (octets, pieces) = cut(input);
    if octets.len() > 32 * 1024 {
        return;
    }
    let run = |pieces: &[&[u8]]| {
        let seen = fingerprint::imap::Dialogue::default();
        let mut session = imap::Provisional::new(fingerprint::Dialogue::Imap(seen));
        let mut on = Vec::new();
        for piece in pieces {
            session.feed(piece, &mut on).expect("it is little enough");
        }
        let looks = Signature::new(None, &session.dialogue());
        assert_eq!(looks.to_string().parse().as_ref(), Ok(&looks));
        (on, session.is_shown(), looks, session.release())
    };
    let whole = run(&[octets]);
    assert_eq!(run(&pieces), whole);
    for line in whole.0.split_inclusive(|octet| *octet == b'\n') {
        assert!(line.ends_with(b"\r\n") && !line[..line.len() - 2].iter().any(|octet| b"\r\n\0".contains(octet)));
        let verb = line.split(u8::is_ascii_whitespace).nth(1).unwrap_or_default().to_ascii_uppercase();
        assert!([&b"CAPABILITY"[..], b"ID", b"NOOP", b"ENABLE", b"NAMESPACE", b"LOGOUT"].contains(&&*verb));
    }
}

/// The octets are the client's and the server's in turn.
pub fn smtp_session(input: &[u8]) {
    let extensions = || smtp::Extensions::read(["PIPELINING", "SIZE 7", "CHUNKING"]);
    watched(input, smtp::Session::new(extensions(), smtp::Senders::Any));
    let seen = fingerprint::Dialogue::Submission(fingerprint::submission::Dialogue::default());
    watched(input, smtp::Session::provisional(extensions(), smtp::Senders::Any, seen));
}

fn watched(input: &[u8], mut session: smtp::Session) {
    let (mut up, mut down) = (Vec::new(), Vec::new());
    for (i, piece) in cut(input).1.into_iter().enumerate() {
        let held = if i % 2 == 0 {
            session.client(piece, &mut up, &mut down)
        } else {
            session.upstream(piece, &mut up, &mut down)
        };
        if held.is_err() || (session.is_shown() && session.release(&mut up, &mut down).is_err()) {
            return;
        }
    }
}

/// Whatever yields credentials, they fit into a line of any protocol.
pub fn sasl(input: &[u8]) {
    for mechanism in [Mechanism::Plain, Mechanism::Login] {
        let Some(mut exchange) = Exchange::new(mechanism) else { continue };
        for line in input.split(|&b| b == b'\n') {
            match exchange.respond(line) {
                Ok(Step::Ask(next)) => exchange = next,
                Ok(Step::Done(credentials)) => {
                    assert!(!credentials.authcid.is_empty() && !credentials.authcid.chars().any(char::is_control));
                    assert!(!credentials.password.is_empty() && !credentials.password.contains('\0'));
                    break;
                }
                Err(_) => break,
            }
        }
    }
}

pub fn basic(input: &[u8]) {
    if let Ok(credentials) = http::basic(input) {
        assert!(!credentials.authcid.is_empty() && !credentials.authcid.chars().any(char::is_control));
    }
}

/// A path that is read is read the same again, and holds nothing that another
/// server could take for a separator.
pub fn http_path(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(path) = http::Path::parse(text) else { return };
    let segments = path.as_str().split('/').skip(1);
    for segment in segments {
        assert!(
            !segment.is_empty() && segment != "." && segment != ".." && !segment.contains(['\\', '\0', '\r', '\n'])
        );
    }
    let slash = if path.is_collection() { "/" } else { "" };
    assert_eq!(http::Path::parse(&format!("{}{slash}", path.encoded())).as_ref(), Ok(&path));
    assert!(path.is_within(&http::Path::root()) && path.parent().is_none_or(|parent| path.is_within(&parent)));
}

/// Requests in a row, or answers: the same heads and bodies however they are cut, and
/// the same end.
pub fn http_messages(input: &[u8]) {
    let (octets, pieces) = cut(input);
    let request = |heard: &mut BytesMut| {
        let asked = http::head::request(heard).map_err(drop)?;
        Ok(asked
            .map(|asked| (format!("{:?} {:?} {} {}", asked.parts, asked.seen, asked.goes_on, asked.waits), asked.body)))
    };
    let answer = |heard: &mut BytesMut| {
        let answered = http::head::answer(heard, &Default::default()).map_err(drop)?;
        Ok(answered.map(|answered| (format!("{:?} {}", answered.answer, answered.goes_on), answered.body)))
    };
    assert_eq!(messages(&pieces, request), messages(&[octets], request));
    assert_eq!(messages(&pieces, answer), messages(&[octets], answer));
}

/// Heads and bodies in turn, and whether they end in something malformed.
fn messages(
    pieces: &[&[u8]],
    head: impl Fn(&mut BytesMut) -> Result<Option<(String, http::Rest)>, ()>,
) -> (Vec<(String, Vec<u8>)>, bool) {
    let (mut heard, mut body, mut seen) = (BytesMut::new(), http::Rest::Nothing, Vec::<(String, Vec<u8>)>::new());
    for piece in pieces {
        heard.extend_from_slice(piece);
        loop {
            match (body.take(&mut heard), seen.last_mut()) {
                (Err(_), _) => return (seen, true),
                (Ok(Some(data)), Some((_, whole))) => whole.extend_from_slice(&data),
                _ if !body.is_over() || heard.is_empty() => break,
                _ => match head(&mut heard) {
                    Err(()) => return (seen, true),
                    Ok(None) => break,
                    Ok(Some((text, rest))) => {
                        seen.push((text, Vec::new()));
                        body = rest;
                    }
                },
            }
        }
    }
    (seen, false)
}

/// What stands where is really there.
pub fn dav(input: &[u8]) {
    let (hrefs, responses, kinds) =
        (http::dav::hrefs(input), http::dav::responses(input), http::dav::kinds_asked_for(input));
    assert_eq!(hrefs.is_ok(), responses.is_ok());
    assert_eq!(hrefs.is_ok(), kinds.is_ok());
    for response in responses.unwrap_or_default() {
        let text = &input[response.range];
        assert!(text.starts_with(b"<") && text.ends_with(b">"));
        assert!(std::str::from_utf8(text).is_ok());
    }
}

fn cut(input: &[u8]) -> (&[u8], Vec<&[u8]>) {
    match input.split_first() {
        None => (input, Vec::new()),
        Some((0, octets)) => (octets, vec![octets]),
        Some((&size, octets)) => (octets, octets.chunks(usize::from(size)).collect()),
    }
}
