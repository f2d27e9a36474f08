//! Maps that every sign-in asks.

use std::collections::HashMap;

/// Its keys are ids, digests and names of doors: ours all, so that nobody chooses them
/// to collide, which is what the slower hasher of the standard library is for. A map
/// by what a client sent keeps that one.
pub(crate) type ById<K, V> = HashMap<K, V, foldhash::fast::RandomState>;
