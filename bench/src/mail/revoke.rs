//! Revoking with ten thousand connections open: from the command on the command
//! line until the last socket is gone, all clients reading.

use std::{process::Command, sync::Arc};

use futures_util::future::join_all;
use tokio::task::spawn_blocking;

use super::{Protocol, Who, Yard, idle};
use crate::{
    Extent, Outcome,
    report::{Goal, Line, Unit, tell},
    series::Series,
    stopwatch::Stopwatch,
    tls,
};

/// What each client is told, and nothing else.
const GOODBYE: &[u8] = b"* BYE This session was ended.\r\n";

pub(crate) fn measure(extent: &Extent) -> Outcome<Vec<Line>> {
    let yard = Yard::new(Protocol::Imap)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(in_rounds(&yard, extent))
}

async fn in_rounds(yard: &Yard, extent: &Extent) -> Outcome<Vec<Line>> {
    let sessions = idle::possible("revoke");
    let tls = tls::connector()?;
    let postern = Who::Postern.start(yard)?;
    let (mut returned, mut gone, mut fence) = (Series::default(), Series::default(), Series::default());
    for (round, person) in (1..=extent.rounds(5)).zip(&yard.people) {
        tell(&format!("revoke: round {round}, {sessions} connections"));
        let clients = idle::open(&postern, &tls, &Arc::new(vec![person.clone()]), sessions).await?;
        let watch = Stopwatch::start();
        let revoking = async {
            let mut command = Command::new(e2e::binary()?);
            command.args(["app-password", "revoke-all", &person.0, "--config"]).arg(yard.site.config());
            // Another thread: this one reads what the clients are sent.
            let (revoked, after) = spawn_blocking(move || (command.output(), watch.seconds())).await?;
            let revoked = revoked?;
            if !revoked.status.success() {
                return Err(String::from_utf8_lossy(&revoked.stderr).into());
            }
            Outcome::Ok(after * 1e3)
        };
        let reading = async {
            let heard = join_all(clients.into_iter().map(super::client::Client::rest)).await;
            (heard, watch.seconds() * 1e3)
        };
        let (answered, (heard, last)) = tokio::join!(revoking, reading);
        if let Some(other) = heard.iter().find(|heard| *heard != GOODBYE) {
            return Err(format!("a client heard {:?}", String::from_utf8_lossy(other)).into());
        }
        returned.push(answered?);
        gone.push(last);
        fence.push(closed_in(&postern.server.said()).ok_or("the server has not told of its fence")?);
    }
    Ok(vec![
        Line::new(format!("revoke-all, {sessions} connections: the fence is closed"), fence, Unit::Millis)
            .promised(Goal::AtMost(20.0)),
        Line::new("  the last socket is gone", gone, Unit::Millis).promised(Goal::AtMost(2000.0)),
        Line::new("  the command has returned", returned, Unit::Millis),
    ])
}

/// Milliseconds, by the newest line of the log that tells of one.
fn closed_in(log: &str) -> Option<f64> {
    let line = log.lines().rfind(|line| line.contains("the fence is closed"))?;
    let micros: f64 = line.split("micros=").nth(1)?.split_whitespace().next()?.parse().ok()?;
    Some(micros / 1e3)
}
