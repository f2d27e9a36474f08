//! A warm sign-in decision: everything it needs is in the cache, as it is for who
//! signs in again. State, network and scope are looked at, the live session is
//! entered and left, the use is enqueued. Beside it, what a guess at a primary
//! password costs.

use argon2::{Algorithm, Argon2, Params, Version};
use keeper::HashCost;

use crate::{
    Extent, Outcome,
    report::{Goal, Line, Unit, tell},
    series::Series,
    site,
    stopwatch::WorkWatch,
};

const ACCOUNTS: u64 = 1_000;
const PASSES: u64 = 200;
const HASHES: u32 = 20;

pub(crate) fn measure(extent: &Extent) -> Outcome<Vec<Line>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(in_turns(extent))
}

async fn in_turns(extent: &Extent) -> Outcome<Vec<Line>> {
    let folder = site::folder()?;
    let (keeper, door) = (site::open(folder.path()).await?, site::door()?);
    let mut people = vec![];
    for number in 0..ACCOUNTS {
        let mandate = site::account(&keeper, number).await?;
        let issued = keeper.issue(&mandate, site::request()?).await?;
        let login = site::login(number);
        // The first use is committed, and is another matter.
        site::sign_in(&keeper, &login, &issued.secret, &door).await?;
        people.push((login, issued.secret));
    }
    let (mut warm, mut hash) = (Series::default(), Series::default());
    for round in 1..=extent.rounds(9) {
        tell(&format!("decision: warm, round {round}"));
        let watch = WorkWatch::start();
        for _ in 0..PASSES {
            for (login, secret) in &people {
                site::sign_in(&keeper, login, secret, &door).await?;
            }
        }
        warm.push(watch.micros() / (PASSES * ACCOUNTS) as f64);
        hash.push(argon2id()?);
    }
    let ratio = hash.over(&warm);
    Ok(vec![
        Line::new("sign-in decision, warm", warm, Unit::Micros).promised(Goal::AtMost(2.0)).beside(
            "quicker than Argon2id",
            ratio,
            Unit::Times,
            None,
        ),
        Line::new("  Argon2id, 19 MiB, two passes", hash, Unit::Micros),
    ])
}

/// Microseconds for one hash at the cost that Postern uses.
fn argon2id() -> Outcome<f64> {
    let HashCost { memory, passes } = HashCost::default();
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(memory, passes, 1, Some(32))?);
    let mut out = [0; 32];
    let watch = WorkWatch::start();
    for _ in 0..HASHES {
        argon2.hash_password_into(b"correct horse battery staple", &[1; 16], &mut out)?;
    }
    Ok(watch.micros() / f64::from(HASHES))
}
