//! Lines of a client into commands.

/// A line of the client's, without its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Command<'a> {
    pub(super) verb: Verb,
    /// The verb in the case it came in.
    pub(super) written: &'a [u8],
    /// Everything after the verb and one space.
    pub(super) rest: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Ehlo,
    Helo,
    StartTls,
    Auth,
    Mail,
    Rcpt,
    Data,
    Bdat,
    Rset,
    Noop,
    Vrfy,
    Expn,
    Help,
    Quit,
    Other,
}

/// The line holds NUL or a CR of its own: a server behind that ends lines there
/// would read two commands where one was looked at.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

const VERBS: [(&[u8], Verb); 14] = [
    (b"EHLO", Verb::Ehlo),
    (b"HELO", Verb::Helo),
    (b"STARTTLS", Verb::StartTls),
    (b"AUTH", Verb::Auth),
    (b"MAIL", Verb::Mail),
    (b"RCPT", Verb::Rcpt),
    (b"DATA", Verb::Data),
    (b"BDAT", Verb::Bdat),
    (b"RSET", Verb::Rset),
    (b"NOOP", Verb::Noop),
    (b"VRFY", Verb::Vrfy),
    (b"EXPN", Verb::Expn),
    (b"HELP", Verb::Help),
    (b"QUIT", Verb::Quit),
];

impl<'a> Command<'a> {
    pub(super) fn read(line: &'a [u8]) -> Result<Self, Unreadable> {
        if line.iter().any(|octet| matches!(octet, 0 | b'\r' | b'\n')) {
            return Err(Unreadable);
        }
        let line = line.trim_ascii_end();
        let end = line.iter().position(|octet| *octet == b' ').unwrap_or(line.len());
        let (word, rest) = line.split_at(end);
        let known = VERBS.iter().find(|(name, _)| word.eq_ignore_ascii_case(name));
        Ok(Self {
            verb: known.map_or(Verb::Other, |(_, verb)| *verb),
            written: word,
            rest: rest.strip_prefix(b" ").unwrap_or(rest),
        })
    }
}

/// How a client names itself in EHLO and HELO: whatever it wrote, if it is fit to
/// be said again to the server behind.
pub(super) fn hello(rest: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(rest.trim_ascii()).ok()?;
    (!name.is_empty() && name.len() <= 255 && name.bytes().all(|octet| octet.is_ascii_graphic())).then(|| name.into())
}

/// `BDAT size [LAST]` (RFC 3030). Strictly: what is no chunk for us and one for
/// the server behind would be read as commands by one of the two.
pub(super) fn chunk(rest: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(rest).ok()?;
    let mut words = text.split(' ');
    let size =
        words.next().filter(|size| (1..=18).contains(&size.len()) && size.bytes().all(|b| b.is_ascii_digit()))?;
    match (words.next(), words.next()) {
        (None, _) => {}
        (Some(last), None) if last.eq_ignore_ascii_case("LAST") => {}
        _ => return None,
    }
    size.parse().ok()
}

/// `FROM:<path> parameters` of MAIL: the address, and where the parameters begin.
pub(super) fn sender(rest: &[u8]) -> Option<(&[u8], usize)> {
    let (from, _) = rest.split_at_checked(5)?;
    if !from.eq_ignore_ascii_case(b"FROM:") {
        return None;
    }
    // A space here is against RFC 5321, and sent by some.
    let open = 5 + rest[5..].iter().position(|octet| *octet != b' ')?;
    if rest[open] != b'<' {
        return None;
    }
    let mut quoted = false;
    let mut at = open + 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' if quoted => at += 1,
            b'"' => quoted = !quoted,
            b'>' if !quoted => {
                let parameters = at + 1;
                let parted = rest.get(parameters).is_none_or(|octet| *octet == b' ');
                return parted.then_some((&rest[open + 1..at], parameters));
            }
            _ => {}
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands() {
        for (line, verb, rest) in [
            (&b"EHLO mail.example.org"[..], Verb::Ehlo, &b"mail.example.org"[..]),
            (b"mail FROM:<a@example.org> ", Verb::Mail, b"FROM:<a@example.org>"),
            (b"DATA", Verb::Data, b""),
            (b"DATAX", Verb::Other, b""),
            (b" DATA", Verb::Other, b"DATA"),
            (b"XCLIENT LOGIN=bob", Verb::Other, b"LOGIN=bob"),
            (b"", Verb::Other, b""),
        ] {
            let written = line.split(|octet| *octet == b' ').next().unwrap_or_default();
            assert_eq!(Command::read(line), Ok(Command { verb, written, rest }), "{}", line.escape_ascii());
        }
        for bad in [&b"NOOP\rXCLIENT LOGIN=bob"[..], b"NOOP\0", b"\r", b"NOOP\nQUIT"] {
            assert_eq!(Command::read(bad), Err(Unreadable), "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn chunks_are_read_strictly() {
        for (rest, size) in [("0 LAST", Some(0)), ("86400", Some(86400)), ("7 last", Some(7))] {
            assert_eq!(chunk(rest.as_bytes()), size, "{rest}");
        }
        for bad in ["", " 7", "7 ", "7  LAST", "+7", "-1", "0x7", "7 LAST x", "7 FIRST", "9999999999999999999", "7\t"] {
            assert_eq!(chunk(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn senders() {
        for (rest, address, parameters) in [
            ("FROM:<alice@example.org>", "alice@example.org", ""),
            ("from: <alice@example.org> SIZE=7", "alice@example.org", " SIZE=7"),
            ("FROM:<>", "", ""),
            (r#"FROM:<"a>\"b"@example.org> BODY=8BITMIME"#, r#""a>\"b"@example.org"#, " BODY=8BITMIME"),
        ] {
            let (found, at) = sender(rest.as_bytes()).unwrap();
            assert_eq!((found, &rest[at..]), (address.as_bytes(), parameters), "{rest}");
        }
        for bad in
            ["", "FROM:", "FROM: ", "FROM:alice@example.org", "TO:<a@b>", "FROM:<a@b", "FROM:<a@b>x", r#"FROM:<"a>"#]
        {
            assert_eq!(sender(bad.as_bytes()), None, "{bad:?}");
        }
    }
}
