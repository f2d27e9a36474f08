//! It keeps the contract.

use std::sync::Arc;

use keeper::Store;
use tempfile::TempDir;

async fn open() -> (Arc<dyn Store>, TempDir) {
    let folder = super::folder();
    (Arc::new(super::open(&super::database(), &folder, 1).await), folder)
}

testkit::contract_suite!(open);
