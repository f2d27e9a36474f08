//! ClientHellos: JA4 by its published examples, families, and any octets.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use fingerprint::tls::{ClientHello, MAX_HELLO, NotAHello};
use proptest::prelude::*;

/// A hello in the making: extensions with what stands in them.
#[derive(Clone)]
struct Hello {
    ciphers: Vec<u16>,
    extensions: Vec<(u16, Vec<u8>)>,
}

fn u16s(numbers: &[u16]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

fn after_u16(octets: &[u8]) -> Vec<u8> {
    [&u16::try_from(octets.len()).unwrap().to_be_bytes()[..], octets].concat()
}

fn after_u8(octets: &[u8]) -> Vec<u8> {
    [&[u8::try_from(octets.len()).unwrap()][..], octets].concat()
}

impl Hello {
    /// The example of the published format.
    fn published() -> Self {
        let algorithms = [0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601];
        Self {
            ciphers: vec![
                0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d,
                0x002f, 0x0035,
            ],
            extensions: vec![
                (0x001b, vec![2, 0, 2]),
                (0x0000, after_u16(&[&[0][..], &after_u16(b"example.org")].concat())),
                (0x0033, vec![]),
                (0x0010, after_u16(&[after_u8(b"h2"), after_u8(b"http/1.1")].concat())),
                (0x4469, vec![]),
                (0x0017, vec![]),
                (0x002d, vec![1, 1]),
                (0x000d, after_u16(&u16s(&algorithms))),
                (0x0005, vec![1, 0, 0, 0, 0]),
                (0x0023, vec![]),
                (0x0012, vec![]),
                (0x002b, after_u8(&u16s(&[0x0304, 0x0303]))),
                (0xff01, vec![0]),
                (0x000b, vec![1, 0]),
                (0x000a, after_u16(&u16s(&[0x001d, 0x0017, 0x0018]))),
                (0x0015, vec![0; 100]),
            ],
        }
    }

    fn with(mut self, kind: u16, data: Vec<u8>) -> Self {
        self.extensions.retain(|(known, _)| *known != kind);
        self.extensions.push((kind, data));
        self
    }

    fn without(mut self, kind: u16) -> Self {
        self.extensions.retain(|(known, _)| *known != kind);
        self
    }

    fn message(&self) -> Vec<u8> {
        let extensions: Vec<u8> =
            self.extensions.iter().flat_map(|(kind, data)| [u16s(&[*kind]), after_u16(data)].concat()).collect();
        let body = [
            &[3, 3][..],
            &[7; 32],
            &after_u8(&[9; 32]),
            &after_u16(&u16s(&self.ciphers)),
            &after_u8(&[0]),
            &after_u16(&extensions),
        ]
        .concat();
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        [&[1][..], &length[1..], &body].concat()
    }

    /// In records of so many octets.
    fn records(&self, size: usize) -> Vec<u8> {
        self.message().chunks(size).flat_map(|part| [&[22, 3, 1][..], &after_u16(part)].concat()).collect()
    }

    fn read(&self) -> ClientHello {
        ClientHello::read(&self.records(1 << 14)).unwrap()
    }
}

#[test]
fn ja4_is_what_was_published() {
    let hello = Hello::published().read();
    assert_eq!(hello.ja4(), "t13d1516h2_8daaf6152771_e5627efa2ab1");
    assert_eq!(
        hello.ja4_r(),
        "t13d1516h2_002f,0035,009c,009d,1301,1302,1303,c013,c014,c02b,c02c,c02f,c030,cca8,cca9_\
         0005,000a,000b,000d,0012,0015,0017,001b,0023,002b,002d,0033,4469,ff01_\
         0403,0804,0401,0503,0805,0501,0806,0601"
    );
}

#[test]
fn the_ends_of_a_protocol() {
    for (alpn, ends) in [
        (&b"h2"[..], "h2"),
        (b"http/1.1", "h1"),
        (b"x", "xx"),
        (b"\xab", "ab"),
        (b"\xab\xcd", "ad"),
        (b"\x30\xab", "3b"),
        (b"\x30\x31\xab\xcd", "3d"),
        (b"\x30\xab\xcd\x31", "01"),
    ] {
        let hello = Hello::published().with(0x0010, after_u16(&after_u8(alpn))).read();
        assert_eq!(&hello.ja4()[8..10], ends, "{}", alpn.escape_ascii());
    }
    assert_eq!(&Hello::published().with(0x0010, after_u16(&[])).read().ja4()[8..10], "00");
    assert_eq!(&Hello::published().without(0x0010).read().ja4()[..10], "t13d151500");
}

#[test]
fn little_is_hashed_to_zeros() {
    let bare = Hello { ciphers: vec![], extensions: vec![] };
    assert_eq!(bare.read().ja4(), "t12i000000_000000000000_000000000000");
    assert_eq!(bare.read().ja4_r(), "t12i000000__");
    let many = Hello { ciphers: (0..200).collect(), extensions: vec![] };
    assert_eq!(&many.read().ja4()[..10], "t12i990000");
}

#[test]
fn grease_is_not_seen() {
    let mut greased = Hello::published();
    greased.ciphers.insert(0, 0xfafa);
    greased.extensions.insert(0, (0x0a0a, vec![]));
    let greased = greased
        .with(0x2a2a, vec![0])
        .with(0x002b, after_u8(&u16s(&[0x7a7a, 0x0304, 0x0303])))
        .with(0x000a, after_u16(&u16s(&[0x3a3a, 0x001d, 0x0017, 0x0018])));
    assert_eq!(greased.read().ja4_r(), Hello::published().read().ja4_r());
    assert_eq!(greased.read().family(), Hello::published().read().family());
}

#[test]
fn a_family_is_the_same_on_every_connection() {
    let family = Hello::published().read().family();
    assert_eq!(family.to_string().parse(), Ok(family.clone()));
    for (what, hello) in [
        ("no server name", Hello::published().without(0x0000)),
        ("no protocol asked for", Hello::published().without(0x0010).without(0x4469)),
        ("no padding", Hello::published().without(0x0015)),
        ("no ticket", Hello::published().without(0x0023)),
        ("resumed", Hello::published().with(0x0029, vec![0; 200])),
        ("early data", Hello::published().with(0x0029, vec![0; 200]).with(0x002a, vec![])),
        ("retried with a cookie", Hello::published().with(0x002c, vec![0; 20])),
        ("other key shares", Hello::published().with(0x0033, vec![1; 90])),
    ] {
        assert_eq!(hello.read().family(), family, "{what}");
    }
    let mut permuted = Hello::published();
    permuted.extensions.reverse();
    permuted.ciphers.reverse();
    assert_eq!(permuted.read().family(), family);
    for (what, hello) in [
        ("older", Hello::published().with(0x002b, after_u8(&u16s(&[0x0303])))),
        ("another extension", Hello::published().with(0x0016, vec![])),
        ("other algorithms", Hello::published().with(0x000d, after_u16(&u16s(&[0x0403])))),
        ("other groups", Hello::published().with(0x000a, after_u16(&u16s(&[0x11ec, 0x001d])))),
    ] {
        assert_ne!(hello.read().family(), family, "{what}");
    }
}

#[test]
fn a_hello_may_come_in_any_pieces() {
    let hello = Hello::published();
    let whole = hello.read();
    for size in [1, 2, 3, 4, 5, 100, 1000] {
        let records = hello.records(size);
        assert_eq!(ClientHello::read(&records).as_ref(), Ok(&whole), "records of {size}");
        for cut in 0..records.len() {
            assert_eq!(ClientHello::read(&records[..cut]), Err(NotAHello::Incomplete), "{cut} of records of {size}");
        }
        // What follows is not looked at.
        assert_eq!(ClientHello::read(&[&records[..], b"\x17\x03"].concat()).as_ref(), Ok(&whole));
    }
}

#[test]
fn what_is_no_hello_is_told_at_once() {
    let long = u32::try_from(MAX_HELLO + 1).unwrap().to_be_bytes();
    let too_long = [&[22, 3, 1, 0, 4, 1][..], &long[1..]].concat();
    let mut contradicts = Hello::published().records(1 << 14);
    contradicts[5 + 4 + 2 + 32] = 0xff;
    for (octets, error) in [
        (&b""[..], NotAHello::Incomplete),
        (b"\x16", NotAHello::Incomplete),
        (b"A001 LOGIN", NotAHello::Malformed),
        (b"\x80\x2e\x01\x00\x02", NotAHello::Malformed),
        (b"\x16\x02", NotAHello::Malformed),
        (b"\x16\x03\x01\x00\x00", NotAHello::Malformed),
        (b"\x16\x03\x01\xff\xff", NotAHello::Malformed),
        (b"\x16\x03\x01\x00\x04\x02\x00\x00\x00", NotAHello::Malformed),
        (&too_long, NotAHello::TooLong),
        (&contradicts, NotAHello::Malformed),
    ] {
        assert_eq!(ClientHello::read(octets), Err(error), "{}", octets.escape_ascii());
    }
}

proptest! {
    #[test]
    fn any_octets(octets in prop::collection::vec(any::<u8>(), 0..600), at in 0usize..600) {
        let _ = ClientHello::read(&octets);
        let mut hello = Hello::published().records(300);
        let at = at.min(hello.len());
        hello.truncate(at);
        hello.extend(octets);
        if let Ok(hello) = ClientHello::read(&hello) {
            prop_assert_eq!(hello.family().to_string().parse(), Ok(hello.family()));
            let (ja4, ja4_r) = (hello.ja4(), hello.ja4_r());
            prop_assert!(ja4.len() == 36 && ja4[..10] == ja4_r[..10]);
        }
    }
}
