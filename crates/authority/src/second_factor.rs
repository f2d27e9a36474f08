//! TOTP and recovery codes: what proves that the owner is there.

use std::fmt;

use rand_core::Rng;
use totp_rs::{Algorithm, Builder, Totp};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{Login, Secret, Timestamp};

/// A TOTP seed in the clear: 160 bits, as RFC 4226, section 4, recommends.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Seed([u8; 20]);

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed([redacted])")
    }
}

/// A seed as the database holds it: sealed by the keeper, opaque here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedSeed(pub Box<[u8]>);

impl Seed {
    /// A new seed.
    pub fn random(rng: &mut impl Rng) -> Self {
        let mut seed = [0; 20];
        rng.fill_bytes(&mut seed);
        Self(seed)
    }

    /// From its bytes, as unsealed.
    pub fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// Its bytes, to be sealed.
    pub fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// The step that `code` belongs to, if it is one step from now or nearer and
    /// later than `last_step`. SHA-1, six digits, thirty seconds: what every
    /// authenticator app understands.
    pub fn step_of(&self, code: &str, now: Timestamp, last_step: u64) -> Option<u64> {
        let digits: String = code.chars().filter(|c| !c.is_whitespace()).collect();
        let now = u64::try_from(now.as_secs()).ok()?;
        self.totp().check(&digits, now).filter(|&step| step > last_step)
    }

    /// The address that authenticator apps read from a QR code.
    pub fn uri(&self, login: &Login, issuer: &str) -> Secret {
        let secret = self.totp().secret().to_base32();
        let (issuer, login) = (percent(issuer), percent(login.as_str()));
        Secret::new(format!("otpauth://totp/{issuer}:{login}?secret={secret}&issuer={issuer}"))
    }

    /// The seed as it is typed where no camera is at hand, in groups of four.
    pub fn typed(&self) -> Secret {
        let text = Zeroizing::new(self.totp().secret().to_base32());
        let groups: Vec<&str> = text.as_bytes().chunks(4).filter_map(|c| std::str::from_utf8(c).ok()).collect();
        Secret::new(groups.join(" "))
    }

    fn totp(&self) -> Totp {
        Builder::new()
            .with_algorithm(Algorithm::SHA1)
            .with_digits(6)
            .with_skew(1)
            .with_step_duration(30)
            .with_secret(self.0.to_vec())
            .build_noncompliant()
    }
}

fn percent(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

/// How many recovery codes an account gets at once.
pub const RECOVERY_CODES: usize = 10;

/// A recovery code: ten characters without look-alikes, 50 bits. Enough where
/// each try is throttled and the stored form is keyed.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct RecoveryCode([u8; 10]);

const RECOVERY_ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";

impl RecoveryCode {
    /// A new code.
    pub fn random(rng: &mut impl Rng) -> Self {
        let mut bytes = [0; 10];
        rng.fill_bytes(&mut bytes);
        Self(bytes.map(|byte| RECOVERY_ALPHABET[usize::from(byte % 32)]))
    }

    /// Reads what was typed, without regard to case, spaces and hyphens.
    pub fn parse(text: &str) -> Option<Self> {
        let kept: Zeroizing<Vec<u8>> = Zeroizing::new(
            text.bytes()
                .filter(|byte| !byte.is_ascii_whitespace() && *byte != b'-')
                .map(|byte| byte.to_ascii_lowercase())
                .collect(),
        );
        let known = kept.iter().all(|byte| RECOVERY_ALPHABET.contains(byte));
        Some(Self(kept.as_slice().try_into().ok().filter(|_| known)?))
    }

    /// The bytes, for the keyed hash.
    pub fn as_bytes(&self) -> &[u8; 10] {
        &self.0
    }

    /// Two groups of five, as shown.
    pub fn grouped(&self) -> Secret {
        let text: String = self.0.iter().copied().map(char::from).collect();
        Secret::new(format!("{}-{}", &text[..5], &text[5..]))
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_millis(secs * 1000)
    }

    // RFC 6238, appendix B: the seed "12345678901234567890", last six digits.
    #[test]
    fn agrees_with_the_published_vectors() {
        let seed = Seed::from_bytes(*b"12345678901234567890");
        for (secs, code) in [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924")] {
            assert_eq!(seed.step_of(code, at(secs), 0), Some(u64::try_from(secs).unwrap() / 30), "{secs}");
        }
    }

    #[test]
    fn a_code_lives_one_step_around_its_own_and_only_once() {
        let seed = Seed::from_bytes(*b"12345678901234567890");
        let (code, step) = ("081804", 1_111_111_109 / 30);
        assert_eq!(seed.step_of(code, at(1_111_111_109 + 30), 0), Some(step));
        assert_eq!(seed.step_of(code, at(1_111_111_109 - 30), 0), Some(step));
        assert_eq!(seed.step_of(code, at(1_111_111_109 + 61), 0), None);
        assert_eq!(seed.step_of(code, at(1_111_111_109), step), None, "spent");
        assert_eq!(seed.step_of(" 081 804 ", at(1_111_111_109), 0), Some(step));
        for bad in ["", "81804", "+81804", "0818040", "abcdef"] {
            assert_eq!(seed.step_of(bad, at(1_111_111_109), 0), None, "{bad}");
        }
    }

    #[test]
    fn recovery_codes_are_read_as_people_type_them() {
        let code = RecoveryCode::parse("abcde-23456").unwrap();
        assert_eq!(RecoveryCode::parse(" ABCDE 23456 "), Some(code.clone()));
        assert_eq!(code.grouped().expose(), "abcde-23456");
        for bad in ["", "abcde-2345", "abcde-234567", "abcde-2345é", "abcde-2345l"] {
            assert_eq!(RecoveryCode::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_uri_holds_what_apps_read() {
        let uri =
            Seed::from_bytes(*b"12345678901234567890").uri(&Login::parse("alice@example.org").unwrap(), "Example Club");
        assert_eq!(
            uri.expose(),
            "otpauth://totp/Example%20Club:alice%40example.org?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Example%20Club"
        );
    }
}
