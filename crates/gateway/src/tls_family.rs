//! What is seen of a client in its TLS.

use fingerprint::tls::{ClientHello, Family};
use front::Stream;

/// The TLS library at the other end of a connection, as far as there is TLS up to
/// here. Once: the hello is not kept.
pub(crate) fn family_of(stream: &mut Stream) -> Option<Family> {
    ClientHello::read(&stream.take_client_hello()?).ok().map(|hello| hello.family())
}
