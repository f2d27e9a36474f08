//! Argon2id, rationed: a flood of guesses may not take the machine.

use std::sync::Arc;

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use authority::{PrimaryHash, Secret};
use tokio::sync::Semaphore;

/// Hashes primary passwords on threads of their own.
pub(crate) struct Hashing {
    argon2: Argon2<'static>,
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

/// How much one hash costs.
#[derive(Clone, Copy, Debug)]
pub struct HashCost {
    /// KiB of memory.
    pub memory: u32,
    /// Passes over it.
    pub passes: u32,
}

impl Default for HashCost {
    /// OWASP's password storage sheet, 2024: 19 MiB, two passes, one lane.
    fn default() -> Self {
        Self { memory: 19 * 1024, passes: 2 }
    }
}

/// As many callers wait as will wait; this one is to try later.
#[derive(Debug)]
pub(crate) struct Busy;

impl Hashing {
    /// At most `at_once` hashes run, and 32 times as many callers wait.
    pub(crate) fn new(cost: HashCost, at_once: usize) -> Self {
        let params = Params::new(cost.memory, cost.passes, 1, Some(32)).unwrap_or(Params::DEFAULT);
        Self {
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            running: Arc::new(Semaphore::new(at_once)),
            waiting: Arc::new(Semaphore::new(at_once * 32)),
        }
    }

    pub(crate) async fn verify(&self, secret: &Secret, hash: &PrimaryHash) -> Result<bool, Busy> {
        let (secret, hash, argon2) = (secret.clone(), hash.clone(), self.argon2.clone());
        self.ration(move || {
            PasswordHash::new(hash.as_str())
                .is_ok_and(|hash| argon2.verify_password(secret.expose().as_bytes(), &hash).is_ok())
        })
        .await
    }

    pub(crate) async fn hash(&self, secret: &Secret, salt: [u8; 16]) -> Result<PrimaryHash, Busy> {
        let (secret, argon2) = (secret.clone(), self.argon2.clone());
        self.ration(move || {
            let hash = argon2.hash_password_with_salt(secret.expose().as_bytes(), &salt);
            PrimaryHash::new(hash.expect("the salt has 16 bytes and the parameters were checked").to_string())
        })
        .await
    }

    async fn ration<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Busy> {
        let _place = self.waiting.try_acquire().map_err(|_| Busy)?;
        let permit = self.running.clone().acquire_owned().await.map_err(|_| Busy)?;
        tokio::task::spawn_blocking(move || {
            // Held by the work, not by the caller: a client that hangs up frees no core.
            let _permit = permit;
            work()
        })
        .await
        .map_err(|_| Busy)
    }
}
