//! The Basic scheme (RFC 7617).

use thiserror::Error;
use zeroize::Zeroizing;

use crate::sasl::{self, Credentials, Mechanism, SaslError};

/// The longest `Authorization` value that is looked at, in octets.
pub const MAX_AUTHORIZATION: usize = 8192;

/// Why an `Authorization` value yields no credentials. Each is a 401 with a challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BasicError {
    /// Another scheme, or none.
    #[error("not the Basic scheme")]
    Scheme,
    /// Over [`MAX_AUTHORIZATION`].
    #[error("Authorization header too long")]
    TooLong,
    /// Not `base64(user-id ":" password)`, or a part of it is unfit.
    #[error("{0}")]
    Credentials(#[from] SaslError),
}

/// Reads the value of an `Authorization` header.
///
/// The challenge says UTF-8, but clients that predate it send Latin-1: what is
/// not UTF-8 is read as that.
///
/// # Errors
/// See [`BasicError`].
pub fn basic(value: &[u8]) -> Result<Credentials, BasicError> {
    if value.len() > MAX_AUTHORIZATION {
        return Err(BasicError::TooLong);
    }
    let value = value.trim_ascii();
    let end = value.iter().position(|&b| b == b' ').unwrap_or(value.len());
    let (scheme, token) = value.split_at(end);
    if !scheme.eq_ignore_ascii_case(b"Basic") {
        return Err(BasicError::Scheme);
    }
    let pair = sasl::text(sasl::decode(token.trim_ascii_start())?);
    // The first colon: a password may hold more, a name none.
    let (user, password) = pair.split_once(':').ok_or(SaslError::Syntax)?;
    Ok(Credentials::new(user.into(), Zeroizing::new(password.into()), Mechanism::Basic)?)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;

    use super::*;

    fn value(pair: &[u8]) -> Vec<u8> {
        format!("Basic {}", BASE64_STANDARD.encode(pair)).into_bytes()
    }

    #[test]
    fn reads_what_clients_send() {
        let table: [(Vec<u8>, &str, &str); 7] = [
            (value(b"alice:secret"), "alice", "secret"),
            (value(b"alice:se:cr:et"), "alice", "se:cr:et"),
            (value("ålice:pässwörd".as_bytes()), "ålice", "pässwörd"),
            (value(b"alice:p\xe4ssw\xf6rd"), "alice", "pässwörd"),
            (b"basic YWxpY2U6c2VjcmV0".to_vec(), "alice", "secret"),
            (b"BASIC   YWxpY2U6c2VjcmV0 ".to_vec(), "alice", "secret"),
            (value(b"alice@example.org: "), "alice@example.org", " "),
        ];
        for (value, user, password) in table {
            let got = basic(&value).unwrap();
            assert_eq!((got.authcid.as_str(), got.password.as_str()), (user, password));
            assert_eq!(got.mechanism, Mechanism::Basic);
            assert!(got.authzid.is_none());
        }
    }

    #[test]
    fn refuses_what_is_malformed() {
        let mut long = b"Basic ".to_vec();
        long.resize(MAX_AUTHORIZATION + 1, b'A');
        let table: [(Vec<u8>, BasicError); 13] = [
            (b"".to_vec(), BasicError::Scheme),
            (b"Bearer abc".to_vec(), BasicError::Scheme),
            (b"BasicYWxpY2U6c2VjcmV0".to_vec(), BasicError::Scheme),
            (b"Basic".to_vec(), SaslError::Syntax.into()),
            (b"Basic !!!".to_vec(), SaslError::Base64.into()),
            (b"Basic YWxpY2U6c2VjcmV0 x".to_vec(), SaslError::Base64.into()),
            (b"Basic YWxpY2U6c2VjcmV".to_vec(), SaslError::Base64.into()),
            (value(b"alice"), SaslError::Syntax.into()),
            (value(b":secret"), SaslError::Name.into()),
            (value(b"alice:"), SaslError::EmptyPassword.into()),
            (value(b"al\r\nice:secret"), SaslError::Name.into()),
            (value(b"alice:sec\0ret"), SaslError::Syntax.into()),
            (long, BasicError::TooLong),
        ];
        for (value, error) in table {
            assert_eq!(basic(&value).unwrap_err(), error, "{}", value.escape_ascii());
        }
    }
}
