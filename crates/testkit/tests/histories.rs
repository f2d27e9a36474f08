//! A keeper over the store in memory, through random histories.

use keeper::Store;
use testkit::{MemoryStore, contract, histories};

#[test]
fn random_histories_agree_with_the_model() {
    histories::agree_with_the_model(256, || {
        let kept = MemoryStore::new(contract::key());
        async move || Box::new(kept.clone()) as Box<dyn Store>
    });
}
