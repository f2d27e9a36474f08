//! Secrets as types: they print as `[redacted]` in every build and wipe themselves.

use std::fmt;

use rand_core::Rng;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// What somebody typed where a password goes, untouched.
///
/// A primary password is verified exactly as received (ASVS 5, 6.2.8); only
/// [`Letters::parse`] looks through separators and case, for its own shape.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes ownership, so that no second copy is left behind.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The one way to the text. Every call is a place to audit.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([redacted])")
    }
}

/// The letters of an app password: 24 of a-z, 112.8 bits (ASVS 5, 6.5.2 asks for
/// 112 before a plain hash will do).
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Letters([u8; Letters::COUNT]);

impl Letters {
    /// How many letters there are.
    pub const COUNT: usize = 24;

    /// Draws new letters, each with equal chance.
    pub fn random(rng: &mut impl Rng) -> Self {
        // 234 = 9 * 26: bytes above would make the first letters likelier.
        const FAIR: u8 = 234;
        let mut letters = [0; Self::COUNT];
        let mut pool = Zeroizing::new([0u8; 64]);
        let mut filled = 0;
        while filled < Self::COUNT {
            rng.fill_bytes(&mut *pool);
            for &byte in pool.iter().filter(|&&byte| byte < FAIR) {
                if filled == Self::COUNT {
                    break;
                }
                letters[filled] = b'a' + byte % 26;
                filled += 1;
            }
        }
        Self(letters)
    }

    /// Reads what was pasted, if it has the shape of an app password.
    ///
    /// Phones capitalise the first letter, word processors turn hyphens and
    /// quotes into others, web pages add no-break spaces: all of that is
    /// forgiven, for this shape only. `None` leaves the input untouched.
    pub fn parse(secret: &Secret) -> Option<Self> {
        let mut letters = [0; Self::COUNT];
        let mut count = 0;
        for c in secret.expose().chars() {
            if !c.is_ascii_alphabetic() && is_separator(c) {
                continue;
            }
            if !c.is_ascii_alphabetic() || count == Self::COUNT {
                letters.zeroize();
                return None;
            }
            letters[count] = c.to_ascii_lowercase() as u8;
            count += 1;
        }
        let parsed = (count == Self::COUNT).then_some(Self(letters));
        letters.zeroize();
        parsed
    }

    /// The letters as bytes, for the keyed hash.
    pub fn as_bytes(&self) -> &[u8; Self::COUNT] {
        &self.0
    }

    /// Six groups of four, as shown to the owner, once.
    pub fn grouped(&self) -> Secret {
        let mut text = String::with_capacity(Self::COUNT + 5);
        for (i, &letter) in self.0.iter().enumerate() {
            if i > 0 && i % 4 == 0 {
                text.push('-');
            }
            text.push(char::from(letter));
        }
        Secret::new(text)
    }
}

impl fmt::Debug for Letters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Letters([redacted])")
    }
}

fn is_separator(c: char) -> bool {
    c.is_whitespace()
        || matches!(c,
            '-' | '\u{ad}' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}'
            | '"' | '\'' | '\u{2018}'..='\u{201f}' | '\u{ab}' | '\u{bb}'
            | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SplitMix64: even enough to show a bias, the same on every run.
    struct Even(u64);
    impl rand_core::TryRng for Even {
        type Error = std::convert::Infallible;
        fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
            self.try_next_u64().map(|word| (word >> 32) as u32)
        }
        fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            Ok(z ^ (z >> 31))
        }
        fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
            for chunk in out.chunks_mut(8) {
                let word = self.try_next_u64()?.to_le_bytes();
                chunk.copy_from_slice(&word[..chunk.len()]);
            }
            Ok(())
        }
    }

    // Taking bytes modulo 26 would make w, x, y, z come 8.6 % too seldom.
    #[test]
    fn every_letter_is_equally_likely() {
        let mut rng = Even(1);
        let mut seen = [0u32; 26];
        for _ in 0..26_000 {
            for letter in Letters::random(&mut rng).as_bytes() {
                seen[usize::from(letter - b'a')] += 1;
            }
        }
        assert!(seen.iter().all(|count| (23_300..24_700).contains(count)), "{seen:?}");
    }

    #[test]
    fn forgives_what_pasting_does_to_the_shape() {
        let plain = "abcdefghijklmnopqrstuvwx";
        let want = Letters::parse(&Secret::new(plain.into())).unwrap();
        for pasted in [
            "abcd-efgh-ijkl-mnop-qrst-uvwx",
            "Abcd efgh ijkl mnop qrst uvwx\n",
            "ABCDEFGHIJKLMNOPQRSTUVWX",
            "abcd\u{a0}efgh\u{2011}ijkl\u{2013}mnop\u{202f}qrst uvwx",
            "\u{201c}abcd-efgh-ijkl-mnop-qrst-uvwx\u{201d}",
            "\u{feff}abcd-efgh-ijkl-mnop-qrst-uvwx\r\n",
        ] {
            assert_eq!(Letters::parse(&Secret::new(pasted.into())).as_ref(), Some(&want), "{pasted:?}");
        }
        assert_eq!(want.grouped().expose(), "abcd-efgh-ijkl-mnop-qrst-uvwx");
    }

    #[test]
    fn other_shapes_are_left_alone() {
        for other in [
            "",
            "abcd-efgh-ijkl-mnop-qrst-uvw",
            "abcd-efgh-ijkl-mnop-qrst-uvwxy",
            "abcd-efgh-ijkl-mnop-qrst-uvw1",
            "abcd-efgh-ijkl-mnop-qrst-uvwé",
            "correct horse battery staple 9",
        ] {
            assert!(Letters::parse(&Secret::new(other.into())).is_none(), "{other:?}");
        }
    }

    #[test]
    fn nothing_prints_a_secret() {
        let letters = Letters::parse(&Secret::new("abcdefghijklmnopqrstuvwx".into())).unwrap();
        assert!(!format!("{letters:?} {:?}", letters.grouped()).contains("abcd"));
    }
}
