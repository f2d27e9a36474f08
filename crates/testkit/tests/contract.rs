//! The store in memory keeps the contract.

use std::sync::Arc;

use keeper::Store;
use testkit::{MemoryStore, contract};

async fn open() -> (Arc<dyn Store>, ()) {
    (Arc::new(MemoryStore::new(contract::key())), ())
}

testkit::contract_suite!(open);

#[tokio::test]
async fn taken_away_it_fails_and_changes_nothing() {
    let store = MemoryStore::new(contract::key());
    let alice = testkit::account("alice@example.org");
    let entry = testkit::by_admin(&alice, 0, authority::Event::AccountReset);
    store.set_available(false);
    assert!(matches!(store.record(&entry).await, Err(keeper::StoreError::Unavailable(_))));
    assert!(matches!(store.newest().await, Err(keeper::StoreError::Unavailable(_))));
    store.set_available(true);
    assert_eq!(store.newest().await.unwrap(), None);
}
