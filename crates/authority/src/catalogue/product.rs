//! What a client calls itself, with the versions taken off.

use std::fmt;

/// The name by which a client's program is known, whatever its version:
/// `thunderbird` of `Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101
/// Thunderbird/140.12.0`, `claws mail` of `Claws Mail 4.1.1 (GTK 3.24.38)`.
///
/// It holds a client's words: it is compared, and never shown.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Product(Box<str>);

impl Product {
    /// From the name of IMAP's ID (RFC 2971), a User-Agent (RFC 9110, section
    /// 10.1.5) or an X-Mailer; what came out of this goes in unchanged. `None` if
    /// it names nothing.
    ///
    /// The first product counts: CalDAV-Sync ends `like iOS/5.0.1 (9A405)
    /// dataaccessd/1.0` and is no iPhone for that. Only `Mozilla/5.0`, which every
    /// browser and what is built from one says first, is passed over.
    pub fn of(declared: &str) -> Option<Self> {
        // Nobody's name is longer; what is, costs no more than this.
        const LONGEST: usize = 512;
        let declared = declared.char_indices().nth(LONGEST).map_or(declared, |(end, _)| &declared[..end]);
        let mut words = without_comments(declared);
        if words.first().is_some_and(|word| word.starts_with("mozilla/")) {
            // Alone it is a name like another.
            let own = words.iter().position(|word| !is_engine(word)).unwrap_or(0);
            words.drain(..own);
        }
        let mut name = String::new();
        for word in words {
            let (word, ends) = word.split_once('/').map_or((word.as_str(), false), |(name, _)| (name, true));
            if !name.is_empty() {
                if is_version(word) {
                    break;
                }
                name.push(' ');
            }
            name.push_str(word);
            if ends {
                break;
            }
        }
        (!name.is_empty()).then(|| Self(name.into()))
    }

    /// The name, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The words outside of brackets, in lower case.
fn without_comments(text: &str) -> Vec<String> {
    let mut depth = 0_usize;
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' if depth > 0 => depth -= 1,
            _ if depth > 0 => continue,
            c if c.is_control() => {}
            c => {
                plain.extend(c.to_lowercase());
                continue;
            }
        }
        plain.push(' ');
    }
    plain.split_whitespace().map(str::to_owned).collect()
}

/// What browsers say for old servers' sake, before their own name.
fn is_engine(word: &str) -> bool {
    ["mozilla/", "gecko/", "applewebkit/"].iter().any(|engine| word.starts_with(engine))
}

/// `4.1.1`, `20220429`, `v20201014.0`.
fn is_version(word: &str) -> bool {
    let digits = word.strip_prefix('v').unwrap_or(word);
    digits.starts_with(|c: char| c.is_ascii_digit())
        && (digits.contains('.') || digits.chars().all(|c| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_program_has_one_name_whatever_its_version() {
        for (declared, product) in [
            ("Thunderbird", "thunderbird"),
            ("com.apple.email.maild", "com.apple.email.maild"),
            ("Mac OS X Mail", "mac os x mail"),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Thunderbird/140.12.0", "thunderbird"),
            ("Mozilla/5.0 (X11; Linux x86_64) KDE DAV groupware client", "kde dav groupware client"),
            ("Mozilla/5.0 (X11) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120 Safari/537.36", "chrome"),
            ("Mozilla/5.0", "mozilla"),
            ("DAVx5/4.4.4-ose (dav4jvm; okhttp/4.12.0) Android/8.1.0", "davx5"),
            ("CalDAV-Sync (Android) (like iOS/5.0.1 (9A405) dataaccessd/1.0)", "caldav-sync"),
            ("iOS/26.5 (23F77) accountsd/1.0", "ios"),
            ("Python-httplib2/0.20.4 (gzip)", "python-httplib2"),
            ("davfs2/1.6.1 neon/0.32.5", "davfs2"),
            ("node", "node"),
            ("Mozilla Thunderbird", "mozilla thunderbird"),
            ("Claws Mail 4.1.1 (GTK 3.24.38; x86_64-pc-linux-gnu)", "claws mail"),
            ("Evolution 3.46.4-2+deb12u1", "evolution"),
            ("NeoMutt/20220429", "neomutt"),
            ("swaks v20201014.0 jetmore.org/john/code/swaks/", "swaks"),
            ("K-9 Mail for Android", "k-9 mail for android"),
            ("Apple Mail (2.3826.400.131.1.6)", "apple mail"),
            ("163 Mail Master", "163 mail master"),
            ("2Do/5.1", "2do"),
        ] {
            let found = Product::of(declared).unwrap();
            assert_eq!(found.as_str(), product, "{declared}");
            assert_eq!(Product::of(found.as_str()), Some(found), "{declared}");
        }
    }

    #[test]
    fn what_names_nothing_is_no_name() {
        for nothing in ["", "  ", "(only a comment)", "((((", "/1.0", "\r\n"] {
            assert_eq!(Product::of(nothing), None, "{nothing:?}");
        }
        assert!(Product::of(&"x".repeat(100_000)).unwrap().as_str().len() <= 512);
    }
}
