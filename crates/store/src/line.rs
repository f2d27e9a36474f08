//! Text of ours in a third of the room, a line of audit above all: what every
//! line repeats becomes one byte, names of apps two; ids, times and addresses become binary.
//! A line's seal is over the text, which comes back to the letter.

use std::{net::Ipv4Addr, sync::LazyLock};

use data_encoding::{BASE32_NOPAD, DecodePartial};

// JSON escapes control characters, so that those bytes are free to stand for
// something else.
const RAW: u8 = 0;
const TIME: u8 = 1;
const ID: u8 = 2;
const FIRST_PHRASE: u8 = 3;
/// Four octets follow, of an address of IP version 4.
const ADDRESS: u8 = 30;
/// One of [`WORDS`] follows, by its place.
const WORD: u8 = 31;

/// Only ever added to, at the end: their places are in every database.
const PHRASES: [&str; 22] = [
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
    "mail",
    "mail:send",
    "calendars",
    "contacts",
    "files",
    "imap",
    "dav",
];

/// Names that apps are given on the page where passwords are made, and at the
/// command line. Only ever added to, at the end.
const WORDS: [&str; 24] = [
    "thunderbird",
    "Thunderbird",
    "Thunderbird for Android",
    "Apple Calendar",
    "Apple Contacts",
    "Apple Mail",
    "Cyberduck",
    "DAVx5",
    "eM Client",
    "Evolution",
    "FairEmail",
    "Fantastical",
    "Geary",
    "GNOME Calendar",
    "K-9 Mail",
    "KMail",
    "mbsync",
    "mutt",
    "Outlook",
    "outlook",
    "Printer or scanner",
    "rclone",
    "Spark",
    "vdirsyncer",
];

/// A text, and what stands for it.
#[derive(Clone)]
struct Known {
    text: &'static [u8],
    code: Vec<u8>,
}

/// By the first byte of the text, the longest first: where two fit, that one is taken.
static KNOWN: LazyLock<[Vec<Known>; 256]> = LazyLock::new(|| {
    let phrases = (FIRST_PHRASE..).zip(PHRASES).map(|(code, text)| Known { text: text.as_bytes(), code: vec![code] });
    let words = (0..).zip(WORDS).map(|(place, text)| Known { text: text.as_bytes(), code: vec![WORD, place] });
    let mut all: Vec<_> = phrases.chain(words).collect();
    all.sort_by_key(|known| std::cmp::Reverse(known.text.len()));
    let of = |first: usize| all.iter().filter(|known| usize::from(known.text[0]) == first).cloned().collect();
    std::array::from_fn(of)
});

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
        if let Some(known) = KNOWN[usize::from(*first)].iter().find(|known| rest.starts_with(known.text)) {
            packed.extend(&known.code);
            rest = &rest[known.text.len()..];
        } else if let Some(millis) = time(rest) {
            packed.push(TIME);
            packed.extend(&millis.to_be_bytes()[2..]);
            rest = &rest[TIME_DIGITS..];
        } else if let Some((octets, length)) = address(rest) {
            packed.push(ADDRESS);
            packed.extend(octets);
            rest = &rest[length..];
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
            ADDRESS => {
                let (octets, behind) = rest.split_first_chunk::<4>()?;
                text.extend(Ipv4Addr::from(*octets).to_string().bytes());
                rest = behind;
            }
            WORD => {
                let (place, behind) = rest.split_first()?;
                text.extend(WORDS.get(usize::from(*place))?.bytes());
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

/// The octets, and the length of the text.
fn address(text: &[u8]) -> Option<([u8; 4], usize)> {
    let length = text.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    let written = std::str::from_utf8(&text[..length]).ok()?;
    // Other ways to write it would not come back.
    let address: Ipv4Addr = written.parse().ok()?;
    (address.to_string() == written).then(|| (address.octets(), length))
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
        for bad in
            [&[TIME, 1, 2][..], &[ID; 10], &[0x1e], &[WORD], &[WORD, 0xff], &[ADDRESS, 1, 2, 3], &[0xff], &[RAW, 0xff]]
        {
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
                proptest::sample::select([&PHRASES[..], &WORDS[..]].concat()).prop_map(str::to_owned),
                "[0-9]{1,15}", "[0-9]{1,3}(\\.[0-9]{1,3}){3}", "[a-z2-7]{1,18}", any::<String>(),
            ],
            0..12,
        )) {
            let text = pieces.concat();
            prop_assert_eq!(unpack(&pack(&text)), Some(text));
        }
    }
}
