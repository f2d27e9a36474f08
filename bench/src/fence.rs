//! How long a revocation takes to close the fence over ten thousand sessions of
//! one password: from the call until every one is closed, and until the call has
//! returned, its revocation on the disk.

use std::{net::IpAddr, sync::Arc, thread};

use keeper::{LiveSession, SignIn, SignInAttempt};

use crate::{
    Extent, Outcome,
    report::{Goal, Line, Unit, tell},
    series::Series,
    site::{self, HOME},
    stopwatch::Stopwatch,
};

const SESSIONS: usize = 10_000;

pub(crate) fn measure(extent: &Extent) -> Outcome<Vec<Line>> {
    tokio::runtime::Runtime::new()?.block_on(in_rounds(extent))
}

async fn in_rounds(extent: &Extent) -> Outcome<Vec<Line>> {
    let folder = site::folder()?;
    let keeper = site::open(folder.path()).await?;
    let mandate = site::account(&keeper, 0).await?;
    let (door, from): (_, IpAddr) = (site::door()?, HOME);
    let (mut closed, mut returned) = (Series::default(), Series::default());
    for round in 1..=extent.rounds(9) {
        tell(&format!("revoke: round {round}, the fence over {SESSIONS} sessions"));
        let issued = keeper.issue(&mandate, site::request()?).await?;
        let (login, secret) = (site::login(0), &issued.secret);
        let mut sessions = vec![];
        for _ in 0..SESSIONS {
            match keeper
                .sign_in(SignInAttempt {
                    login: &login,
                    acting_as: None,
                    secret,
                    door: &door,
                    from,
                    client: authority::Client::Unseen,
                })
                .await
            {
                SignIn::Admitted(_, session) => sessions.push(Arc::new(session)),
                other => return Err(format!("{login} was to be let in: {other:?}").into()),
            }
        }
        // Each has a relay that waits for its end.
        let relays: Vec<_> =
            sessions.iter().cloned().map(|session| tokio::spawn(async move { session.ended().await })).collect();
        tokio::task::yield_now().await;

        let watch = Stopwatch::start();
        let watching = thread::spawn({
            let sessions = sessions.clone();
            move || all_closed(&sessions, watch)
        });
        keeper.revoke(&mandate, issued.password.id).await?.ok_or("it was revoked before")?;
        returned.push(watch.seconds() * 1e3);
        closed.push(watching.join().map_err(|_| "the watch has ended")? * 1e3);
        for relay in relays {
            relay.await?;
        }
    }
    Ok(vec![
        Line::new(format!("revoke, {SESSIONS} live sessions: fence closed"), closed, Unit::Millis)
            .promised(Goal::AtMost(20.0)),
        Line::new("  acknowledged: on the disk as well", returned, Unit::Millis),
    ])
}

/// Seconds until none is open. The last of them is looked at without pause: the
/// others have been closed before it, or are looked at after it.
fn all_closed(sessions: &[Arc<LiveSession>], watch: Stopwatch) -> f64 {
    for session in sessions.iter().rev() {
        while session.is_open() {
            std::hint::spin_loop();
        }
    }
    watch.seconds()
}
