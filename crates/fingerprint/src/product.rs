//! How a program names itself, without what changes when it is updated.

use crate::signature::NONE;

/// How long a name may be, in octets.
const MAX_NAME: usize = 40;
/// Makers that stand before the name of their product, or do not.
const MAKERS: [&str; 2] = ["mozilla", "microsoft"];
/// What a program is built with, or what everybody says: a name that many
/// different programs give. It tells two of them apart when it differs, and
/// does not make them one when it is the same.
const SHARED: [&str; 36] = [
    "aiohttp",
    "apache-httpclient",
    "axios",
    "cfnetwork",
    "commons-httpclient",
    "curl",
    "dart",
    "dav4jvm",
    "ews-java-api",
    "faraday",
    "go-http-client",
    "guzzlehttp",
    "http_request2",
    "java",
    "jakarta",
    "javamail",
    "libcurl",
    "libwww-perl",
    "mozilla",
    "neon",
    "node",
    "node-fetch",
    "okhttp",
    "php",
    "python",
    "python-httplib2",
    "python-httpx",
    "python-requests",
    "python-urllib",
    "python-urllib3",
    "reqwest",
    "rest-client",
    "ruby",
    "sabre",
    "undici",
    "unirest",
];

/// What a client says it is, as far as it is the same after an update: `thunderbird`.
///
/// Lower case, printable ASCII, at most 40 octets, without version and comments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declared(Option<Box<str>>);

impl Declared {
    /// The name in an ID of IMAP, or at the front of a header that is prose: `Mozilla
    /// Thunderbird`, `Claws Mail 4.1.1 (GTK 3.24.38)`, `Mutt/2.2.12 (2023-09-09)`.
    #[must_use]
    pub fn prose(text: &[u8]) -> Self {
        let text = &text[..text.len().min(256)];
        let words = text.split(|octet| octet.is_ascii_whitespace()).filter(|word| !word.is_empty());
        let mut name = String::new();
        for word in words.take_while(|word| word[0] != b'(') {
            if !name.is_empty() && is_version(word) {
                break;
            }
            let (word, version) = split_version(word);
            if !name.is_empty() && !word.is_empty() {
                name.push(' ');
            }
            name.extend(word.iter().map(|octet| readable(*octet)));
            if version || name.len() > MAX_NAME {
                break;
            }
        }
        if names_something(&name) { Self::named(name) } else { Self::default() }
    }

    /// The product of a User-Agent (RFC 9110, 10.1.5): its first token. Only browsers
    /// and what is built of them have theirs further back, behind `Mozilla/5.0`; who
    /// says `like iOS/5.0` at the end is not believed.
    #[must_use]
    pub fn user_agent(value: &[u8]) -> Self {
        let value = value[..value.len().min(512)].trim_ascii();
        if !value.get(..8).is_some_and(|head| head.eq_ignore_ascii_case(b"mozilla/")) {
            return Self::prose(value);
        }
        let mut name = "mozilla".to_owned();
        for token in products(value).skip(1) {
            let (product, version) = split_version(token);
            if !version {
                break;
            }
            if ![&b"AppleWebKit"[..], b"Gecko", b"Version", b"Mobile", b"Safari"].contains(&product) {
                name = product.iter().map(|octet| readable(*octet)).collect();
                break;
            }
        }
        Self::named(name)
    }

    fn named(name: String) -> Self {
        let mut name = name.trim().to_owned();
        for maker in MAKERS {
            if let Some(rest) = name.strip_prefix(maker).and_then(|rest| rest.strip_prefix(' ')) {
                name = rest.trim_start().to_owned();
            }
        }
        name.truncate(MAX_NAME);
        let name = name.trim_end();
        // Who is called so would be stored as somebody without a name.
        Self((!name.is_empty() && name != NONE).then(|| name.into()))
    }

    /// The name, if there is one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// Takes what the client says of itself later. Who gives two names is neither.
    pub(crate) fn and(&mut self, later: Self) {
        let Some(later) = later.0 else { return };
        match self.0.take() {
            None => self.0 = Some(later),
            Some(first) if first == later || first.split('+').any(|name| name == &*later) => self.0 = Some(first),
            Some(first) => self.0 = Some(format!("{first}+{later}").chars().take(MAX_NAME).collect()),
        }
    }
}

/// True for a name that many programs give.
pub(crate) fn is_shared(name: &str) -> bool {
    SHARED.contains(&name)
}

/// Lower case, since clients change it; `;` ends a part of a signature.
fn readable(octet: u8) -> char {
    match octet.to_ascii_lowercase() {
        b';' | b'|' | b'+' => '_',
        octet @ b'!'..=b'~' => char::from(octet),
        _ => '?',
    }
}

fn is_version(word: &[u8]) -> bool {
    match word {
        [b'v' | b'V', digit, ..] | [digit, ..] => digit.is_ascii_digit(),
        [] => false,
    }
}

