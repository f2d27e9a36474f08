//! What happened, in a chain that cannot be rewritten without the key.

use std::net::IpAddr;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{AccountId, AppPasswordId, Timestamp};

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Actor {
    /// The account's owner, signed in to the portal.
    Owner {
        /// From where.
        from: IpAddr,
    },
    /// Postern itself.
    Postern,
    /// Somebody at the command line, by the uid that the control socket saw.
    Administrator {
        /// The system's user id.
        uid: u32,
    },
    /// An app at a door.
    Door {
        /// The door's name.
        door: String,
        /// From where.
        from: IpAddr,
    },
}

/// What happened. New variants are added at the end; none is ever renamed,
/// because the chain holds their text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the fields say what they are")]
pub enum Event {
    /// An account was made.
    AccountAdded {
        login: String,
        factors: FactorsBy,
    },
    /// An account and all that belongs to it was removed.
    AccountRemoved {
        login: String,
    },
    AccountSuspended,
    AccountResumed,
    /// The owner used it to choose a primary password and a second factor.
    AccountSetUp,
    /// All factors were taken away and a new set-up was offered.
    AccountReset,
    PrimaryPasswordChanged,
    SecondFactorEnrolled,
    RecoveryCodesRenewed,
    RecoveryCodeUsed,
    PortalSignIn,
    /// Shown again, before something that needs it fresh.
    SecondFactorShown,
    AppPasswordIssued {
        id: AppPasswordId,
        label: String,
        app: String,
        scopes: String,
    },
    AppPasswordFirstUsed {
        id: AppPasswordId,
    },
    AppPasswordRevoked {
        id: AppPasswordId,
    },
    /// All that were alive; each has a line of its own behind this one.
    AllAppPasswordsRevoked,
    SessionsEnded {
        count: usize,
    },
    /// By its owner, with the old one at hand.
    SecondFactorReplaced,
    /// The database was older than the file of revocations beside it, by so many records.
    BackupRestored {
        missed: usize,
    },
    BackupMade,
    /// That file was lost.
    AllAccountsSuspended {
        accounts: u64,
    },
    /// What stands on the old one is good until then.
    ServerKeyRotated {
        old_key_until: Timestamp,
    },
    /// Others may know it: nothing stands on it any more.
    ServerKeyCompromised,
    /// The account's part of that: its codes are void, its second factor is to be
    /// set up anew; its app passwords have lines of their own behind this one.
    SecretsVoided,
    /// With the server key that they were made under, which has retired.
    RecoveryCodesVoided,
    /// A place has let the canary in: whoever can reach it needs no app password.
    BackDoorFound {
        place: String,
        with: String,
    },
    /// It does so no longer.
    BackDoorGone {
        place: String,
    },
    /// Another app than its own tried it, and was refused. `app` is the catalogue's
    /// name for it.
    AppLockRefused {
        id: AppPasswordId,
        app: Option<String>,
        door: String,
    },
    /// Its app came in a new form, which is known from now on.
    AppLockDrifted {
        id: AppPasswordId,
        door: String,
        what: String,
    },
    /// The owner lets this app use it too.
    AppAllowed {
        id: AppPasswordId,
        app: Option<String>,
    },
    /// It has forgotten its app, and waits for its first use again.
    AppLockRelearn {
        id: AppPasswordId,
    },
    /// Its app, as it shows itself there.
    AppLockPinned {
        id: AppPasswordId,
        door: String,
        client: String,
    },
    /// Enough owners' apps have come in this form for it to be the app's. The store
    /// writes it.
    AppFormLearnt {
        app: String,
        client: String,
    },
    /// An administrator has taken such a form back.
    AppFormForgotten {
        app: String,
        client: String,
    },
    /// Another app than its own used it, which is only watched.
    AppLockWatched {
        id: AppPasswordId,
        app: Option<String>,
        door: String,
    },
    /// A rule of the site is another one now, as its configuration says.
    RuleChanged {
        rule: String,
        from: String,
        to: String,
    },
}

/// Who chose the factors of a new account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FactorsBy {
    /// The owner will, with a set-up code.
    #[serde(rename = "left to the owner")]
    Owner,
    /// Chosen for the owner, who is to choose anew.
    #[serde(rename = "set by an administrator")]
    Administrator,
    /// Made for the canary, and known to nobody.
    #[serde(rename = "made by Postern")]
    Postern,
}

/// One line of the log, before it is sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// On whose account.
    pub account: Option<AccountId>,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}

impl Entry {
    /// Another event of the same moment and cause: a password that fell with
    /// the account's factors, say.
    #[must_use]
    pub fn also(&self, event: Event) -> Self {
        Self { event, ..self.clone() }
    }

    /// The text that is stored and sealed: verification reads it as it is and
    /// never depends on how a later version would write it.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("an entry has only strings, numbers and lists")
    }
}

