//! A keeper over it, through random histories.

use keeper::Store;
use testkit::histories;

#[test]
fn random_histories_agree_with_the_model() {
    histories::agree_with_the_model(64, || {
        let folder = super::folder();
        async move || Box::new(super::open(&folder)) as Box<dyn Store>
    });
}
