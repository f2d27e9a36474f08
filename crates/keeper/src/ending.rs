//! Changes that end what somebody has: raise the fence, commit, make the cache
//! forget, lower the fence, in this order, and to the end.

use std::{future::Future, sync::Arc};

use authority::Account;

use crate::{Keeper, Store, StoreError, Stored, live_session::Around, sync::to_its_end};

impl Keeper {
    /// Makes one such change; returns what the store said and how many sessions
    /// were closed. When it returns, nothing is admitted or relayed any more
    /// that stood on what was changed.
    ///
    /// It runs in a task of its own: a caller that goes away, a browser that
    /// closes, must not leave behind a change that is committed and that the
    /// cache still knows nothing of.
    pub(crate) async fn end<T, W>(
        &self,
        account: &Account,
        around: Around,
        change: impl FnOnce(Arc<dyn Store>) -> W,
    ) -> Stored<(T, usize)>
    where
        T: Send + 'static,
        W: Future<Output = Stored<T>> + Send + 'static,
    {
        let (registry, cache, account) = (self.registry.clone(), self.cache.clone(), account.clone());
        let change = change(self.store.clone());
        let ending = async move {
            let fence = registry.fence(account.id, around);
            let changed = change.await;
            cache.forget(&account);
            changed.map(|changed| (changed, fence.closed))
        };
        to_its_end(ending).await.unwrap_or_else(|why| Err(interrupted_change(&why)))
    }
}

impl Keeper {
    /// Makes a change of an account's app passwords that ends nothing: the same
    /// without a fence.
    pub(crate) async fn amend<T, W>(&self, account: &Account, change: impl FnOnce(Arc<dyn Store>) -> W) -> Stored<T>
    where
        T: Send + 'static,
        W: Future<Output = Stored<T>> + Send + 'static,
    {
        let (cache, account) = (self.cache.clone(), account.clone());
        let change = change(self.store.clone());
        let amending = async move {
            let changed = change.await;
            cache.forget(&account);
            changed
        };
        to_its_end(amending).await.unwrap_or_else(|why| Err(interrupted_change(&why)))
    }
}

fn interrupted_change(why: &str) -> StoreError {
    StoreError::Unsettled(
        format!("the change was interrupted ({why}): look whether it was made, then try again").into(),
    )
}
