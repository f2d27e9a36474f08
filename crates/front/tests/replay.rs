//! The fuzz targets of what comes ahead of every protocol, run on their seeds: what was
//! once found stays found.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

#[allow(unreachable_pub, reason = "the fuzzers call them from other crates")]
#[path = "../../../fuzz/src/front.rs"]
mod targets;

use std::{fs, path::Path};

#[test]
fn every_seed_goes_through_its_target() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    for (name, target) in targets::ALL {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is not in fuzz/Cargo.toml");
        let seeds = fs::read_dir(fuzz.join("seeds").join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut count = 0;
        for seed in seeds {
            let octets = fs::read(seed.unwrap().path()).unwrap();
            // Seeds end anywhere.
            for end in 0..=octets.len() {
                target(&octets[..end]);
            }
            count += 1;
        }
        assert!(count > 0, "{name} has no seeds");
    }
}
