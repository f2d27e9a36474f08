//! The name that a client asks for in its hello.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use fingerprint::tls::{ClientHello, NotAHello};
use proptest::prelude::*;

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const HOST_NAME: u8 = 0;

fn asked_for(records: &[u8]) -> Option<String> {
    ClientHello::read(records).unwrap().server_name().map(str::to_owned)
}

fn long(octets: &[u8]) -> Vec<u8> {
    [&u16::try_from(octets.len()).unwrap().to_be_bytes()[..], octets].concat()
}

/// A hello with these extensions, in records of `size` octets.
fn hello(extensions: &[(u16, Vec<u8>)], size: usize) -> Vec<u8> {
    let extensions: Vec<u8> =
        extensions.iter().flat_map(|(kind, body)| [&kind.to_be_bytes()[..], &long(body)].concat()).collect();
    let body = [&[3, 3][..], &[7; 32], &[4, 1, 2, 3, 4], &long(&[0x13, 1]), &[1, 0], &long(&extensions)].concat();
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    let message = [&[CLIENT_HELLO][..], &length[1..], &body].concat();
    message.chunks(size).flat_map(|part| [&[HANDSHAKE, 3, 1][..], &long(part)].concat()).collect()
}

fn named(kind: u8, name: &str) -> Vec<u8> {
    long(&[&[kind][..], &long(name.as_bytes())].concat())
}

#[test]
fn the_name_is_found_wherever_it_stands() {
    let other = (51, vec![2, 3, 4]);
    let asked = (SERVER_NAME, named(HOST_NAME, "DAV.Example.org."));
    for extensions in [vec![asked.clone()], vec![other.clone(), asked.clone()], vec![asked, other.clone()]] {
        for size in [1, 7, 1000] {
            assert_eq!(asked_for(&hello(&extensions, size)).as_deref(), Some("dav.example.org"));
        }
    }
    for nothing in [vec![], vec![other], vec![(SERVER_NAME, named(1, "a"))], vec![(SERVER_NAME, vec![])]] {
        assert_eq!(asked_for(&hello(&nothing, 1000)), None, "{nothing:?}");
    }
}

#[test]
fn half_of_it_is_none() {
    let whole = hello(&[(SERVER_NAME, named(HOST_NAME, "dav.example.org"))], 50);
    for end in 0..whole.len() {
        assert_eq!(ClientHello::read(&whole[..end]), Err(NotAHello::Incomplete));
    }
}

proptest! {
    #[test]
    fn whatever_comes_is_survived(octets: Vec<u8>, kind: u16, body: Vec<u8>) {
        let _ = ClientHello::read(&octets);
        let _ = ClientHello::read(&hello(&[(kind, body.clone()), (SERVER_NAME, body)], 100));
    }
}
