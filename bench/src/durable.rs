//! Issuing and revoking, each on the disk before it is acknowledged: 64 callers at
//! once, beside one caller, for whom every call waits for the disk by itself.

use std::{
    fs::OpenOptions,
    io::Write,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use keeper::{FreshMandate, Keeper};
use tokio::task::JoinSet;

use crate::{
    Extent, Outcome,
    report::{Goal, Line, Unit, tell},
    series::Series,
    site,
    stopwatch::Stopwatch,
};

const CALLERS: u64 = 64;

pub(crate) fn measure(extent: &Extent) -> Outcome<Vec<Line>> {
    tokio::runtime::Runtime::new()?.block_on(in_turns(extent))
}

async fn in_turns(extent: &Extent) -> Outcome<Vec<Line>> {
    let time = Duration::from_secs(1);
    let folder = site::folder()?;
    let keeper = Arc::new(site::open(folder.path()).await?);
    let mut mandates = vec![];
    for number in 0..CALLERS {
        mandates.push(Arc::new(site::account(&keeper, number).await?));
    }
    let (mut many, mut one, mut bare) = (Series::default(), Series::default(), Series::default());
    for round in 1..=extent.rounds(15) {
        let alone = pairs(&keeper, &mandates[..1], time).await?;
        let together = pairs(&keeper, &mandates, time).await?;
        let waits = bare_pairs(folder.path(), time)?;
        // Told one by one: what is gained depends on how long the disk takes.
        tell(&format!("durable: round {round}, one caller {alone:.0} /s, 64 {together:.0} /s, bare {waits:.0} /s"));
        one.push(alone);
        many.push(together);
        bare.push(waits);
    }
    let (ratio, waits, over_bare) = (many.over(&one), one.over(&bare), many.over(&bare));
    Ok(vec![
        Line::new("issue + revoke, durable, 64 callers", many, Unit::PerSecond).beside(
            "of one fsync a call",
            ratio,
            Unit::Times,
            Some(Goal::AtLeast(15.0)),
        ),
        Line::new("  one caller, an fsync for each call", one, Unit::PerSecond).beside(
            "of the next line",
            waits,
            Unit::Percent,
            None,
        ),
        Line::new("  4 KiB appended + fdatasync, twice, no database", bare, Unit::PerSecond).beside(
            "64 callers, of this",
            over_bare,
            Unit::Times,
            None,
        ),
    ])
}

/// How often per second these callers, at once, issue a password and revoke it.
async fn pairs(keeper: &Arc<Keeper>, mandates: &[Arc<FreshMandate>], time: Duration) -> Outcome<f64> {
    let (over, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let watch = Stopwatch::start();
    let mut callers = JoinSet::new();
    for mandate in mandates {
        let (keeper, mandate, over, done) = (keeper.clone(), mandate.clone(), over.clone(), done.clone());
        callers.spawn(async move {
            while !over.load(Ordering::Relaxed) {
                let issued = keeper.issue(&mandate, site::request()?).await?;
                let revoked = keeper.revoke(&mandate, issued.password.id).await?;
                revoked.ok_or("what was issued could not be revoked")?;
                done.fetch_add(1, Ordering::Relaxed);
            }
            Outcome::Ok(())
        });
    }
    tokio::time::sleep(time).await;
    over.store(true, Ordering::Relaxed);
    while let Some(caller) = callers.join_next().await {
        caller??;
    }
    Ok(done.load(Ordering::Relaxed) as f64 / watch.seconds())
}

/// Pairs of bare waits for the disk per second, with as little written as a commit writes.
fn bare_pairs(folder: &Path, time: Duration) -> Outcome<f64> {
    let mut file = OpenOptions::new().create(true).append(true).open(folder.join("bare"))?;
    let (watch, mut waits) = (Stopwatch::start(), 0_u32);
    while watch.seconds() < time.as_secs_f64() {
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
        waits += 1;
    }
    Ok(f64::from(waits) / 2.0 / watch.seconds())
}
