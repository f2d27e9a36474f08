//! The arrows between the crates point the way ARCHITECTURE.md says.

use std::collections::BTreeMap;

use cargo_metadata::{DependencyKind, MetadataCommand};

/// What each crate may know, tests aside. A crate that is not listed may know nothing.
const ALLOWED: &[(&str, &[&str])] = &[
    ("fingerprint", &[]),
    ("authority", &["fingerprint"]),
    ("protocols", &["fingerprint"]),
    ("front", &[]),
    ("keeper", &["authority"]),
    ("store", &["authority", "keeper"]),
    ("gateway", &["authority", "fingerprint", "front", "keeper", "protocols"]),
    ("notices", &["authority", "keeper"]),
    ("portal", &["authority", "keeper", "notices"]),
    ("postern", &["authority", "front", "gateway", "keeper", "notices", "portal", "protocols", "store"]),
    ("testkit", &["authority", "keeper"]),
    ("e2e", &[]),
    ("bench", &["authority", "fingerprint", "e2e", "keeper", "store", "testkit"]),
    ("xtask", &["e2e"]),
];

#[test]
fn every_arrow_is_one_that_the_architecture_allows() {
    let metadata = MetadataCommand::new().no_deps().exec().expect("cargo metadata runs");
    let ours: Vec<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    let mut wrong = Vec::new();
    for package in &metadata.packages {
        let may = allowed.get(package.name.as_str()).copied().unwrap_or(&[]);
        for dependency in package.dependencies.iter().filter(|of| of.kind != DependencyKind::Development) {
            let name = dependency.name.as_str();
            if ours.contains(&name) && !may.contains(&name) {
                wrong.push(format!("{} -> {name}", package.name));
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that ARCHITECTURE.md does not have: {}", wrong.join(", "));
    assert_eq!(ours.len(), ALLOWED.len(), "a crate is missing from the list, or is gone: {ours:?}");
}

/// The law and the wire are computed, not waited for: whoever reads them can be
/// sure that nothing in them asks a clock, a disk or a network.
#[test]
fn the_law_and_the_wire_know_no_io() {
    const IO: &[&str] =
        &["async-trait", "getrandom", "hyper", "mio", "rusqlite", "rustix", "rustls", "socket2", "tokio"];
    let metadata = MetadataCommand::new().no_deps().exec().expect("cargo metadata runs");
    let mut wrong = Vec::new();
    for package in metadata
        .packages
        .iter()
        .filter(|package| ["authority", "fingerprint", "protocols"].contains(&package.name.as_str()))
    {
        for dependency in package.dependencies.iter().filter(|of| of.kind != DependencyKind::Development) {
            if IO.contains(&dependency.name.as_str()) {
                wrong.push(format!("{} -> {}", package.name, dependency.name));
            }
        }
    }
    assert!(wrong.is_empty(), "these do IO: {}", wrong.join(", "));
}
