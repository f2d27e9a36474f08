//! It keeps the contract.

use std::sync::Arc;

use keeper::Store;
use tempfile::TempDir;

async fn open() -> (Arc<dyn Store>, TempDir) {
    let folder = super::folder();
    (Arc::new(super::open(&folder)), folder)
}

testkit::contract_suite!(open);
