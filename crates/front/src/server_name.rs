//! The name that a client asks for in its TLS hello (SNI, RFC 6066 section 3).
//! rustls knows it and does not tell it where nothing is buffered; so it is read
//! from the hello as it came, which rustls has accepted by then.

/// A handshake's record (RFC 8446 section 5.1), and a hello in it (section 4).
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
/// The extension, and the one kind of name that there is in it.
const SERVER_NAME: u16 = 0;
const HOST_NAME: u8 = 0;

/// The name in these records, in lower case and without the dot of the root; `None`
/// if none is asked for.
pub(crate) fn asked_for(records: &[u8]) -> Option<String> {
    let hello = message(records)?;
    let mut hello = Reader(&hello);
    (hello.byte()? == CLIENT_HELLO).then_some(())?;
    let length = usize::from(hello.byte()?) << 16 | usize::from(hello.two()?);
    let mut hello = Reader(hello.take(length)?);
    // Version and random, session, cipher suites, compression.
    hello.take(2 + 32)?;
    hello.short()?;
    hello.long()?;
    hello.short()?;
    let mut extensions = Reader(hello.long()?);
    loop {
        let (kind, body) = (extensions.two()?, extensions.long()?);
        if kind == SERVER_NAME {
            let mut names = Reader(Reader(body).long()?);
            let (kind, name) = (names.byte()?, names.long()?);
            let name = std::str::from_utf8(name).ok().filter(|_| kind == HOST_NAME)?;
            return Some(name.trim_end_matches('.').to_ascii_lowercase());
        }
    }
}

/// What the records carry, as far as it is the handshake.
fn message(records: &[u8]) -> Option<Vec<u8>> {
    let (mut records, mut message) = (Reader(records), Vec::new());
    while let Some(HANDSHAKE) = records.byte() {
        records.two()?;
        message.extend_from_slice(records.long()?);
    }
    (!message.is_empty()).then_some(message)
}

/// Octets from the front; nothing where there are too few.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|octets| octets[0])
    }

    fn two(&mut self) -> Option<u16> {
        self.take(2).map(|octets| u16::from_be_bytes([octets[0], octets[1]]))
    }

    /// As many as the octet before them says.
    fn short(&mut self) -> Option<&'a [u8]> {
        let count = self.byte()?;
        self.take(usize::from(count))
    }

    /// As many as the two octets before them say.
    fn long(&mut self) -> Option<&'a [u8]> {
        let count = self.two()?;
        self.take(usize::from(count))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
        let other = (43, vec![2, 3, 4]);
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
            assert_eq!(asked_for(&whole[..end]), None);
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_survived(octets: Vec<u8>, kind: u16, body: Vec<u8>) {
            let _ = asked_for(&octets);
            let _ = asked_for(&hello(&[(kind, body.clone()), (SERVER_NAME, body)], 100));
        }
    }
}
