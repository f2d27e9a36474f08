//! An account's notices in few bytes: some five each, because most are like the one
//! before, a little later.

use authority::{
    Timestamp,
    notice::{Held, Kind, Mailing, Tray},
};

// The first byte of a notice: its kind in five bits, its shape in two, and in the last
// whether it was dismissed.
const KIND: u8 = 0b0001_1111;
const SHAPE: u8 = 5;
const DISMISSED: u8 = 0b1000_0000;

/// To be mailed by itself, and not tried yet.
const NEW: u8 = 0;
/// Mailed by itself.
const SENT: u8 = 1;
/// In another one's mail.
const GATHERED: u8 = 2;
/// None of these: what its mail is follows.
const OTHER: u8 = 3;

// The first byte of what follows.
const GATHERING: u8 = 1;
const WAITS: u8 = 2;
const GATHERED_TOO: u8 = 4;

pub(crate) fn pack(tray: &Tray) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(tray.0.len() * 6);
    let (mut seq, mut secs) = (0, 0);
    for held in &tray.0 {
        let shape = shape(held);
        let dismissed = if held.dismissed { DISMISSED } else { 0 };
        bytes.push(held.kind.number() & KIND | shape << SHAPE | dismissed);
        put(&mut bytes, held.seq.wrapping_sub(seq));
        put(&mut bytes, zigzag(held.at.as_secs().wrapping_sub(secs)));
        (seq, secs) = (held.seq, held.at.as_secs());
        if shape == OTHER {
            bytes.push(match held.mailing {
                Mailing::Own => 0,
                Mailing::Gathering => GATHERING,
                Mailing::Gathered => GATHERED_TOO,
            });
            if let (Some(next_try), Some(flags)) = (held.next_try, bytes.last_mut()) {
                *flags |= WAITS;
                put(&mut bytes, zigzag(next_try.as_secs().wrapping_sub(secs)));
            }
            put(&mut bytes, held.failures);
            put(&mut bytes, held.more);
        }
    }
    bytes
}

fn shape(held: &Held) -> u8 {
    match (held.mailing, held.next_try) {
        _ if held.failures > 0 || held.more > 0 => OTHER,
        (Mailing::Own, Some(next_try)) if next_try == held.at => NEW,
        (Mailing::Own, None) => SENT,
        (Mailing::Gathered, None) => GATHERED,
        _ => OTHER,
    }
}

/// `None` if it was not packed by [`pack`].
pub(crate) fn unpack(mut bytes: &[u8]) -> Option<Tray> {
    let mut tray = Tray::default();
    let (mut seq, mut secs) = (0_u64, 0_i64);
    while let Some((first, rest)) = bytes.split_first() {
        bytes = rest;
        seq = seq.wrapping_add(take(&mut bytes)?);
        secs = secs.wrapping_add(unzigzag(take(&mut bytes)?));
        let at = time(secs)?;
        let (mut failures, mut more) = (0, 0);
        let (mailing, next_try) = match *first >> SHAPE & 0b11 {
            NEW => (Mailing::Own, Some(at)),
            SENT => (Mailing::Own, None),
            GATHERED => (Mailing::Gathered, None),
            _ => {
                let (flags, rest) = bytes.split_first()?;
                bytes = rest;
                let mailing = match *flags & !WAITS {
                    0 => Mailing::Own,
                    GATHERING => Mailing::Gathering,
                    GATHERED_TOO => Mailing::Gathered,
                    _ => return None,
                };
                let next_try = match *flags & WAITS {
                    0 => None,
                    _ => Some(time(secs.wrapping_add(unzigzag(take(&mut bytes)?)))?),
                };
                (failures, more) = (take(&mut bytes)?, take(&mut bytes)?);
                (mailing, next_try)
            }
        };
        let kind = Kind::from_number(i64::from(*first & KIND))?;
        let dismissed = *first & DISMISSED != 0;
        tray.0.push(Held { seq, kind, at, mailing, next_try, failures, more, dismissed });
    }
    Some(tray)
}

fn time(secs: i64) -> Option<Timestamp> {
    secs.checked_mul(1000).map(Timestamp::from_millis)
}

/// Small numbers of either sign become small ones.
fn zigzag(number: i64) -> u64 {
    (number << 1 ^ number >> 63).cast_unsigned()
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

/// Seven bits a byte, the lowest first; the eighth says that more follow.
fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn held() -> impl Strategy<Value = Held> {
        let time = || (-(1_i64 << 40)..1 << 40).prop_map(|secs| Timestamp::from_millis(secs * 1000));
        let mailing = proptest::sample::select(vec![Mailing::Own, Mailing::Gathering, Mailing::Gathered]);
        let kind = proptest::sample::select(Kind::ALL.to_vec());
        let counts = (prop_oneof![Just(0), any::<u64>()], prop_oneof![Just(0), any::<u64>()]);
        let what = (any::<u64>(), kind, time(), mailing, proptest::option::of(time()), counts, any::<bool>());
        what.prop_flat_map(|(seq, kind, at, mailing, next_try, (failures, more), dismissed)| {
            let held = Held { seq, kind, at, mailing, next_try, failures, more, dismissed };
            any::<bool>().prop_map(move |at_once| {
                let next_try = if at_once { Some(held.at) } else { held.next_try };
                Held { next_try, ..held.clone() }
            })
        })
    }

    proptest! {
        #[test]
        fn every_tray_comes_back(all in proptest::collection::vec(held(), 0..70)) {
            let tray = Tray(all);
            prop_assert_eq!(unpack(&pack(&tray)), Some(tray));
        }

        #[test]
        fn what_was_not_packed_is_no_tray_or_a_tray(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = unpack(&bytes);
        }
    }

    #[test]
    fn a_notice_takes_six_bytes_at_most_where_one_follows_the_other() {
        let mut tray = Tray::default();
        for n in 0..40 {
            let kind = if n % 2 == 0 { Kind::PasswordMade } else { Kind::FirstUse };
            tray.tell(70_000_000 + n * 10_000, kind, Timestamp::from_millis(1_800_000_000_000 + 600_000 * n as i64));
        }
        assert!(pack(&tray).len() <= 6 * tray.0.len() + 8, "{} for {}", pack(&tray).len(), tray.0.len());
    }

    #[test]
    fn every_kind_has_room() {
        assert!(Kind::ALL.iter().all(|kind| kind.number() <= KIND));
    }
}
