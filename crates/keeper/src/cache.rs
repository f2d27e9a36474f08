//! What sign-ins looked up lately. A hit answers exactly as the store would.

use std::sync::{Arc, PoisonError, atomic::Ordering};

use authority::{Account, AppPassword, Login};

use crate::{
    Digest, Store, StoreError,
    by_id::ById,
    sync::{AtomicU64, Bounded, Mutex},
};

/// So many logins are remembered; an account's passwords live and die with it.
const LOGINS: usize = 20_000;

/// An account as read at one moment, with those of its app passwords that were
/// used since.
pub(crate) struct Known {
    pub(crate) account: Account,
    passwords: Mutex<ById<Digest, Arc<AppPassword>>>,
}

/// Bounded, and forgotten account by account.
pub(crate) struct Cache {
    logins: Bounded<Login, Arc<Known>>,
    /// Moves on with every change. What was read under an older number is
    /// answered, but not kept.
    changes: AtomicU64,
    /// Held while something is kept or forgotten, never across a store call: or
    /// a read from before a change could be kept after it.
    keeping: Mutex<()>,
}

impl Cache {
    pub(crate) fn new() -> Self {
        Self { logins: Bounded::new(LOGINS), changes: AtomicU64::new(0), keeping: Mutex::new(()) }
    }

    /// The account with this login.
    pub(crate) async fn account(&self, store: &dyn Store, login: &Login) -> Result<Option<Arc<Known>>, StoreError> {
        if let Some(known) = self.logins.get(login) {
            return Ok(Some(known));
        }
        let before = self.changes.load(Ordering::Acquire);
        let Some(account) = store.account_by_login(login).await? else {
            return Ok(None);
        };
        let known = Arc::new(Known { account, passwords: Mutex::default() });
        let _keeping = self.keeping.lock().unwrap_or_else(PoisonError::into_inner);
        if self.changes.load(Ordering::Acquire) == before {
            self.logins.insert(login.clone(), known.clone());
        }
        Ok(Some(known))
    }

    /// The app password with this digest.
    pub(crate) async fn app_password(
        &self,
        store: &dyn Store,
        known: &Known,
        digest: &Digest,
    ) -> Result<Option<Arc<AppPassword>>, StoreError> {
        let passwords = || known.passwords.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(password) = passwords().get(digest) {
            return Ok(Some(password.clone()));
        }
        let before = self.changes.load(Ordering::Acquire);
        let Some(password) = store.app_password_by_digest(digest).await?.map(Arc::new) else {
            return Ok(None);
        };
        let _keeping = self.keeping.lock().unwrap_or_else(PoisonError::into_inner);
        if self.changes.load(Ordering::Acquire) == before {
            passwords().insert(*digest, password.clone());
        }
        Ok(Some(password))
    }

    /// Call when digests are made under another key.
    pub(crate) fn forget_all(&self) {
        let _keeping = self.keeping.lock().unwrap_or_else(PoisonError::into_inner);
        self.changes.fetch_add(1, Ordering::Release);
        self.logins.clear();
    }

    /// Call after each change of the account or its passwords is committed and
    /// before it is acknowledged.
    pub(crate) fn forget(&self, account: &Account) {
        let _keeping = self.keeping.lock().unwrap_or_else(PoisonError::into_inner);
        self.changes.fetch_add(1, Ordering::Release);
        for login in std::iter::once(&account.login).chain(&account.aliases) {
            self.logins.remove(login);
        }
    }
}
