//! How an IMAP client calls its commands.

/// The class of a connection's tags: what stays the same while they count up, and
/// on the next connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tags(Option<Class>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// `85`, counted from anywhere.
    Number,
    /// `3.15`: macOS.
    Pair,
    /// Letters that stay, and a number: `a0007`, `EDMK3`.
    Counted {
        letters: u8,
        case: Case,
        padding: Padding,
    },
    /// Hexadecimal digits, always as many: `0000001f`.
    Hex(u8),
    /// Four letters or digits anywhere, as Outlook has them: `nts3`.
    Four,
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    Upper,
    Lower,
    Mixed,
}

/// Zeros before the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Padding {
    /// None so far, in this many digits.
    Unseen(u8),
    /// To this width.
    To(u8),
    None,
}

impl Tags {
    /// Takes one more tag of the connection into account.
    pub(crate) fn see(&mut self, tag: &[u8]) {
        let class = Class::of(tag);
        self.0 = Some(match self.0 {
            None => class,
            Some(so_far) => so_far.and(class),
        });
    }
}

impl std::fmt::Display for Tags {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(class) = self.0 else { return f.write_str("-") };
        match class {
            Class::Number => f.write_str("9"),
            Class::Pair => f.write_str("9:9"),
            Class::Hex(width) => write!(f, "hex{width}"),
            Class::Four => f.write_str("four"),
            Class::Other => f.write_str("any"),
            Class::Counted { letters, case, padding } => {
                let letter = match case {
                    Case::Upper => "A",
                    Case::Lower => "a",
                    Case::Mixed => "Aa",
                };
                write!(f, "{}", letter.repeat(usize::from(letters)))?;
                match padding {
                    Padding::To(width) => write!(f, "{:0>width$}", 9, width = usize::from(width)),
                    Padding::Unseen(_) | Padding::None => f.write_str("9"),
                }
            }
        }
    }
}

impl Class {
    fn of(tag: &[u8]) -> Self {
        let digits = |octets: &[u8]| !octets.is_empty() && octets.iter().all(u8::is_ascii_digit);
        let lower_hex = |octets: &[u8]| octets.iter().all(|o| o.is_ascii_digit() || (b'a'..=b'f').contains(o));
        let letters = tag.iter().take_while(|octet| octet.is_ascii_alphabetic()).count();
        let (head, number) = tag.split_at(letters);
        if tag.len() == 8 && lower_hex(tag) {
            return Self::Hex(8);
        }
        if letters == 0 && digits(tag) && (tag.len() == 1 || tag[0] != b'0') {
            return Self::Number;
        }
        if let Some(dot) = tag.iter().position(|octet| *octet == b'.')
            && digits(&tag[..dot])
            && digits(&tag[dot + 1..])
        {
            return Self::Pair;
        }
        if letters <= 8 && number.len() <= 10 && digits(number) {
            // A fourth of Outlook's tags look so.
            if letters == 3 && number.len() == 1 && head.iter().all(u8::is_ascii_lowercase) {
                return Self::Four;
            }
            let width = u8::try_from(number.len()).unwrap_or(u8::MAX);
            let padding = if width > 1 && number[0] == b'0' { Padding::To(width) } else { Padding::Unseen(width) };
            let case = match (head.iter().any(u8::is_ascii_uppercase), head.iter().any(u8::is_ascii_lowercase)) {
                (true, false) => Case::Upper,
                (true, true) => Case::Mixed,
                _ => Case::Lower,
            };
            return Self::Counted { letters: u8::try_from(letters).unwrap_or(u8::MAX), case, padding };
        }
        let plain = |octet: &u8| octet.is_ascii_lowercase() || octet.is_ascii_digit();
        if tag.len() == 4 && tag.iter().all(plain) { Self::Four } else { Self::Other }
    }

    /// What two tags of one connection have in common.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (
                Self::Counted { letters, case, padding },
                Self::Counted { letters: other_letters, case: other_case, padding: other_padding },
            ) if (letters, case) == (other_letters, other_case) => {
                Self::Counted { letters, case, padding: padding.and(other_padding) }
            }
            (same, other) if same == other => same,
            // A number with as many digits as the padding has, or a prefix that was all digits.
            (Self::Number, Self::Four) | (Self::Four, Self::Number) => Self::Four,
            (Self::Hex(width), Self::Number) | (Self::Number, Self::Hex(width)) => Self::Hex(width),
            _ => Self::Other,
        }
    }
}

impl Padding {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::To(width), Self::Unseen(digits) | Self::To(digits)) | (Self::Unseen(digits), Self::To(width)) => {
                if digits >= width {
                    Self::To(width.min(digits))
                } else {
                    Self::None
                }
            }
            (Self::Unseen(a), Self::Unseen(b)) if a == b => Self::Unseen(a),
            _ => Self::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(tags: &[&str]) -> String {
        let mut seen = Tags::default();
        tags.iter().for_each(|tag| seen.see(tag.as_bytes()));
        seen.to_string()
    }

    #[test]
    fn classes_stay_while_tags_count_up() {
        for (tags, class_of_them) in [
            (&["85", "86"][..], "9"),
            (&["9", "10"], "9"),
            (&["0", "1"], "9"),
            (&["00", "01"], "09"),
            (&["T1", "T2"], "A9"),
            (&["A00000009", "A00000010"], "A00000009"),
            (&["a0000", "a0001"], "a0009"),
            (&["A001", "A002"], "A009"),
            (&["A00000"], "A00009"),
            (&["EDMK0", "EDMK1"], "AAAA9"),
            (&["KNHO9", "KNHO10"], "AAAA9"),
            (&["DPBC1"], "AAAA9"),
            (&["0000001f", "00000020"], "hex8"),
            (&["1.3", "2.15"], "9:9"),
            (&["nts3", "nts4"], "four"),
            (&["4x0f", "4x0g"], "four"),
            (&["x y"], "any"),
            (&[""], "any"),
            (&["A00000000000000001"], "any"),
            (&["a1", "17"], "any"),
            (&[], "-"),
        ] {
            assert_eq!(class(tags), class_of_them, "{tags:?}");
        }
    }
}