/// `2do` and `163 mail master` do; `163`, `v2` and `1.0 beta` are versions of nothing.
fn names_something(name: &str) -> bool {
    let mut words = name.split(' ');
    let first = words.next().unwrap_or_default().as_bytes();
    let has_letters = || first[1..].iter().any(u8::is_ascii_alphabetic);
    !is_version(first)
        || (!first.contains(&b'.') && (has_letters() || words.next().is_some_and(|word| !word.is_empty())))
}

/// A word without `/version` or `-1.56`, and whether there was one.
fn split_version(word: &[u8]) -> (&[u8], bool) {
    if let Some(slash) = word.iter().position(|octet| *octet == b'/') {
        return (&word[..slash], true);
    }
    match word.iter().rposition(|octet| *octet == b'-') {
        Some(dash) if word[dash + 1..].contains(&b'.') && is_version(&word[dash + 1..]) => (&word[..dash], true),
        _ => (word.strip_suffix(b",").or(word.strip_suffix(b":")).unwrap_or(word), false),
    }
}

/// The tokens of a User-Agent, without its comments.
fn products(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut depth = 0_u32;
    value
        .split(move |octet| {
            match octet {
                b'(' => depth += 1,
                b')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            matches!(octet, b' ' | b'\t') && depth == 0
        })
        .filter(|token| !token.is_empty() && token[0] != b'(')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_their_versions() {
        for (text, name) in [
            ("Thunderbird", Some("thunderbird")),
            ("Mozilla Thunderbird", Some("thunderbird")),
            ("Mozilla Thunderbird Beta 140", Some("thunderbird beta")),
            ("Claws Mail 4.1.1 (GTK 3.24.38; x86_64-pc-linux-gnu)", Some("claws mail")),
            ("Evolution 3.46.4-2+deb12u1 ", Some("evolution")),
            ("Mutt/2.2.12 (2023-09-09)", Some("mutt")),
            ("Microsoft Outlook 16.0", Some("outlook")),
            ("Microsoft-MacOutlook/16.78.23100802", Some("microsoft-macoutlook")),
            ("iPhone Mail (21A329)", Some("iphone mail")),
            ("com.apple.email.maild", Some("com.apple.email.maild")),
            ("K-9 Mail for Android", Some("k-9 mail for android")),
            ("sendEmail-1.56", Some("sendemail")),
            ("swaks v20201014.0 jetmore.org/john/code/swaks/", Some("swaks")),
            ("name; other", Some("name_ other")),
            ("2Do/5", Some("2do")),
            ("163 Mail Master", Some("163 mail master")),
            ("163 Mail 5.0 Master", Some("163 mail")),
            ("5.0", None),
            ("1.0 beta", None),
            ("163 /5 mail", None),
            ("163 5", None),
            ("163/5", None),
            ("v2", None),
            ("", None),
            ("(comment)", None),
            ("-", None),
            ("Mozilla - 5.0", None),
        ] {
            assert_eq!(Declared::prose(text.as_bytes()).name(), name, "{text}");
        }
        assert_eq!(Declared::prose(&[b'x'; 1000]).name().unwrap().len(), MAX_NAME);
    }

    #[test]
    fn a_user_agent_is_its_first_token() {
        for (text, name) in [
            ("curl/7.88.1", Some("curl")),
            ("DAVx5/4.4.4-ose (dav4jvm; okhttp/4.12.0) Android/8.1.0", Some("davx5")),
            ("iOS/26.5 (23F77) accountsd/1.0", Some("ios")),
            ("macOS/15.2 (24C101) dataaccessd/1.0", Some("macos")),
            ("CalDAV-Sync (Android) (like iOS/5.0.1 (9A405) dataaccessd/1.0)", Some("caldav-sync")),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Thunderbird/153.7.0", Some("thunderbird")),
            ("Mozilla/5.0 (X11) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36", Some("chrome")),
            ("Mozilla/5.0 (Macintosh; (nested) x) AppleWebKit/605.1.15 (KHTML) Version/17 Safari/605", Some("mozilla")),
            ("Mozilla/5.0 like Thunderbird/153", Some("mozilla")),
            ("Mozilla/5.0", Some("mozilla")),
            ("Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.4266; Pro)", Some("office")),
            ("Python-httplib2/0.20.4 (gzip)", Some("python-httplib2")),
            ("Mozilla/5.0 -/1", None),
            ("", None),
        ] {
            assert_eq!(Declared::user_agent(text.as_bytes()).name(), name, "{text}");
        }
    }

    #[test]
    fn two_names_are_neither() {
        let mut declared = Declared::prose(b"Thunderbird");
        declared.and(Declared::prose(b"Thunderbird 153"));
        declared.and(Declared::default());
        assert_eq!(declared.name(), Some("thunderbird"));
        declared.and(Declared::prose(b"Outlook"));
        assert_eq!(declared.name(), Some("thunderbird+outlook"));
    }

    #[test]
    fn shared_names_are_as_they_are_read() {
        for name in SHARED {
            assert_eq!(Declared::user_agent(name.as_bytes()).name(), Some(name));
        }
    }
}
