//! The keys that are kept outside of the database, and what is done with them.

use authority::{AccountId, AuditKey, Letters, Login, RecoveryCode, SealedSeed, Seed};
use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead, KeyInit, Payload},
};
use hmac::{Hmac, Mac};
use rand_core::Rng;
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::Digest;

/// Everything secret that the server holds. Without it, who has the database
/// has digests that cannot be tried out and seeds that cannot be read.
pub struct Keys {
    /// Keyed already: a sign-in then costs four blocks of SHA-256, not six.
    server: Hmac<Sha256>,
    audit: AuditKey,
}

/// 32 random bytes, from which one key per purpose is derived.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct ServerKey([u8; 32]);

impl ServerKey {
    /// From 32 random bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
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
        let server = Hmac::new_from_slice(&server.0).expect("HMAC takes keys of any length");
        Self { server, audit }
    }

    /// The key of the audit chain, which the store seals with.
    pub fn audit(&self) -> &AuditKey {
        &self.audit
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

    pub(crate) fn unseal(&self, account: AccountId, sealed: &SealedSeed) -> Result<Seed, CannotUnseal> {
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
        self.server.clone().chain_update([length]).chain_update(purpose)
    }
}
