//! A sign-in against whatever ends its right, in every order that their threads
//! can take.
//!
//! In the unit tests of this crate, [`crate::sync`] is loom's. So the keeper
//! that runs here is the real one, from `sign_in` and `revoke` down to the gate
//! of a session, over the store in memory; loom runs each test again and again
//! until no order of two steps that touch the same thing is left untried, and
//! stops when threads wait for each other for ever.
//!
//! Where threads share something else (the journal, the throttle, tokio's
//! `Notify`), a step is as long as the code between two of these. A unit test
//! that needs the keeper has to run in a model, too; others are in `tests/`.
//!
//! To look at an order that fails: `LOOM_LOG=trace LOOM_LOCATION=1`, and loom's
//! `LOOM_CHECKPOINT_FILE` to begin there.

mod admission;
mod carelessness;
mod scene;
pub(crate) mod sync;

#[path = "../../../testkit/src/memory/mod.rs"]
#[allow(dead_code, unreachable_pub, reason = "testkit's, over this crate and loom's locks")]
mod memory;
