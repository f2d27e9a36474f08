//! Stable names of rows: random, printable, worth nothing to who reads them.

use std::{fmt, str::FromStr, sync::LazyLock};

use data_encoding::{Encoding, Specification};
use rand_core::Rng;

/// 80 random bits, shown as 16 characters of lower-case base32 (RFC 4648, no padding).
///
/// Long enough that ids of two sites never meet, short enough to be typed after
/// `postern app-password revoke`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Id([u8; 10]);

// Made once: it takes longer than what it is used for.
static BASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut spec = Specification::new();
    spec.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
    spec.encoding().expect("the alphabet has 32 symbols")
});

/// The text is not an id; it was not made by this program.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not an id: expected 16 characters of a-z and 2-7")]
pub struct NotAnId;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Id);

        impl $name {
            /// A new one, from the caller's randomness.
            pub fn random(rng: &mut impl Rng) -> Self {
                let mut bytes = [0; 10];
                rng.fill_bytes(&mut bytes);
                Self(Id(bytes))
            }

            /// The ten bytes, as stored and as hashed.
            pub fn as_bytes(&self) -> &[u8; 10] {
                &self.0.0
            }

            /// From the ten bytes that [`Self::as_bytes`] gave.
            pub const fn from_bytes(bytes: [u8; 10]) -> Self {
                Self(Id(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&BASE32.encode(&self.0.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                let bytes = BASE32.decode(text.as_bytes()).map_err(|_| NotAnId)?;
                Ok(Self(Id(bytes.try_into().map_err(|_| NotAnId)?)))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(
    /// An account, for good: logins may change, this does not.
    AccountId
);
id!(
    /// An app password. Says nothing about its letters.
    AppPasswordId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_being_printed() {
        let id = AppPasswordId::from_bytes([7, 1, 255, 0, 9, 8, 3, 2, 1, 77]);
        assert_eq!(id.to_string().len(), 16);
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn other_text_is_not_an_id() {
        for text in ["", "abc", "ABCDEFGHABCDEFGH", "aaaaaaaaaaaaaaaa ", "../../etc/passwd"] {
            assert_eq!(text.parse::<AccountId>(), Err(NotAnId), "{text:?}");
        }
    }
}
