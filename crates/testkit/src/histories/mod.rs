//! Random histories of accounts and app passwords, lived through by a keeper
//! over a store and by a `model` that is small enough to be seen to be right.
//! After each act both have to answer the same.
//!
//! `PROPTEST_CASES` raises the number of histories; one that fails is cut down
//! to the acts that it takes. The keeper's clock moves when a history says so, and
//! tokio's is paused, so that refusals cost no second: a store with timers of
//! its own needs a runtime of its own.
//!
//! **To run them on another store:** call [`agree_with_the_model`] in a test,
//! with what makes an empty database and opens it again and again.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a history that cannot go on has failed its test")]

mod act;
mod model;
mod world;

use keeper::Store;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

/// The longest history, in acts.
const LONGEST: u32 = 60;

/// Runs so many random histories, or more with `PROPTEST_CASES`. `new` makes an empty database whose audit is sealed
/// with [`crate::contract::key`], and returns what opens it: once at first, and
/// again after each restart, when the store that was opened before is dropped.
pub fn agree_with_the_model<Open>(histories: u32, new: impl Fn() -> Open)
where
    Open: AsyncFn() -> Box<dyn Store>,
{
    // A number of inputs to a parser; a history takes a thousand times as long as one.
    let inputs = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(0_u32);
    let cases = histories * (inputs / 4096).max(1);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let history = proptest::collection::vec(act::any(), 1..LONGEST as usize);
    let outcome = TestRunner::new(config).run(&history, |history| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(live(&history, new())).map_err(TestCaseError::fail)
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

async fn live<Open: AsyncFn() -> Box<dyn Store>>(history: &[act::Act], open: Open) -> Result<(), String> {
    let mut model = model::Model::new();
    let mut world = world::World::new(open).await;
    for (at, act) in history.iter().enumerate() {
        let code = model.code(act);
        let (said, expected) = (world.act(act, code).await, model.act(act, code));
        if said != expected {
            return Err(format!("act {at}, {act:?}: the keeper says {said:?}, the model {expected:?}"));
        }
        let (is, should_be) = (world.glance().await, model.glance());
        if is != should_be {
            return Err(format!("after act {at}, {act:?}: {is:#?}, and should be {should_be:#?}"));
        }
    }
    let (is, should_be) = (world.look().await, model.look());
    if is == should_be { Ok(()) } else { Err(format!("at the end: {is:#?}, and should be {should_be:#?}")) }
}
