//! What a client shows in its TLS hello.

use fingerprint::tls::{ClientHello, Family};
use front::Stream;

/// The hello of a connection, as far as there is TLS up to here. Once: it is not kept.
pub(crate) fn hello_of(stream: &mut Stream) -> Option<ClientHello> {
    ClientHello::read(&stream.take_client_hello()?).ok()
}

/// The TLS library at the other end.
pub(crate) fn family_of(stream: &mut Stream) -> Option<Family> {
    hello_of(stream).map(|hello| hello.family())
}
