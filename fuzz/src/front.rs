//! The same for what comes ahead of every protocol; `crates/front/tests/replay.rs` runs
//! these on all seeds.

use front::parsers;

/// A parser's name, and what is tried on it.
pub type Target = (&'static str, fn(&[u8]));

/// All of them, by the names of their folders of seeds.
pub const ALL: [Target; 1] = [("proxy_header", proxy_header)];

/// No octet is read beyond the header: what follows is TLS. What follows changes
/// nothing, either; and nothing is waited for that has come.
pub fn proxy_header(input: &[u8]) {
    let (told, used) = parsers::proxy_header(input);
    assert!(used <= 2048 && used <= input.len());
    let Ok(passed) = told else {
        assert_ne!(told, Err("it waits, though all has come".to_owned()));
        return;
    };
    let header = &input[..used];
    assert!(header.starts_with(b"PROXY ") && header.ends_with(b"\r\n") || header.starts_with(b"\r\n\r\n\0\r\nQUIT\n"));
    if let Some((source, destination)) = passed {
        assert_eq!(source.is_ipv4(), destination.is_ipv4());
    }
    for follows in [&b""[..], b"\r\n", b"PROXY TCP4 192.0.2.1 192.0.2.9 1 2\r\n", b"\x16\x03\x01"] {
        assert_eq!(parsers::proxy_header(&[header, follows].concat()), (Ok(passed), used));
    }
    assert!(parsers::proxy_header(&header[..used - 1]).0.is_err(), "half of it was enough");
}
