//! The rules for primary passwords. How one is hashed is the keeper's business.

use unicode_normalization::UnicodeNormalization;

use crate::{Letters, Login, Secret};

/// Why a primary password cannot be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnfitPrimary {
    /// Too easily tried out.
    #[error("use at least 12 characters; a few unrelated words do well")]
    TooShort,
    /// Longer than is hashed.
    #[error("use at most 128 characters")]
    TooLong,
    /// Known to those who guess.
    #[error("this password is among the first that others would try: choose another")]
    Common,
    /// It says who it belongs to.
    #[error("this password contains the account's name: choose another")]
    ContainsLogin,
    /// Doors would take it for an app password.
    #[error("24 letters are the shape of an app password: add a digit or another word")]
    AppPasswordShape,
    /// A terminal or a form would have changed it.
    #[error("this password contains a control character: leave it out")]
    Control,
}

/// Words that guessers put together first. The list is short on purpose: from
/// twelve characters on, lists of leaked passwords hold almost only repetitions
/// of these, of the keyboard's rows, and of the account's own name.
const STEMS: &[&str] = &[
    "password",
    "passwort",
    "motdepasse",
    "contrasena",
    "qwerty",
    "qwertz",
    "azerty",
    "asdfgh",
    "zxcvbn",
    "yxcvbn",
    "letmein",
    "iloveyou",
    "welcome",
    "willkommen",
    "admin",
    "administrator",
    "monkey",
    "dragon",
    "football",
    "baseball",
    "sunshine",
    "princess",
    "trustno",
    "superman",
    "batman",
    "master",
    "postern",
    "changeme",
    "secret",
    "geheim",
    "default",
    "qazwsx",
    "1q2w3e4r5t",
    "q1w2e3r4t5",
];

/// Checks a new primary password (NIST SP 800-63B-4, 3.1.1.2; ASVS 5, 6.2).
/// Nothing is demanded of its composition; spaces and any script are welcome.
pub fn check(secret: &Secret, login: &Login) -> Result<(), UnfitPrimary> {
    let text = secret.expose();
    let length = text.chars().count();
    if length < 12 {
        return Err(UnfitPrimary::TooShort);
    }
    if length > 128 {
        return Err(UnfitPrimary::TooLong);
    }
    if text.chars().any(char::is_control) {
        return Err(UnfitPrimary::Control);
    }
    if Letters::parse(secret).is_some() {
        return Err(UnfitPrimary::AppPasswordShape);
    }
    let folded: String = text.nfkc().flat_map(char::to_lowercase).filter(|c| c.is_alphanumeric()).collect();
    let local = login.as_str().split('@').next().unwrap_or_default();
    if local.chars().count() >= 4 && folded.contains(local) {
        return Err(UnfitPrimary::ContainsLogin);
    }
    if is_common(&folded) {
        return Err(UnfitPrimary::Common);
    }
    Ok(())
}

/// What is left after the known stems, digits and runs are taken out must still
/// be something to guess.
fn is_common(folded: &str) -> bool {
    let unleet: String = folded
        .chars()
        .map(|c| match c {
            '0' => 'o',
            '1' => 'i',
            '3' => 'e',
            '4' => 'a',
            '5' => 's',
            '7' => 't',
            other => other,
        })
        .collect();
    [folded.to_owned(), unleet].into_iter().any(|mut rest| {
        for stem in STEMS {
            rest = rest.replace(stem, "");
        }
        let mut kept = 0;
        let mut previous: Option<char> = None;
        let mut kinds = std::collections::BTreeSet::new();
        for c in rest.chars() {
            // 1111, 1234 and cba count as one step each.
            let run = previous.is_some_and(|p| (u32::from(c)).abs_diff(u32::from(p)) <= 1);
            if !run {
                kept += 1;
            }
            kinds.insert(c);
            previous = Some(c);
        }
        kept < 4 || kinds.len() < 4
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<(), UnfitPrimary> {
        super::check(&Secret::new(text.into()), &Login::parse("alice@example.org").unwrap())
    }

    #[test]
    fn takes_what_people_can_remember() {
        for good in [
            "correct horse battery staple",
            "neun Störche im Nebel",
            "пять синих слонов",
            "x9$Lm!27pQz&w",
            &"wide river ".repeat(11),
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn refuses_what_is_tried_first() {
        for (bad, why) in [
            ("short one", UnfitPrimary::TooShort),
            (&*"long ".repeat(26), UnfitPrimary::TooLong),
            ("password1234", UnfitPrimary::Common),
            ("P4ssw0rd!!2026", UnfitPrimary::Common),
            ("aaaaaaaaaaaa", UnfitPrimary::Common),
            ("123456789012", UnfitPrimary::Common),
            ("abcdefghijkl", UnfitPrimary::Common),
            ("qwertyqwerty12", UnfitPrimary::Common),
            ("alice's garden gate", UnfitPrimary::ContainsLogin),
            ("abcd efgh ijkl mnop qrst uvwx", UnfitPrimary::AppPasswordShape),
            ("with a\tcontrol one", UnfitPrimary::Control),
        ] {
            assert_eq!(check(bad), Err(why), "{bad}");
        }
    }
}
