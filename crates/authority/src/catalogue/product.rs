//! What a client calls itself, with the versions taken off.

use std::fmt;

use fingerprint::Declared;

/// The name by which a client's program is known, whatever its version, as
/// signatures have it: `thunderbird`, `claws mail`.
///
/// It holds a client's words: it is compared, and never shown.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Product(Box<str>);

impl Product {
    /// From the name of IMAP's ID, a User-Agent or an X-Mailer; what came out of this,
    /// or out of a signature, goes in unchanged. `None` if it names nothing.
    pub fn of(declared: &str) -> Option<Self> {
        // Read as the doors read it: a name of the catalogue that came out otherwise
        // would be a stranger's to the app that it belongs to.
        Declared::user_agent(declared.as_bytes()).name().map(|name| Self(name.into()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_signature_says_is_read_as_what_the_app_wrote() {
        for written in [
            "Thunderbird",
            "Mozilla Thunderbird",
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Thunderbird/140.12.0",
            "Mozilla/5.0",
            "Claws Mail 4.1.1 (GTK 3.24.38; x86_64-pc-linux-gnu)",
            "Microsoft Outlook 16.0",
            "Mac+OS+X/10.10.5 (14F27) CalendarAgent/316.1",
            "com.apple.email.maild",
            "KDE DAV groupware client",
            "K-9 Mail for Android",
            "2Do/5",
            "163 Mail Master",
        ] {
            for seen in [Declared::user_agent(written.as_bytes()), Declared::prose(written.as_bytes())] {
                let seen = seen.name().unwrap().to_owned();
                assert_eq!(Product::of(&seen).unwrap().as_str(), seen, "{written}");
            }
        }
        for nothing in ["", "  ", "1.0", "163", "(only a comment)", "\r\n"] {
            assert_eq!(Product::of(nothing), None, "{nothing:?}");
        }
    }
}
