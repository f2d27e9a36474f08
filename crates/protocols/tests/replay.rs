//! The fuzz targets, run on their seeds: what was once found stays found.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

#[allow(unreachable_pub, reason = "the fuzzers call them from other crates")]
#[path = "../../../fuzz/src/targets.rs"]
mod targets;

use std::{fs, path::Path};

/// Octets for each way of cutting them: whole, one by one, and in between.
const SIZES: [u8; 5] = [0, 1, 2, 7, 64];

#[test]
fn every_seed_goes_through_its_target() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    for (name, target) in targets::ALL {
        let seeds = fs::read_dir(fuzz.join("seeds").join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut count = 0;
        for seed in seeds {
            let octets = fs::read(seed.unwrap().path()).unwrap();
            target(&octets);
            // Seeds end anywhere, and are cut anyhow.
            let rest = octets.get(1..).unwrap_or_default();
            for size in SIZES {
                target(&[&[size], rest].concat());
            }
            count += 1;
        }
        assert!(count > 0, "{name} has no seeds");
    }
}

#[test]
fn every_target_is_one_of_the_fuzzers() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/Cargo.toml");
    let manifest = fs::read_to_string(manifest).unwrap();
    for (name, _) in targets::ALL {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is not in fuzz/Cargo.toml");
    }
}
