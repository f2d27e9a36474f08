//! How an HTTP client asks.

use crate::{Declared, words::Words};

/// What was seen of a request's head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dialogue {
    names: Words,
    encoding: String,
    accept: String,
    pub(crate) declared: Declared,
}

/// Headers that are there or not with what is asked for, or with what was answered
/// before. In lower case.
const OF_A_REQUEST: [&str; 36] = [
    "authorization",
    "brief",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "depth",
    "destination",
    "dnt",
    "expect",
    "host",
    "if",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-schedule-tag-match",
    "if-unmodified-since",
    "lock-token",
    "origin",
    "overwrite",
    "prefer",
    "proxy-authorization",
    "range",
    "referer",
    "schedule-reply",
    "te",
    "timeout",
    "trailer",
    "transfer-encoding",
    "translate",
    "upgrade",
    "upgrade-insecure-requests",
    "via",
    "x-forwarded-for",
    "x-request-id",
];

impl Dialogue {
    /// A header, its name as it was written.
    pub fn header(&mut self, name: &[u8], value: &[u8]) {
        let lower = name.to_ascii_lowercase();
        if OF_A_REQUEST.iter().any(|known| known.as_bytes() == lower) {
            return;
        }
        self.names.push(&short(name));
        match &*lower {
            b"user-agent" => self.declared.and(Declared::user_agent(value)),
            b"accept" => self.accept = bounded(value),
            b"accept-encoding" => self.encoding = bounded(value),
            _ => {}
        }
    }

    pub(crate) fn form(&self) -> String {
        format!("{}/{}", self.names.as_str(), self.encoding)
    }

    pub(crate) fn opening(&self) -> &str {
        &self.accept
    }
}

/// The names that most clients send, in few octets. In lower case if they are.
const USUAL: [(&str, &str); 8] = [
    ("Accept", "A"),
    ("Accept-Charset", "AC"),
    ("Accept-Encoding", "AE"),
    ("Accept-Language", "AL"),
    ("Cache-Control", "CC"),
    ("Connection", "C"),
    ("Pragma", "P"),
    ("User-Agent", "UA"),
];

/// A name in few octets: its first letters, and two digits that tell it from others
/// of these letters.
fn short(name: &[u8]) -> String {
    if let Some((usual, letters)) = USUAL.iter().find(|(usual, _)| name.eq_ignore_ascii_case(usual.as_bytes())) {
        if name == usual.as_bytes() {
            return (*letters).to_owned();
        }
        if !name.iter().any(u8::is_ascii_uppercase) {
            return letters.to_ascii_lowercase();
        }
    }
    let mut text = String::new();
    for part in name.split(|octet| *octet == b'-').take(4) {
        text.extend(part.first().filter(|octet| octet.is_ascii_alphanumeric()).map(|octet| char::from(*octet)));
    }
    format!("{text}{:02x}", hash(name) as u8)
}

/// A value as it was written, or what is left of it and a hash of the rest.
fn bounded(value: &[u8]) -> String {
    const MAX: usize = 20;
    let value = value.trim_ascii();
    let readable = |octet: &u8| match octet {
        b' ' => '_',
        b';' | b'~' | b'|' => ':',
        octet if octet.is_ascii_graphic() => char::from(*octet),
        _ => '?',
    };
    let text: String = value.iter().take(MAX).map(readable).collect();
    if value.len() <= MAX { text } else { format!("{text}{:04x}", hash(value) as u16) }
}

/// FNV-1a: short, and the same for ever, which is what stored signatures need.
fn hash(octets: &[u8]) -> u32 {
    octets.iter().fold(0x811c_9dc5, |hash, octet| (hash ^ u32::from(*octet)).wrapping_mul(0x0100_0193))
}
