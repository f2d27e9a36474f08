//! A keeper over it, through random histories.

use std::cell::Cell;

use keeper::Store;
use testkit::histories;

#[test]
fn random_histories_agree_with_the_model() {
    histories::agree_with_the_model(8, || {
        let (url, folder, run) = (super::database(), super::folder(), Cell::new(0));
        async move || {
            run.set(run.get() + 1);
            Box::new(super::open(&url, &folder, run.get()).await) as Box<dyn Store>
        }
    });
}
