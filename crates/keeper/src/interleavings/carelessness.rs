//! Revocations that leave a step out, or take two in the wrong order, against
//! the real sign-in: the orders that `admission` tries have to find each of them.

use std::{collections::BTreeSet, sync::Arc};

use authority::Event;

use super::scene::{
    ANSWERS,
    Orders::{All, Interrupted},
    Scene, explore,
};
use crate::{Store, live_session::Around};

impl Scene {
    async fn commit(&self) {
        let entry = self.mandate.entry(self.keeper.now(), Event::AppPasswordRevoked { id: self.password });
        assert!(self.store.revoke(self.account.id, self.password, &entry).await.unwrap());
    }

    fn forget(&self) {
        self.keeper.cache.forget(&self.account);
    }
}

/// What goes wrong, in some order, with a sign-in beside such a revocation.
fn found<F>(careless: impl Fn(Arc<Scene>) -> F + Clone + Send + Sync + 'static) -> BTreeSet<&'static str>
where
    F: Future<Output = ()> + Send,
{
    let report = explore(Interrupted(2), move |scene| {
        let careless = careless.clone();
        async move {
            drop((scene.app().await, scene.app().await));
            let app = scene.spawn(async |scene| scene.app().await);
            careless(scene.clone()).await;
            scene.acknowledge();
            scene.look_back(app.join().unwrap()).await;
        }
    });
    report.what_went_wrong()
}

#[test]
fn a_revocation_without_a_fence_is_found() {
    let found = found(async |scene| {
        scene.commit().await;
        scene.forget();
    });
    for wrong in ["open", "listed", "byte"] {
        assert!(found.iter().any(|what| what.contains(wrong)), "{wrong}: {found:?}");
    }
}

#[test]
fn a_fence_that_is_lowered_before_the_commit_is_found() {
    let found = found(async |scene| {
        drop(scene.keeper.registry.fence(scene.account.id, Around::AppPassword(scene.password)));
        scene.commit().await;
        scene.forget();
    });
    assert!(found.contains("a session is open after the acknowledgement"), "{found:?}");
}

#[test]
fn a_fence_that_is_lowered_before_the_cache_forgets_is_found() {
    let found = found(async |scene| {
        let fence = scene.keeper.registry.fence(scene.account.id, Around::AppPassword(scene.password));
        scene.commit().await;
        drop(fence);
        scene.forget();
    });
    assert!(found.contains("a session is open after the acknowledgement"), "{found:?}");
}

#[test]
fn a_cache_that_forgets_before_the_commit_is_found() {
    let found = found(async |scene| {
        let fence = scene.keeper.registry.fence(scene.account.id, Around::AppPassword(scene.password));
        scene.forget();
        scene.commit().await;
        drop(fence);
    });
    assert!(found.contains("a sign-in is admitted after the acknowledgement"), "{found:?}");
}

/// The same frame, and all steps in their order: it is not the frame that fails.
#[test]
fn with_all_steps_in_order_nothing_is_found() {
    let report = explore(All, async |scene| {
        drop((scene.app().await, scene.app().await));
        let app = scene.spawn(async |scene| scene.app().await);
        let fence = scene.keeper.registry.fence(scene.account.id, Around::AppPassword(scene.password));
        scene.commit().await;
        scene.forget();
        drop(fence);
        scene.acknowledge();
        scene.look_back(app.join().unwrap()).await;
    });
    report.is_sound(&ANSWERS);
}
