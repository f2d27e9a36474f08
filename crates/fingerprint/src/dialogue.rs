//! What the decoder of a protocol has seen of its client.

use std::borrow::Cow;

use crate::{Declared, Protocol, http, imap, spoken, submission};

/// What was seen of how a client speaks: forms, order and its own name, and no
/// octet more. Bounded, whatever it sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dialogue {
    /// IMAP.
    Imap(imap::Dialogue),
    /// Submission.
    Submission(submission::Dialogue),
    /// POP3.
    Pop3(spoken::Dialogue),
    /// ManageSieve.
    Sieve(spoken::Dialogue),
    /// HTTP.
    Http(http::Dialogue),
}

impl Dialogue {
    /// What was spoken.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        match self {
            Self::Imap(_) => Protocol::Imap,
            Self::Submission(_) => Protocol::Submission,
            Self::Pop3(_) => Protocol::Pop3,
            Self::Sieve(_) => Protocol::Sieve,
            Self::Http(_) => Protocol::Http,
        }
    }

    /// What the client calls itself so far.
    #[must_use]
    pub fn declared(&self) -> Option<&str> {
        self.declaration().and_then(Declared::name)
    }

    fn declaration(&self) -> Option<&Declared> {
        match self {
            Self::Imap(seen) => Some(&seen.declared),
            Self::Submission(seen) => Some(&seen.declared),
            Self::Http(seen) => Some(&seen.declared),
            Self::Pop3(_) | Self::Sieve(_) => None,
        }
    }

    /// How it speaks.
    pub(crate) fn form(&self) -> String {
        match self {
            Self::Imap(seen) => seen.form(),
            Self::Submission(seen) => seen.form(),
            Self::Pop3(seen) | Self::Sieve(seen) => seen.form(),
            Self::Http(seen) => seen.form(),
        }
    }

    /// What it does first.
    pub(crate) fn opening(&self) -> Cow<'_, str> {
        match self {
            Self::Imap(seen) => seen.opening().into(),
            Self::Submission(seen) => seen.opening().into(),
            Self::Http(seen) => seen.opening().into(),
            Self::Pop3(_) | Self::Sieve(_) => "".into(),
        }
    }
}
