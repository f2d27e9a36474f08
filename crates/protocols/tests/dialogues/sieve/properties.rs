//! What holds for every input and every way it is cut.

use crate::caller::{Answer, Caller, FROM, acting, cut, run};
use proptest::prelude::*;
use protocols::{
    ClientSide as _, Transport,
    sieve::{Server, Shown, client::Client},
};

fn server(transport: Transport) -> Server {
    Server::new(transport, Shown::default())
}

/// Whole commands, halves of them, and noise.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        &b"CAPABILITY\r\n"[..],
        b"NOOP\n",
        b"NOOP \"tag\"\r\n",
        b"NOOP {3+}\r\ntag\r\n",
        b"AUTHENTICATE \"PLAIN\"\r\n",
        b"AUTHENTICATE \"PLAIN\" \"AGFsaWNlAHNlY3JldA==\"\r\n",
        b"AUTHENTICATE \"PLAIN\" {20+}\r\nAGFsaWNlAHNlY3JldA==\r\n",
        b"AUTHENTICATE {5}\r\nPLAIN {20}\r\nAGFsaWNlAHNlY3JldA==\r\n",
        b"\"AGFsaWNlAHNlY3JldA==\"\r\n",
        b"{20+}\r\nAGFsaWNlAHNlY3JldA==\r\n",
        b"AUTHENTICATE \"LOGIN\"\r\n\"YWxpY2U=\"\r\n\"c2VjcmV0\"\r\n",
        b"\"*\"\r\n",
        b"LISTSCRIPTS\r\n",
        b"PUTSCRIPT \"x\" {3+}\r\nabc\r\n",
        b"AUTHENTICATE \"",
        b"{",
        b"4097+}\r\n",
        b"\r\n",
        b"LOGOUT\r\n",
    ])
    .prop_map(<[u8]>::to_vec);
    prop_oneof![
        8 => known,
        1 => prop::collection::vec(any::<u8>(), 0..40),
        1 => (8180usize..8200).prop_map(|n| vec![b'x'; n]),
    ]
}

fn input() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(piece(), 0..24).prop_map(|pieces| pieces.concat())
}

fn chunks() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20)
}

proptest! {
    #[test]
    fn events_do_not_depend_on_how_the_octets_were_cut(
        input in input(),
        sizes in prop::collection::vec(1usize..64, 1..16),
    ) {
        for answer in [Answer::Refuse, Answer::Later] {
            let seen = |chunks: &mut dyn Iterator<Item = &[u8]>| run(server(Transport::Encrypted), answer, chunks);
            let whole = seen(&mut std::iter::once(&input[..]));
            prop_assert_eq!(&seen(&mut input.chunks(1)), &whole);
            prop_assert_eq!(&seen(&mut cut(&input, &sizes)), &whole);
        }
    }

    #[test]
    fn nothing_sent_in_the_clear_ever_signs_in(
        before in input(),
        after in input(),
        sizes in prop::collection::vec(1usize..64, 1..16),
    ) {
        let mut caller = Caller::new(server(Transport::Plain { starttls: true }), Answer::Refuse);
        let input = [&before[..], b"STARTTLS\r\n", &after].concat();
        for chunk in cut(&input, &sizes) {
            caller.feed(chunk);
        }
        prop_assert!(caller.sign_ins.is_empty());
        let tls = caller.sent.find("Begin TLS");
        prop_assert!(tls.is_none_or(|at| caller.sent[at..].lines().count() == 1), "{}", caller.sent);
        if tls.is_some() && !after.is_empty() {
            prop_assert!(caller.closed);
        }
    }

    #[test]
    fn no_octets_make_the_server_panic(chunks in chunks()) {
        for transport in [Transport::Encrypted, Transport::Plain { starttls: true }] {
            let mut caller = Caller::new(server(transport), Answer::Refuse);
            for chunk in &chunks {
                caller.feed(chunk);
            }
        }
    }

    #[test]
    fn no_octets_make_the_client_panic(chunks in chunks()) {
        let mut client = Client::new(&acting("alice", "postern", "master"), FROM).unwrap();
        for chunk in [&b"\"SASL\" \"PLAIN\"\r\n\"XCLIENT\"\r\nOK\r\n"[..]].into_iter().chain(chunks.iter().map(Vec::as_slice)) {
            client.feed(chunk);
            while client.next_event().is_some() {}
        }
    }
}
