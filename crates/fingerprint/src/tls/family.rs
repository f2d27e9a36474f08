//! What a TLS library shows of itself on every connection.

use std::{fmt, str::FromStr, sync::Arc};

use super::hello::ClientHello;
use super::ja4::{list, short_hash, sorted, version, with_algorithms};

/// What belongs to a connection and not to the program: resumption (RFC 8446: a
/// ticket, early data, a cookie, padding around them), the server's name, the
/// protocol that is asked for inside, and what follows from that.
const OF_A_CONNECTION: [u16; 10] = [
    0x0000, // server_name: none for an address
    0x0010, // application_layer_protocol_negotiation
    0x0015, // padding
    0x0023, // session_ticket
    0x0029, // pre_shared_key
    0x002a, // early_data
    0x002c, // cookie
    0x3374, // next_protocol_negotiation
    0x4469, // application_settings, with h2 only
    0x44cd, // the same, under its new number
];

/// A TLS library with its settings, as its hellos show it: the same for a first and
/// a resumed session, with and without server name, after STARTTLS and for HTTPS.
///
/// One line, as [`Display`](fmt::Display) writes it: `13-723694b0fccc-2f1c0b5e9ad4-5671b5`,
/// the version offered, the ciphers, the extensions with the signature algorithms,
/// the groups.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Family(Arc<str>);

/// The text is no family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no TLS family: two characters, and three groups of hexadecimal digits behind a dash each")]
pub struct NotAFamily;

impl ClientHello {
    /// What stays the same on this program's next connection.
    #[must_use]
    pub fn family(&self) -> Family {
        let mut extensions = sorted(&self.extensions);
        extensions.retain(|kind| !OF_A_CONNECTION.contains(kind));
        extensions.dedup();
        let extensions = with_algorithms(list(extensions), &self.signature_algorithms);
        let ciphers = short_hash(&list(sorted(&self.ciphers)));
        let groups = short_hash(&list(self.groups.iter().copied()));
        Family(format!("{}-{ciphers}-{}-{}", version(self.version), short_hash(&extensions), &groups[..6]).into())
    }
}

impl Family {
    /// The text, as it is stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Family {
    type Err = NotAFamily;

    fn from_str(text: &str) -> Result<Self, NotAFamily> {
        let mut parts = text.split('-');
        let alphanumeric =
            |part: &str, length: usize| part.len() == length && part.bytes().all(|octet| octet.is_ascii_alphanumeric());
        let fits = [2, 12, 12, 6].into_iter().all(|length| parts.next().is_some_and(|part| alphanumeric(part, length)));
        if fits && parts.next().is_none() { Ok(Self(text.into())) } else { Err(NotAFamily) }
    }
}
