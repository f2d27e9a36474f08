//! A line of audit in a third of the room: what every line repeats becomes one
//! byte, ids and times become binary. The seal is over the text, which comes
//! back to the letter.

use data_encoding::{BASE32_NOPAD, DecodePartial};

// JSON escapes control characters, so that those bytes are free to stand for
// something else.
const RAW: u8 = 0;
const TIME: u8 = 1;
const ID: u8 = 2;
const FIRST_PHRASE: u8 = 3;

/// Only ever added to, at the end: their places are in every database. Where two
/// fit, the longer one must come first.
const PHRASES: [&str; 15] = [
    r#"{"at":"#,
    r#","actor":{"kind":"owner","from":""#,
    r#","actor":{"kind":"administrator","uid":"#,
    r#","actor":{"kind":"door","door":""#,
    r#"","from":""#,
    r#""},"account":""#,
    r#"},"account":""#,
    r#"","event":"app-password-issued","id":""#,
    r#"","event":"app-password-first-used","id":""#,
    r#"","event":"app-password-revoked","id":""#,
    r#"","label":""#,
    r#"","app":""#,
    r#"","scopes":""#,
    r#"","event":""#,
    r#""}"#,
];

/// Thirteen digits: milliseconds from 2001 to 2286.
const TIME_DIGITS: usize = 13;
/// An id as text.
const ID_LETTERS: usize = 16;

/// What is stored for this text.
pub(crate) fn pack(text: &str) -> Vec<u8> {
    let mut rest = text.as_bytes();
    if rest.iter().any(|byte| *byte < b' ') {
        return [&[RAW], rest].concat();
    }
    let mut packed = Vec::with_capacity(rest.len() / 2);
    while let Some((first, behind)) = rest.split_first() {
        if let Some((code, phrase)) =
            (FIRST_PHRASE..).zip(PHRASES).find(|(_, phrase)| rest.starts_with(phrase.as_bytes()))
        {
            packed.push(code);
            rest = &rest[phrase.len()..];
        } else if let Some(millis) = time(rest) {
            packed.push(TIME);
            packed.extend(&millis.to_be_bytes()[2..]);
            rest = &rest[TIME_DIGITS..];
        } else if let Some(id) = id(rest) {
            packed.push(ID);
            packed.extend(id);
            rest = &rest[ID_LETTERS..];
        } else {
            packed.push(*first);
            rest = behind;
        }
    }
    packed
}

/// The text that was packed; `None` if it was not packed by [`pack`].
pub(crate) fn unpack(packed: &[u8]) -> Option<String> {
    if let Some((&RAW, text)) = packed.split_first() {
        return String::from_utf8(text.to_vec()).ok();
    }
    let mut text = Vec::with_capacity(packed.len() * 3);
    let mut rest = packed;
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        match *first {
            TIME => {
                let (millis, behind) = rest.split_first_chunk::<6>()?;
                let mut bytes = [0; 8];
                bytes[2..].copy_from_slice(millis);
                text.extend(u64::from_be_bytes(bytes).to_string().bytes());
                rest = behind;
            }
            ID => {
                let (id, behind) = rest.split_first_chunk::<10>()?;
                text.extend(BASE32_NOPAD.encode(id).to_ascii_lowercase().bytes());
                rest = behind;
            }
            code if code < b' ' => text.extend(PHRASES.get(usize::from(code.checked_sub(FIRST_PHRASE)?))?.bytes()),
            plain => text.push(plain),
        }
    }
    String::from_utf8(text).ok()
}

fn time(text: &[u8]) -> Option<u64> {
    let digits = text.get(..TIME_DIGITS)?;
    // A leading zero would not come back.
    let whole = digits.iter().all(u8::is_ascii_digit) && digits[0] != b'0';
    whole.then(|| digits.iter().fold(0, |millis, digit| millis * 10 + u64::from(digit - b'0')))
}

fn id(text: &[u8]) -> Option<[u8; 10]> {
    let letters: [u8; ID_LETTERS] = *text.first_chunk()?;
    let known = letters.iter().all(|letter| matches!(letter, b'a'..=b'z' | b'2'..=b'7'));
    let mut bytes = [0; 10];
    let decoded = known.then(|| BASE32_NOPAD.decode_mut(&letters.map(|l| l.to_ascii_uppercase()), &mut bytes));
    match decoded? {
        Ok(10) => Some(bytes),
        Ok(_) | Err(DecodePartial { .. }) => None,
    }
}

#[cfg(test)]
mod tests {
    use authority::Event;
    use proptest::prelude::*;
    use testkit::{account, app_password, by_admin};

    use super::*;

    #[test]
    fn the_line_of_a_new_password_shrinks_to_a_third() {
        let alice = account("alice@example.org");
        let one = app_password(&alice, "Laptop");
        let event = Event::AppPasswordIssued {
            id: one.id,
            label: "Laptop".into(),
            app: "thunderbird".into(),
            scopes: "mail,calendars".into(),
        };
        let text = by_admin(&alice, 5, event).to_text();
        let packed = pack(&text);
        assert!(packed.len() * 3 <= text.len(), "{} of {}: {text}", packed.len(), text.len());
        assert_eq!(unpack(&packed), Some(text));
    }

    #[test]
    fn what_was_not_packed_is_no_line() {
        for bad in [&[TIME, 1, 2][..], &[ID; 10], &[0x1f], &[0xff], &[RAW, 0xff]] {
            assert_eq!(unpack(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn every_text_comes_back(text in any::<String>()) {
            prop_assert_eq!(unpack(&pack(&text)), Some(text));
        }

        #[test]
        fn every_text_of_pieces_comes_back(pieces in proptest::collection::vec(
            prop_oneof![
                proptest::sample::select(PHRASES.to_vec()).prop_map(str::to_owned),
                "[0-9]{1,15}", "[a-z2-7]{1,18}", any::<String>(),
            ],
            0..12,
        )) {
            let text = pieces.concat();
            prop_assert_eq!(unpack(&pack(&text)), Some(text));
        }
    }
}
