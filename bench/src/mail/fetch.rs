//! A mailbox fetched: megabytes for each second of processor time that the server
//! took to carry them.

use super::{Protocol, Who, Yard, client::Client, stub};
use crate::{
    Extent, Outcome,
    report::{Goal, Line, Unit, tell},
    series::Series,
    stopwatch::Stopwatch,
    tls,
};

/// A round lasts at least this long: the server's processor time is told in
/// hundredths of a second.
const SECONDS: f64 = 2.0;

pub(crate) fn measure(extent: &Extent) -> Outcome<Vec<Line>> {
    let yard = Yard::new(Protocol::Imap)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(in_turns(&yard, extent))
}

async fn in_turns(yard: &Yard, extent: &Extent) -> Outcome<Vec<Line>> {
    let tls = tls::connector()?;
    let who = yard.people.first().ok_or("nobody can sign in")?;
    let mut measured = vec![];
    for &peer in Who::all(yard.protocol) {
        let running = peer.start(yard)?;
        let mut client = Client::signed_in(&running, 1, &tls, who).await?;
        client.go_through(&[("b SELECT INBOX\r\n".into(), "b OK")]).await?;
        fetch(&mut client).await?;
        measured.push((peer, running, client, Series::default(), Series::default()));
    }
    for round in 1..=extent.rounds(9) {
        for (peer, running, client, per_core_second, per_second) in &mut measured {
            tell(&format!("imap-fetch: round {round}, {}", peer.name()));
            let (before, watch) = (running.server.worked(), Stopwatch::start());
            let mut megabytes = 0.0;
            while watch.seconds() < SECONDS {
                megabytes += fetch(client).await? / 1e6;
            }
            per_core_second.push(megabytes / (running.server.worked() - before));
            per_second.push(megabytes / watch.seconds());
        }
    }
    let of = |one: Who| measured.iter().find(|(who, ..)| *who == one).map(|(.., series, _)| series.clone());
    let postern = of(Who::Postern).ok_or("Postern was not measured")?;
    let mut lines = vec![];
    for (who, _, _, series, per_second) in &measured {
        let (unit, goal) = match who {
            Who::Nginx => (Unit::Times, Some(Goal::AtLeast(2.3))),
            Who::Pump => (Unit::Percent, Some(Goal::AtLeast(0.85))),
            _ => (Unit::Times, None),
        };
        let clock = format!("({:.0} MB/s by the clock)", per_second.median());
        if *who == Who::Postern {
            lines.push(Line::new(format!("FETCH, Postern {clock}"), series.clone(), Unit::MegabytesPerCoreSecond));
        } else {
            let line = Line::new(format!("  {} {clock}", who.name()), series.clone(), Unit::MegabytesPerCoreSecond);
            lines.push(line.beside("is Postern's", postern.over(series), unit, goal));
        }
    }
    Ok(lines)
}

/// Fetches the mailbox; the octets that came.
async fn fetch(client: &mut Client) -> Outcome<f64> {
    let mut room = vec![0; 256 * 1024];
    client.say("f UID FETCH 1:* (BODY.PEEK[])\r\n").await?;
    let octets = client.swallow(b"f OK done\r\n", &mut room).await?;
    let least = stub::MESSAGES * stub::MESSAGE;
    if octets < least as u64 {
        return Err(format!("{octets} octets came, and there are {least} in the messages alone").into());
    }
    Ok(octets as f64)
}
