//! What an idle session costs: ten thousand of them, signed in, for IMAP a mailbox
//! selected, in IDLE. The growth of the server's memory is divided by their number. What
//! the kernel keeps for the sockets is the same for all, and not counted.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio_rustls::TlsConnector;

use super::{Peer, Protocol, Who, Yard, client::Client};
use crate::{
    Extent, Outcome,
    machine::descriptors,
    report::{Goal, Line, Unit, tell},
    series::Series,
    tls,
};

/// As many as a listener of Postern takes.
const SESSIONS: u64 = 10_000;
/// Signing in at once.
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
    let name = yard.protocol.name();
    let sessions = possible(name);
    let sessions = if extent.quick { sessions.min(2_000) } else { sessions };
    let (tls, people) = (tls::connector()?, Arc::new(yard.people.clone()));
    let mut measured: Vec<_> = Who::all(yard.protocol).iter().map(|&who| (who, Series::default())).collect();
    for round in 1..=extent.rounds(3) {
        for (who, series) in &mut measured {
            tell(&format!("idle {name} sessions: round {round}, {}", who.name()));
            // A new one each time: memory that was given back would be taken again.
            let peer = who.start(yard)?;
            let each = each_takes(&peer, &tls, &people, sessions).await;
            series.push(each.map_err(|why| format!("{}: {why}\n{}", who.name(), peer.server.said()))?);
        }
    }
    let postern = measured.first().map(|(_, series)| series.clone()).ok_or("Postern was not measured")?;
    let lines = measured.into_iter().map(|(who, series)| {
        if who == Who::Postern {
            let what = format!("memory per idle {name} session, Postern, {sessions} of them");
            return Line::new(what, series, Unit::Kibibytes).promised(Goal::AtMost(9.0));
        }
        let ratio = postern.over(&series);
        Line::new(format!("  {}", who.name()), series, Unit::Kibibytes).beside("is Postern's", ratio, Unit::Times, None)
    });
    Ok(lines.collect())
}

/// As many sessions as there may be here.
pub(super) fn possible(part: &str) -> u64 {
    // Each takes two descriptors of the server, and nginx asks itself about each.
    let possible = (descriptors().saturating_sub(1_000) / 2).min(SESSIONS);
    if possible < SESSIONS {
        tell(&format!("{part}: {possible} sessions, as many as descriptors may be open here"));
    }
    possible
}

/// KiB for each.
async fn each_takes(
    peer: &Peer,
    tls: &TlsConnector,
    people: &Arc<Vec<(String, String)>>,
    sessions: u64,
) -> Outcome<f64> {
    // Code and tables that are there once, however many sessions there are.
    drop(open(peer, tls, people, 50).await?);
    settle().await;
    let before = peer.server.memory()?;
    let open = open(peer, tls, people, sessions).await?;
    settle().await;
    let after = peer.server.memory()?;
    drop(open);
    Ok((after as f64 - before as f64) / sessions as f64)
}

/// As many sessions as asked for, that say nothing; people take turns.
pub(super) async fn open(
    peer: &Peer,
    tls: &TlsConnector,
    people: &Arc<Vec<(String, String)>>,
    sessions: u64,
) -> Outcome<Vec<Client>> {
    let opening = (0..usize::try_from(sessions)?).map(|number| async move {
        let source = u8::try_from(number / 100 % 200)? + 1;
        let mut client = Client::signed_in(peer, source, tls, &people[number % people.len()]).await?;
        client.go_through(&peer.protocol.idle()).await?;
        Outcome::Ok(client)
    });
    stream::iter(opening).buffer_unordered(AT_ONCE).try_collect().await
}

/// Ends are noticed, journals written: there is nothing to wait for that would say so.
async fn settle() {
    tokio::time::sleep(Duration::from_secs(2)).await;
}
