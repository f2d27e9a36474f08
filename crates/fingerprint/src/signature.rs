//! What is stored of a client.

use std::{fmt, str::FromStr, sync::Arc};

use thiserror::Error;

use crate::{Dialogue, Protocol, tls::Family};

/// The version of what a signature is made of. It changes with the vocabulary, and
/// with what the doors say before a sign-in, since that changes what clients say.
pub const VERSION: &str = "1";
/// The longest signature, in octets.
pub const MAX_SIGNATURE: usize = 300;
/// Version, protocol, TLS family, declared name, form, opening.
const PARTS: usize = 6;
/// What stands for a part that was not seen.
pub(crate) const NONE: &str = "-";

/// How a program looks from here: one readable line of at most [`MAX_SIGNATURE`]
/// octets, the same whenever it connects.
///
/// ```
/// use fingerprint::{Dialogue, Signature, imap, spoken::SignIn};
///
/// let mut seen = imap::Dialogue::default();
/// seen.before(b"a001", b"ID");
/// seen.names_itself(b"Thunderbird 153");
/// seen.signs_in(b"a002", SignIn::sasl(b"authenticate", b"PLAIN", false));
/// let signature = Signature::new(None, &Dialogue::Imap(seen));
/// assert_eq!(signature.to_string(), "1;imap;-;thunderbird;a009,ID,authenticate.PLAIN;-");
/// assert_eq!(signature.to_string().parse(), Ok(signature));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Signature {
    line: Arc<str>,
    protocol: Protocol,
    /// Where the parts after the protocol end.
    ends: [u16; PARTS],
}

/// The text is no signature of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotASignature {
    /// Another version wrote it: nothing can be said of who it was.
    #[error("a signature of another version; have the app sign in again")]
    Version,
    /// Anything else.
    #[error("no signature: six parts with semicolons between them are expected")]
    Form,
}

impl Signature {
    /// The signature of what was seen; without a family where TLS ended before us.
    #[must_use]
    pub fn new(family: Option<&Family>, dialogue: &Dialogue) -> Self {
        let (form, opening) = (dialogue.form(), dialogue.opening());
        Self::joined([
            VERSION,
            dialogue.protocol().name(),
            family.map_or(NONE, Family::as_str),
            dialogue.declared().unwrap_or(NONE),
            if form.is_empty() { NONE } else { &form },
            if opening.is_empty() { NONE } else { &opening },
        ])
        .unwrap_or_else(|_| Self::unseen(dialogue.protocol()))
    }

    /// Nothing was seen but the protocol.
    fn unseen(protocol: Protocol) -> Self {
        let line: Arc<str> = format!("{VERSION};{};-;-;-;-", protocol.name()).into();
        let mut ends = [0; PARTS];
        for (end, at) in ends.iter_mut().zip(line.match_indices(';').map(|(at, _)| at).chain([line.len()])) {
            *end = u16::try_from(at).unwrap_or(u16::MAX);
        }
        Self { line, protocol, ends }
    }

    pub(crate) fn of(parts: [&str; PARTS]) -> Result<Self, NotASignature> {
        if parts[0] != VERSION {
            return Err(NotASignature::Version);
        }
        if parts[2] != NONE && parts[2].parse::<Family>().is_err() {
            return Err(NotASignature::Form);
        }
        Self::joined(parts)
    }

    /// Of a version and a family that are known to be such.
    fn joined(parts: [&str; PARTS]) -> Result<Self, NotASignature> {
        let protocol = Protocol::ALL.into_iter().find(|protocol| protocol.name() == parts[1]);
        let line = parts.join(";");
        let sound = parts
            .iter()
            .all(|part| !part.is_empty() && part.bytes().all(|octet| (b' '..=b'~').contains(&octet) && octet != b';'));
        if !sound || line.len() > MAX_SIGNATURE {
            return Err(NotASignature::Form);
        }
        let mut ends = [0; PARTS];
        let mut end = 0;
        for (place, part) in ends.iter_mut().zip(parts) {
            end += part.len();
            *place = u16::try_from(end).map_err(|_| NotASignature::Form)?;
            end += 1;
        }
        Ok(Self { line: line.into(), protocol: protocol.ok_or(NotASignature::Form)?, ends })
    }

    fn part(&self, place: usize) -> Option<&str> {
        let start = if place == 0 { 0 } else { usize::from(self.ends[place - 1]) + 1 };
        let part = self.line.get(start..usize::from(self.ends[place]))?;
        (part != NONE).then_some(part)
    }

    /// The line, as it is stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.line
    }

    /// What was spoken.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Its TLS family.
    #[must_use]
    pub fn family(&self) -> Option<&str> {
        self.part(2)
    }

    /// What the program calls itself, without its version.
    #[must_use]
    pub fn declared(&self) -> Option<&str> {
        self.part(3)
    }

    /// How it speaks.
    #[must_use]
    pub fn form(&self) -> &str {
        self.part(4).unwrap_or_default()
    }

    /// What it does first.
    #[must_use]
    pub fn opening(&self) -> &str {
        self.part(5).unwrap_or_default()
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({})", self.line)
    }
}

impl FromStr for Signature {
    type Err = NotASignature;

    fn from_str(line: &str) -> Result<Self, NotASignature> {
        let mut parts = [""; PARTS];
        let mut found = line.split(';');
        for part in &mut parts {
            *part = found.next().unwrap_or_default();
        }
        if parts[0] != VERSION {
            return Err(NotASignature::Version);
        }
        if found.next().is_some() { Err(NotASignature::Form) } else { Self::of(parts) }
    }
}