impl Entry {
    /// Reads [`Entry::to_text`]; `None` for what a later version wrote.
    pub fn from_text(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

/// A line of the log as it stands in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedEntry {
    /// 1, 2, 3 and so on, without a gap.
    pub seq: u64,
    /// JSON of an [`Entry`].
    pub text: String,
    /// The first half of HMAC-SHA-256(key, previous seal, seq, text).
    pub seal: Seal,
}

/// The authenticator of a line and of all before it: 128 bits, as RFC 2104
/// (section 5) has it, because every line carries one. To forge one takes 2^128
/// tries or the key; under the key two logs could meet after 2^64 lines.
pub type Seal = [u8; 16];

/// What the first line is chained to.
pub const GENESIS: Seal = [0; 16];

/// The key of the chain. Kept outside of the database, so that who holds only
/// that cannot rewrite the past.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct AuditKey([u8; 32]);

impl std::fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuditKey([redacted])")
    }
}

impl AuditKey {
    /// From 32 random bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Seals a line behind the one that `previous` belongs to.
    pub fn seal(&self, previous: &Seal, seq: u64, text: &str) -> Seal {
        let whole: [u8; 32] = self.mac(previous, seq, text).finalize().into_bytes().into();
        std::array::from_fn(|at| whole[at])
    }

    fn mac(&self, previous: &Seal, seq: u64, text: &str) -> Hmac<Sha256> {
        Hmac::<Sha256>::new_from_slice(&self.0)
            .expect("HMAC takes keys of any length")
            .chain_update(previous)
            .chain_update(seq.to_be_bytes())
            .chain_update(text)
    }
}

/// Walks the chain line by line, so that a long log needs no memory.
#[derive(Debug)]
pub struct Verifier<'k> {
    key: &'k AuditKey,
    previous: Seal,
    seq: u64,
}

/// The chain is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A line is missing, doubled or out of order.
    #[error(
        "line {expected} of the audit log is missing (found {found}): lines were removed or reordered; restore the log from a backup and find out who could write to the database"
    )]
    Gap {
        /// The line that should have come.
        expected: u64,
        /// The line that came.
        found: u64,
    },
    /// A line or one before it was changed.
    #[error(
        "line {seq} of the audit log was changed, or was written under another key: compare it with a backup and find out who could write to the database"
    )]
    Seal {
        /// The line.
        seq: u64,
    },
}

impl<'k> Verifier<'k> {
    /// Starts at the first line.
    pub fn new(key: &'k AuditKey) -> Self {
        Self { key, previous: GENESIS, seq: 0 }
    }

    /// Checks the next line.
    pub fn check(&mut self, line: &SealedEntry) -> Result<(), Broken> {
        let expected = self.seq + 1;
        if line.seq != expected {
            return Err(Broken::Gap { expected, found: line.seq });
        }
        self.key
            .mac(&self.previous, line.seq, &line.text)
            .verify_truncated_left(&line.seal)
            .map_err(|_| Broken::Seal { seq: line.seq })?;
        (self.previous, self.seq) = (line.seal, expected);
        Ok(())
    }

    /// How many lines were checked, and the seal of the last one: the head that
    /// can be kept elsewhere, which shows a log whose end was cut off.
    pub fn head(&self) -> (u64, Seal) {
        (self.seq, self.previous)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(key: &AuditKey, n: u64) -> Vec<SealedEntry> {
        let mut previous = GENESIS;
        (1..=n)
            .map(|seq| {
                let text = Entry {
                    at: Timestamp::from_millis(i64::try_from(seq).unwrap()),
                    actor: Actor::Administrator { uid: 0 },
                    account: Some(AccountId::from_bytes([1; 10])),
                    event: Event::AccountAdded { login: format!("a{seq}@example.org"), factors: FactorsBy::Owner },
                }
                .to_text();
                let seal = key.seal(&previous, seq, &text);
                previous = seal;
                SealedEntry { seq, text, seal }
            })
            .collect()
    }

    fn verify(key: &AuditKey, lines: &[SealedEntry]) -> Result<(), Broken> {
        let mut verifier = Verifier::new(key);
        lines.iter().try_for_each(|line| verifier.check(line))
    }

    #[test]
    fn a_line_changed_removed_or_moved_is_found() {
        let key = AuditKey::new([7; 32]);
        let lines = chain(&key, 5);
        assert_eq!(verify(&key, &lines), Ok(()));

        let mut changed = lines.clone();
        changed[2].text = changed[2].text.replace("a3", "b3");
        assert_eq!(verify(&key, &changed), Err(Broken::Seal { seq: 3 }));

        let mut removed = lines.clone();
        removed.remove(2);
        assert_eq!(verify(&key, &removed), Err(Broken::Gap { expected: 3, found: 4 }));

        let mut renumbered = removed;
        renumbered.iter_mut().zip(1..).for_each(|(line, seq)| line.seq = seq);
        assert_eq!(verify(&key, &renumbered), Err(Broken::Seal { seq: 3 }));

        assert_eq!(verify(&AuditKey::new([8; 32]), &lines), Err(Broken::Seal { seq: 1 }));
    }

    #[test]
    fn an_entry_reads_back() {
        let text = &chain(&AuditKey::new([7; 32]), 1)[0].text;
        let entry: Entry = serde_json::from_str(text).unwrap();
        assert_eq!(entry.event, Event::AccountAdded { login: "a1@example.org".into(), factors: FactorsBy::Owner });
        assert_eq!(&entry.to_text(), text);
    }
}
