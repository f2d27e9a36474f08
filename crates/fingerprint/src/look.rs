//! How a program looks, for who has to call it something.

use thiserror::Error;

use crate::{
    Protocol, Signature,
    compare::{self, Alike},
    signature::{NONE, VERSION},
};

/// What is left of a program's [`Signature`] without its name and its TLS: how it
/// speaks, and what it does first.
///
/// Enough for a guess at the name of a program that gives none, and for no more: other
/// programs look the same, and any can be made to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look(Signature);

/// The texts are no parts of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("form and opening are parts of a signature: write them as a client's has them")]
pub struct NotALook;

impl Look {
    /// Of these parts of a signature; without an opening where the program does first
    /// whatever its user says, and any will do.
    ///
    /// # Errors
    /// No signature has such parts.
    pub fn new(protocol: Protocol, form: &str, opening: Option<&str>) -> Result<Self, NotALook> {
        let parts = [VERSION, protocol.name(), NONE, NONE, form, opening.unwrap_or(NONE)];
        let look = Signature::of(parts).map_err(|_| NotALook)?;
        if form == NONE || opening == Some(NONE) { Err(NotALook) } else { Ok(Self(look)) }
    }

    /// What is spoken.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.0.protocol()
    }

    /// How it speaks.
    #[must_use]
    pub fn form(&self) -> &str {
        self.0.form()
    }

    /// What it does first, if that tells.
    #[must_use]
    pub fn opening(&self) -> Option<&str> {
        Some(self.0.opening()).filter(|opening| !opening.is_empty())
    }

    /// True if what was seen looks so: it speaks in the same way, and begins in this way
    /// or nearly. Whatever it calls itself.
    #[must_use]
    pub fn is_of(&self, seen: &Signature) -> bool {
        let protocol = self.protocol();
        protocol == seen.protocol()
            && compare::form(protocol, self.form(), seen.form()) == Alike::Equal
            && self.opening().is_none_or(|opening| compare::opening(protocol, opening, seen.opening()) != Alike::Far)
    }
}
