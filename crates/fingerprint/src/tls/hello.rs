//! A ClientHello out of the records that carry it.

use std::borrow::Cow;

use thiserror::Error;

use super::reader::{Reader, Short};

/// The longest ClientHello that is looked at, in octets. Those with post-quantum
/// key shares have about 2,000.
pub const MAX_HELLO: usize = 16 * 1024;
/// Octets before what a record carries (RFC 8446, 5.1).
const RECORD_HEADER: usize = 5;
/// How much a record may carry.
const MAX_RECORD: usize = 16 * 1024;
/// How long a session's id may be (RFC 8446, 4.1.2).
const MAX_SESSION: usize = 32;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
/// The one kind of name that there is (RFC 6066, 3).
const HOST_NAME: u8 = 0;

mod extension {
    pub(super) const SERVER_NAME: u16 = 0x0000;
    pub(super) const SUPPORTED_GROUPS: u16 = 0x000a;
    pub(super) const SIGNATURE_ALGORITHMS: u16 = 0x000d;
    pub(super) const ALPN: u16 = 0x0010;
    pub(super) const SUPPORTED_VERSIONS: u16 = 0x002b;
}

/// What is used of a ClientHello, in the order it was sent, without GREASE (RFC 8701).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientHello {
    /// The newest version that is offered, as on the wire.
    pub(super) version: u16,
    pub(super) ciphers: Vec<u16>,
    pub(super) extensions: Vec<u16>,
    pub(super) signature_algorithms: Vec<u16>,
    pub(super) groups: Vec<u16>,
    /// The first protocol that is offered: JA4 keeps two characters of it.
    pub(super) alpn: Vec<u8>,
    pub(super) names_server: bool,
    server_name: Option<Box<str>>,
}

/// Why there is no ClientHello in what arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotAHello {
    /// There is more to come: read on.
    #[error("the ClientHello is not complete yet")]
    Incomplete,
    /// Over [`MAX_HELLO`], or in records without anything in them.
    #[error("the ClientHello is too long")]
    TooLong,
    /// No TLS, or a hello that its own lengths contradict.
    #[error("this is no ClientHello")]
    Malformed,
}

impl From<Short> for NotAHello {
    fn from(Short: Short) -> Self {
        Self::Malformed
    }
}

impl ClientHello {
    /// Reads a hello from the first octets of a connection, which may be split over
    /// several records, and over the octets of a record's header. Nothing is
    /// copied unless it is.
    ///
    /// # Errors
    /// [`NotAHello::Incomplete`] while there is more to come; the others are final.
    pub fn read(records: &[u8]) -> Result<Self, NotAHello> {
        let message = message(records)?;
        let mut message = Reader(&message);
        message.take(4)?;
        Self::body(message)
    }

    /// The server that is asked for (RFC 6066, 3), in lower case and without the dot of
    /// the root; `None` if none is, or by something else than a host's name.
    #[must_use]
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    fn body(mut hello: Reader<'_>) -> Result<Self, NotAHello> {
        let legacy_version = hello.u16()?;
        let _random = hello.take(32)?;
        if hello.after_u8()?.0.len() > MAX_SESSION {
            return Err(NotAHello::Malformed);
        }
        let ciphers = without_grease(hello.after_u16()?.u16s()?);
        let _compression = hello.after_u8()?;
        let mut read = Self {
            version: legacy_version,
            ciphers,
            extensions: Vec::with_capacity(20),
            signature_algorithms: Vec::new(),
            groups: Vec::new(),
            alpn: Vec::new(),
            names_server: false,
            server_name: None,
        };
        // Before TLS 1.2, a hello could end here.
        if !hello.0.is_empty() {
            let mut extensions = hello.after_u16()?;
            while !extensions.0.is_empty() {
                let kind = extensions.u16()?;
                let data = extensions.after_u16()?;
                if !is_grease(kind) {
                    read.extensions.push(kind);
                    read.extension(kind, data)?;
                }
            }
        }
        Ok(read)
    }

    fn extension(&mut self, kind: u16, mut data: Reader<'_>) -> Result<(), Short> {
        match kind {
            extension::SERVER_NAME => {
                self.names_server = true;
                self.server_name = host_name(data);
            }
            extension::SUPPORTED_GROUPS => self.groups = without_grease(data.after_u16()?.u16s()?),
            extension::SIGNATURE_ALGORITHMS => {
                self.signature_algorithms = without_grease(data.after_u16()?.u16s()?);
            }
            extension::ALPN => {
                let mut list = data.after_u16()?;
                if !list.0.is_empty() {
                    self.alpn = list.after_u8()?.0.to_vec();
                }
            }
            extension::SUPPORTED_VERSIONS => {
                let versions = without_grease(data.after_u8()?.u16s()?);
                self.version = versions.into_iter().max().unwrap_or(self.version);
            }
            _ => {}
        }
        Ok(())
    }
}

/// The first of the names, if it is a host's.
fn host_name(mut data: Reader<'_>) -> Option<Box<str>> {
    let mut names = data.after_u16().ok()?;
    let kind = names.u8().ok()?;
    let name = std::str::from_utf8(names.after_u16().ok()?.0).ok().filter(|_| kind == HOST_NAME)?;
    Some(name.trim_end_matches('.').to_ascii_lowercase().into())
}

/// The handshake message, its header included, out of its records.
fn message(records: &[u8]) -> Result<Cow<'_, [u8]>, NotAHello> {
    let mut message = Cow::Borrowed(&[][..]);
    let mut rest = records;
    loop {
        let wanted = wanted(&message)?;
        if wanted.is_some_and(|wanted| message.len() >= wanted) {
            return Ok(message);
        }
        let carried = fragment(&mut rest)?;
        if message.is_empty() {
            message = Cow::Borrowed(carried);
        } else {
            message.to_mut().extend_from_slice(carried);
        }
    }
}

/// How many octets the message has, once its header is there.
fn wanted(message: &[u8]) -> Result<Option<usize>, NotAHello> {
    if message.first().is_some_and(|kind| *kind != CLIENT_HELLO) {
        return Err(NotAHello::Malformed);
    }
    let mut header = Reader(message.get(1..).unwrap_or_default());
    match header.u24() {
        Ok(length) if length > MAX_HELLO => Err(NotAHello::TooLong),
        Ok(length) => Ok(Some(4 + length)),
        Err(Short) => Ok(None),
    }
}

/// What the next record carries.
fn fragment<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], NotAHello> {
    // What is no TLS is told from the octets there are: nobody waits for more of it.
    if rest.first().is_some_and(|kind| *kind != HANDSHAKE) || rest.get(1).is_some_and(|major| *major != 3) {
        return Err(NotAHello::Malformed);
    }
    let Some(header) = rest.get(..RECORD_HEADER) else { return Err(NotAHello::Incomplete) };
    let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
    if length == 0 || length > MAX_RECORD {
        // Empty handshake records are forbidden, and would go on for ever.
        return Err(NotAHello::Malformed);
    }
    let carried = rest.get(RECORD_HEADER..RECORD_HEADER + length).ok_or(NotAHello::Incomplete)?;
    *rest = &rest[RECORD_HEADER + length..];
    Ok(carried)
}

fn without_grease(mut numbers: Vec<u16>) -> Vec<u16> {
    numbers.retain(|number| !is_grease(*number));
    numbers
}

/// `0a0a`, `1a1a`, ... `fafa`.
fn is_grease(number: u16) -> bool {
    number & 0x0f0f == 0x0a0a && number >> 8 == number & 0xff
}
