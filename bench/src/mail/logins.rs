//! Sign-ins: a new connection, a whole TLS handshake, a sign-in, goodbye. Counted for
//! each second of processor time that the server took for them.

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::{Peer, Protocol, Who, Yard, client::Client};
use crate::{
    Extent, Outcome,
    report::{Goal, Line, Unit, tell},
    series::Series,
    stopwatch::Stopwatch,
    tls,
};

/// Clients at once.
const AT_ONCE: usize = 32;

/// Of the protocols beside IMAP.
pub(crate) fn measure_others(extent: &Extent) -> Outcome<Vec<Line>> {
    let lines = Protocol::OTHERS.into_iter().map(|protocol| measure(extent, protocol));
    Ok(lines.collect::<Outcome<Vec<_>>>()?.concat())
}

pub(crate) fn measure(extent: &Extent, protocol: Protocol) -> Outcome<Vec<Line>> {
    let yard = Yard::new(protocol)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(in_turns(&yard, extent))
}

async fn in_turns(yard: &Yard, extent: &Extent) -> Outcome<Vec<Line>> {
    let seconds = if extent.quick { 1.0 } else { 2.0 };
    let (tls, people) = (tls::connector()?, Arc::new(yard.people.clone()));
    let peers = Who::all(yard.protocol).iter().map(|&who| (who, who.start(yard)));
    let sign_ins = format!("{} sign-ins", yard.protocol.name());
    let mut measured = vec![];
    for (who, peer) in peers {
        let peer = Arc::new(peer?);
        // First uses are committed, page faults happen: neither is a sign-in.
        logins(&peer, &tls, &people, 0.5).await?;
        measured.push((who, peer, Series::default(), Series::default()));
    }
    for round in 1..=extent.rounds(9) {
        for (who, peer, per_core_second, per_second) in &mut measured {
            tell(&format!("{sign_ins}: round {round}, {}", who.name()));
            let (counted, worked, took) = logins(peer, &tls, &people, seconds).await?;
            per_core_second.push(counted / worked);
            per_second.push(counted / took);
        }
    }
    let of = |one: Who| measured.iter().find(|(who, ..)| *who == one).map(|(.., series, _)| series.clone());
    let postern = of(Who::Postern).ok_or("Postern was not measured")?;
    let mut lines = vec![];
    for (who, _, series, per_second) in &measured {
        let ratio = postern.over(series);
        let (unit, goal) = match who {
            Who::Haproxy => (Unit::Times, Some(Goal::AtLeast(1.5))),
            Who::Pump => (Unit::Percent, Some(Goal::AtLeast(0.85))),
            _ => (Unit::Times, None),
        };
        if *who == Who::Postern {
            lines.push(Line::new(format!("{sign_ins}, Postern"), series.clone(), Unit::PerCoreSecond));
        } else {
            let what = format!("  {} ({:.0} /s by the clock)", who.name(), per_second.median());
            let line = Line::new(what, series.clone(), Unit::PerCoreSecond);
            lines.push(line.beside("is Postern's", ratio, unit, goal));
        }
    }
    Ok(lines)
}

/// How many sign-ins, in how much processor time of the server, in how many seconds.
async fn logins(
    peer: &Arc<Peer>,
    tls: &TlsConnector,
    people: &Arc<Vec<(String, String)>>,
    seconds: f64,
) -> Outcome<(f64, f64, f64)> {
    let (before, watch) = (peer.server.worked(), Stopwatch::start());
    let mut clients = JoinSet::new();
    for at in 0..AT_ONCE {
        let (tls, people, peer) = (tls.clone(), people.clone(), peer.clone());
        clients.spawn(async move {
            let (who, source) = (&people[at % people.len()], u8::try_from(at % 200)? + 1);
            let mut counted = 0_u32;
            while watch.seconds() < seconds {
                Client::signed_in(&peer, source, &tls, who).await?.leave().await?;
                counted += 1;
            }
            Outcome::Ok(counted)
        });
    }
    let mut counted = 0.0;
    while let Some(client) = clients.join_next().await {
        counted += f64::from(client?.map_err(|why| format!("{why}\n{}", peer.server.said()))?);
    }
    Ok((counted, peer.server.worked() - before, watch.seconds()))
}
