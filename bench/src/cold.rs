//! A cold decision: the keeper knows nothing of the account or the credential, so
//! SQLite is asked. Beside each other: a store of ten thousand credentials, and one
//! of ten million. Both lie in the system's page cache; SQLite's own, 8 MiB for a
//! connection, holds all of the small one and next to nothing of the large one.

use std::path::Path;

use authority::{Door, Secret};
use rand_core::Rng;
use testkit::Seeded;

use crate::{
    Extent, Outcome,
    filled_store::{self, PER_ACCOUNT},
    report::{Goal, Line, Unit, tell},
    series::Series,
    site,
    stopwatch::WorkWatch,
};

const SMALL: u64 = 10_000;
/// In the small store, how often a round begins anew with an empty cache.
const REPEATS: u64 = 10;
/// In the large store, accounts in one round: fewer than the keeper's cache holds.
const AT_MOST: u64 = 10_000;

pub(crate) fn measure(extent: &Extent) -> Outcome<Vec<Line>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(in_turns(extent))
}

async fn in_turns(extent: &Extent) -> Outcome<Vec<Line>> {
    let (few, many) = (site::folder()?, site::folder()?);
    let large = extent.credentials();
    filled_store::fill(few.path(), SMALL)?;
    filled_store::fill(many.path(), large)?;
    let stored = many.path().join("postern.db").metadata()?.len();
    tell(&format!("cold: {large} credentials, {} MB without audit", stored / 1_000_000));
    let mut random = Seeded::new(1);
    let (mut in_few, mut in_many) = (Series::default(), Series::default());
    for round in 1..=extent.rounds(9) {
        tell(&format!("decision: cold, round {round}"));
        let mut sum = 0.0;
        for _ in 0..REPEATS {
            sum += round_of(few.path(), SMALL, &mut random).await?;
        }
        in_few.push(sum / REPEATS as f64);
        in_many.push(round_of(many.path(), large, &mut random).await?);
    }
    let ratio = in_many.over(&in_few);
    Ok(vec![
        Line::new(format!("sign-in decision, cold, {large} credentials"), in_many, Unit::Micros).beside(
            format!("of cold among {SMALL}"),
            ratio,
            Unit::Times,
            Some(Goal::AtMost(3.0)),
        ),
        Line::new(format!("  cold, {SMALL} credentials"), in_few, Unit::Micros),
    ])
}

/// Microseconds per decision, each for another account, with any of its credentials.
async fn round_of(folder: &Path, credentials: u64, random: &mut Seeded) -> Outcome<f64> {
    let (keeper, door) = (site::open(folder).await?, site::door()?);
    let people = people(credentials / PER_ACCOUNT, random);
    // The first ones fill SQLite's cache, which in a server that runs is full.
    let (before, counted) = people.split_at(people.len() / 4);
    sign_in_each(&keeper, &door, before).await?;
    let watch = WorkWatch::start();
    sign_in_each(&keeper, &door, counted).await?;
    Ok(watch.micros() / counted.len() as f64)
}

async fn sign_in_each(keeper: &keeper::Keeper, door: &Door, people: &[(String, Secret)]) -> Outcome<()> {
    for (login, secret) in people {
        site::sign_in(keeper, login, secret, door).await?;
    }
    Ok(())
}

/// Different accounts in no order, spread evenly over all of them.
fn people(accounts: u64, random: &mut Seeded) -> Vec<(String, Secret)> {
    let count = accounts.min(AT_MOST);
    let stride = accounts / count;
    let mut people: Vec<_> = (0..count)
        .map(|place| {
            let account = place * stride + random.next_u64() % stride;
            let credential = account * PER_ACCOUNT + random.next_u64() % PER_ACCOUNT;
            (site::login(account), filled_store::secret(credential))
        })
        .collect();
    for at in (1..people.len()).rev() {
        people.swap(at, usize::try_from(random.next_u64() % (at as u64 + 1)).unwrap_or(at));
    }
    people
}
