//! The keys that are kept outside of the database, and what is done with them.

use std::io;

use authority::{AccountId, AuditKey, Letters, Login, RecoveryCode, SealedSeed, Seed, Timestamp};
use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead, KeyInit, Payload},
};
use hmac::{Hmac, Mac};
use rand_core::Rng;
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{Digest, Resealed};

/// Everything secret that the server holds. Without it, who has the database
/// has digests that cannot be tried out and seeds that cannot be read.
///
/// Whatever is made is made under the current server key. What was made under the
/// one before it is good for as long as [`Retiring`] says.
pub struct Keys {
    pub(crate) current: Key,
    old: Option<(Key, Retiring)>,
    audit: AuditKey,
    pub(crate) folder: Option<Box<dyn KeyFolder>>,
}

/// How long the server key before the current one is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retiring {
    /// Until then, for everything that was made under it.
    At(Timestamp),
    /// Not at all, since others may know it. It is there until the last seed is
    /// sealed under the current one.
    Now,
}

/// Where the server keys lie, beside the database. Each call is done, also for
/// whoever comes after a power cut, when it returns.
pub trait KeyFolder: Send + Sync + 'static {
    /// Keeps a copy of the current key as the old one, in the place of one that
    /// is there.
    fn put_aside(&self, retiring: Retiring) -> io::Result<()>;
    /// Puts this one in the place of the current key.
    fn replace(&self, key: &ServerKey) -> io::Result<()>;
    /// Wipes the old one.
    fn wipe_old(&self) -> io::Result<()>;
}

/// 32 random bytes, from which one key per purpose is derived.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct ServerKey([u8; 32]);

impl ServerKey {
    /// From 32 random bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, to be kept.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys([redacted])")
    }
}

/// A sealed seed does not open: it was moved between accounts, or sealed under
/// another key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a second factor cannot be unsealed: the server key is not the one it was sealed under; put back data/keys from the backup that belongs to this database"
)]
pub struct CannotUnseal;

impl Keys {
    /// Holds the two keys.
    pub fn new(server: ServerKey, audit: AuditKey) -> Self {
        Self { current: Key::new(&server), old: None, audit, folder: None }
    }

    /// Holds the server key before the current one as well.
    #[must_use]
    pub fn with_old(self, server: &ServerKey, retiring: Retiring) -> Self {
        Self { old: Some((Key::new(server), retiring)), ..self }
    }

    /// They lie here: where others may be put in their place.
    #[must_use]
    pub fn kept_in(self, folder: Box<dyn KeyFolder>) -> Self {
        Self { folder: Some(folder), ..self }
    }

    /// The key of the audit chain, which the store seals with.
    pub fn audit(&self) -> &AuditKey {
        &self.audit
    }

    /// How long the old key is good, if there is one.
    pub(crate) fn retiring(&self) -> Option<Retiring> {
        self.old.as_ref().map(|(_, retiring)| *retiring)
    }

    /// The old key, while what was made under it is good.
    pub(crate) fn old(&self, now: Timestamp) -> Option<&Key> {
        match &self.old {
            Some((key, Retiring::At(end))) if now < *end => Some(key),
            _ => None,
        }
    }

    /// Those under which a secret may have been made that is shown now.
    pub(crate) fn good(&self, now: Timestamp) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.current).chain(self.old(now))
    }

    /// Opens a seed, also one that is not sealed under the current key yet.
    pub(crate) fn unseal(&self, account: AccountId, sealed: &SealedSeed) -> Result<Seed, CannotUnseal> {
        let opened = self.current.unseal(account, sealed);
        match &self.old {
            Some((old, _)) => opened.or_else(|_| old.unseal(account, sealed)),
            None => opened,
        }
    }

    /// Seals a seed under the current key. `None` if it is already, or cannot be opened.
    pub(crate) fn reseal(&self, account: AccountId, was: &SealedSeed, rng: &mut impl Rng) -> Option<Resealed> {
        if self.current.unseal(account, was).is_ok() {
            return None;
        }
        let seed = self.unseal(account, was).ok()?;
        Some(Resealed { account, was: was.clone(), now: self.current.seal(account, &seed, rng) })
    }

    /// With another current key; the one before it is the old one.
    pub(crate) fn turned(&self, to: &ServerKey, retiring: Retiring) -> Self {
        let old = Some((self.current.clone(), retiring));
        Self { current: Key::new(to), old, audit: self.audit.clone(), folder: None }
    }

    /// Without the old key.
    pub(crate) fn retired(&self) -> Self {
        Self { current: self.current.clone(), old: None, audit: self.audit.clone(), folder: None }
    }
}

