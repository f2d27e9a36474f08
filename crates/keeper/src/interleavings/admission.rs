//! Sign-ins against what ends their right.

use authority::Standing;

use super::scene::{
    ANSWERS, Orders,
    Orders::{All, AllIfFull, Interrupted},
    Scene, explore,
};
use crate::{SignIn, Which};

/// Every way of losing the right to come in.
const WAYS: [&str; 5] = ["revoke", "revoke-all", "suspend", "reset", "remove"];

async fn end(scene: &Scene, way: &str) {
    let (keeper, account, mandate) = (&scene.keeper, &scene.account, &scene.mandate);
    match way {
        "revoke" => drop(keeper.revoke(mandate, scene.password).await.unwrap()),
        "revoke-all" => drop(keeper.revoke_all(mandate).await.unwrap()),
        "suspend" => keeper.set_standing(account, mandate, Standing::Suspended).await.unwrap(),
        "reset" => drop(keeper.reset(account, mandate).await.unwrap()),
        _ => keeper.remove_account(account, mandate).await.unwrap(),
    }
}

/// One sign-in against one way, when the password was used so often before.
fn race(orders: Orders, way: &'static str, uses_before: usize) {
    let report = explore(orders, move |scene| async move {
        for _ in 0..uses_before {
            drop(scene.app().await);
        }
        let app = scene.spawn(async |scene| scene.app().await);
        end(&scene, way).await;
        scene.acknowledge();
        scene.look_back(app.join().unwrap()).await;
    });
    report.is_sound(&ANSWERS);
}

/// The first use makes the cache forget, the second fills it.
#[test]
fn a_use_that_the_cache_answers() {
    WAYS.into_iter().for_each(|way| race(All, way, 2));
}

#[test]
fn a_use_that_is_looked_up() {
    WAYS.into_iter().for_each(|way| race(AllIfFull(3), way, 1));
}

/// The password itself changes. The longest of them: all orders take minutes.
#[test]
fn a_first_use() {
    race(AllIfFull(3), "revoke", 0);
}

#[test]
fn two_uses_at_once() {
    let report = explore(Interrupted(2), async |scene| {
        drop(scene.app().await);
        let apps = [scene.spawn(async |scene| scene.app().await), scene.spawn(async |scene| scene.app().await)];
        scene.keeper.revoke(&scene.mandate, scene.password).await.unwrap();
        scene.acknowledge();
        scene.look_back(apps.into_iter().filter_map(|app| app.join().unwrap())).await;
    });
    report.is_sound(&ANSWERS);
}

/// Two fences stand at once, one of which covers the other; and neither stays.
#[test]
fn a_use_against_two_ends_at_once() {
    let report = explore(Interrupted(2), async |scene| {
        drop((scene.app().await, scene.app().await));
        let app = scene.spawn(async |scene| scene.app().await);
        let suspending = scene.spawn(async |scene| {
            scene.keeper.set_standing(&scene.account, &scene.mandate, Standing::Suspended).await.unwrap();
            scene.acknowledge();
        });
        scene.keeper.end_sessions(&scene.mandate, &Which::All).await.unwrap();
        suspending.join().unwrap();
        scene.look_back(app.join().unwrap()).await;
        let (account, mandate) = scene.keeper.administer(0, &scene.account.login).await.unwrap();
        scene.keeper.set_standing(&account, &mandate, Standing::Active).await.unwrap();
        assert!(matches!(scene.sign_in().await, SignIn::Admitted(..)), "a fence was left standing");
    });
    report.is_sound(&ANSWERS);
}

/// Who was let in before is out, hears of it, and writes not a byte more.
#[test]
fn a_session_that_stands_already() {
    let report = explore(All, async |scene| {
        let Some(session) = scene.app().await else { panic!("nobody has revoked it yet") };
        let app = scene.spawn(async move |scene| {
            scene.relay(&session).await;
            // Not to be told of the end would be to wait for ever: a deadlock.
            session.ended().await;
            session
        });
        let closed = scene.keeper.revoke(&scene.mandate, scene.password).await.unwrap();
        scene.acknowledge();
        if closed != Some(1) {
            scene.report.wrong("a session was not closed");
            scene.keeper.end_sessions(&scene.mandate, &Which::All).await.unwrap();
        }
        scene.look_back([app.join().unwrap()]).await;
    });
    report.is_sound(&["admitted"]);
}
