//! It keeps the contract.

use std::sync::Arc;

use keeper::Store;

async fn open() -> (Arc<dyn Store>, ()) {
    (Arc::new(super::open(&super::database()).await), ())
}

testkit::contract_suite!(open);
