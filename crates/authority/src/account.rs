//! A person's account, as far as deciding needs to know it.

use crate::{AccountId, Login, SealedSeed, Timestamp};

/// The facts about one account. A snapshot: it changes only in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Stable for good.
    pub id: AccountId,
    /// The canonical login, handed on to servers behind.
    pub login: Login,
    /// Other names it may sign in with.
    pub aliases: Vec<Login>,
    /// Whether it may be used at all.
    pub standing: Standing,
    /// Its primary password; none until its owner has set one.
    pub primary: Option<Primary>,
    /// Its second factor; while there is none, app passwords are suspended.
    pub second_factor: Option<SecondFactor>,
    /// When it was made.
    pub created: Timestamp,
    /// Counts changes of factors and standing: what was signed in to the portal
    /// under an earlier number is signed out.
    pub epoch: u64,
}

/// Whether an account may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It may.
    Active,
    /// An administrator has stopped it; everything of it is kept.
    Suspended,
}

/// Who has chosen a factor, and so has seen it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChosenBy {
    /// The owner, and nobody else.
    Owner,
    /// An administrator, when the account was made. The owner is asked to choose anew.
    Administrator,
}

/// What is kept of a primary password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Primary {
    /// To check it against.
    pub hash: PrimaryHash,
    /// Who has seen it.
    pub chosen_by: ChosenBy,
}

/// An Argon2id hash in PHC form. Opaque here: the keeper computes it.
#[derive(Clone, PartialEq, Eq)]
pub struct PrimaryHash(Box<str>);

impl PrimaryHash {
    /// Wraps a PHC string.
    pub fn new(phc: impl Into<Box<str>>) -> Self {
        Self(phc.into())
    }

    /// The PHC string.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for PrimaryHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PrimaryHash([redacted])")
    }
}

/// What stands beside the primary password. Passkeys will be another variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecondFactor {
    /// The TOTP seed, sealed under a key outside the database.
    pub seed: SealedSeed,
    /// The newest step that was accepted: it and all before are spent (RFC 6238, 5.2).
    pub last_step: u64,
    /// Who has seen the seed.
    pub chosen_by: ChosenBy,
}
