//! What is spoken at a door.

/// What is spoken at a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// IMAP4rev1, RFC 3501.
    Imap,
    /// Mail submission, RFC 6409.
    Submission,
    /// POP3, RFC 1939.
    Pop3,
    /// ManageSieve, RFC 5804.
    Sieve,
    /// CalDAV, CardDAV, WebDAV: HTTP with Basic.
    Http,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Imap, Self::Submission, Self::Pop3, Self::Sieve, Self::Http];

    /// The word used in configuration, in signatures and on pages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Imap => "imap",
            Self::Submission => "submission",
            Self::Pop3 => "pop3",
            Self::Sieve => "sieve",
            Self::Http => "http",
        }
    }
}