/// A server key at work.
#[derive(Clone)]
pub(crate) struct Key {
    /// Keyed already: a sign-in then costs four blocks of SHA-256, not six.
    keyed: Hmac<Sha256>,
}

impl Key {
    fn new(server: &ServerKey) -> Self {
        Self { keyed: Hmac::new_from_slice(&server.0).expect("HMAC takes keys of any length") }
    }

    pub(crate) fn app_password(&self, account: AccountId, letters: &Letters) -> Digest {
        self.digest(b"app password", account, letters.as_bytes())
    }

    pub(crate) fn recovery_code(&self, account: AccountId, code: &RecoveryCode) -> Digest {
        self.digest(b"recovery code", account, code.as_bytes())
    }

    pub(crate) fn set_up_code(&self, account: AccountId, code: &RecoveryCode) -> Digest {
        self.digest(b"set-up code", account, code.as_bytes())
    }

    /// A short name for a guessed secret, for the throttle's memory.
    pub(crate) fn guess(&self, account: AccountId, secret: &str) -> u64 {
        let Digest(bytes) = self.digest(b"guess", account, secret.as_bytes());
        u64::from_be_bytes(bytes[..8].try_into().expect("a digest has 32 bytes"))
    }

    /// What stands for the account of a login that nobody has.
    pub(crate) fn nobody(&self, login: &Login) -> AccountId {
        let mac: [u8; 32] = self.mac(b"nobody").chain_update(login.as_str()).finalize().into_bytes().into();
        AccountId::from_bytes(*mac.first_chunk().expect("a digest has 32 bytes"))
    }

    /// Seals a TOTP seed; the account is bound in, so that a row copied to
    /// another account does not open.
    pub(crate) fn seal(&self, account: AccountId, seed: &Seed, rng: &mut impl Rng) -> SealedSeed {
        let mut nonce = [0; 24];
        rng.fill_bytes(&mut nonce);
        let payload = Payload { msg: seed.as_bytes(), aad: account.as_bytes() };
        let sealed = self.aead().encrypt(&XNonce::from(nonce), payload).expect("XChaCha20-Poly1305 seals 20 bytes");
        SealedSeed([&nonce[..], &sealed].concat().into())
    }

    fn unseal(&self, account: AccountId, sealed: &SealedSeed) -> Result<Seed, CannotUnseal> {
        let (nonce, sealed) = sealed.0.split_first_chunk::<24>().ok_or(CannotUnseal)?;
        let payload = Payload { msg: sealed, aad: account.as_bytes() };
        let seed = Zeroizing::new(self.aead().decrypt(&XNonce::from(*nonce), payload).map_err(|_| CannotUnseal)?);
        Ok(Seed::from_bytes(seed.as_slice().try_into().map_err(|_| CannotUnseal)?))
    }

    fn aead(&self) -> XChaCha20Poly1305 {
        let key: Zeroizing<[u8; 32]> = Zeroizing::new(self.mac(b"seal").finalize().into_bytes().into());
        XChaCha20Poly1305::new((&*key).into())
    }

    /// HMAC-SHA-256(server key, purpose, account id, secret). Purpose and id
    /// have fixed lengths per use, so that no two inputs meet.
    fn digest(&self, purpose: &[u8], account: AccountId, secret: &[u8]) -> Digest {
        let mac = self.mac(purpose).chain_update(account.as_bytes()).chain_update(secret);
        Digest(mac.finalize().into_bytes().into())
    }

    fn mac(&self, purpose: &[u8]) -> Hmac<Sha256> {
        let length = u8::try_from(purpose.len()).expect("purposes are short words");
        self.keyed.clone().chain_update([length]).chain_update(purpose)
    }
}
