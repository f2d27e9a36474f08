//! A session that has been handed over, until it ends.

use std::{future::pending, pin::Pin};

use fingerprint::{Signature, tls::Family};
use front::{Shutdown, Stream};
use keeper::{Fenced, Holder, Judged, Keeper, LiveSession, Provisional};
use protocols::Admitted;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, Sleep, sleep, timeout, timeout_at},
};

use super::{DIALOGUE, LAST_WORD, RESTART, SILENCE, TOO_LONG};
use crate::relay::{Stopped, Traffic, Way, relay};

const ENDED: &str = "This session was ended.";

pub(super) struct Standing {
    client: Stream,
    upstream: Stream,
    session: LiveSession,
    traffic: Traffic,
    to_client: Way,
    to_upstream: Way,
    /// What its client is judged on, until that is done.
    newcomer: Option<Box<Newcomer>>,
}

/// A client that has yet to show itself.
pub(super) struct Newcomer {
    sign_in: Provisional,
    family: Option<Family>,
    time_is_up: Pin<Box<Sleep>>,
}

impl Newcomer {
    /// Has so long to show itself: it takes one of the places that its password has.
    pub(super) fn new(sign_in: Provisional, family: Option<Family>) -> Box<Self> {
        Box::new(Self { sign_in, family, time_is_up: Box::pin(sleep(DIALOGUE)) })
    }
}

/// Returns when a client has not shown itself in time; never, if it has. Nothing of it
/// is kept in a session that goes on for hours.
async fn is_late(newcomer: &mut Option<Box<Newcomer>>) {
    match newcomer {
        Some(newcomer) => newcomer.time_is_up.as_mut().await,
        None => pending().await,
    }
}

/// Who the door answers for.
pub(super) struct Host<'h> {
    pub(super) keeper: &'h Keeper,
    /// The one refusal.
    pub(super) refusal: &'h str,
}

/// How a session ended that the server behind has not ended.
enum End {
    /// With a word to say: somebody wanted it to.
    Bye(&'static str),
    /// In another app than the password was made for.
    TurnedAway,
    /// Without a word.
    Broken,
}

impl Standing {
    /// Both ends, and what is to be said to each of them first. `None` if the client
    /// has broken the protocol already.
    pub(super) fn new(
        (client, upstream): (Stream, Stream),
        session: LiveSession,
        newcomer: Option<Box<Newcomer>>,
        mut traffic: Traffic,
        admitted: Admitted,
        leftover: Vec<u8>,
    ) -> Option<Self> {
        let mut to_client = Way::beginning_with([admitted.answer, leftover].concat());
        let to_upstream = traffic.begin(admitted.pipelined, &mut to_client).ok()?;
        Some(Self { client, upstream, session, traffic, to_client, to_upstream, newcomer })
    }

    pub(super) async fn run(self, shutdown: &Shutdown, host: Host<'_>, bye: impl Fn(&str) -> Vec<u8>) {
        let Self { client, upstream, session, mut traffic, mut to_client, mut to_upstream, mut newcomer } = self;
        let holder = Holder::default();
        holder.hold(&session);
        let mut client = Fenced::new(client, holder.clone());
        let mut upstream = Fenced::new(upstream, holder);
        let end = loop {
            let stopped = tokio::select! {
                stopped =
                    relay(&mut client, &mut upstream, &mut traffic, &mut to_upstream, &mut to_client) => stopped,
                () = session.ended() => break End::Bye(ENDED),
                () = is_late(&mut newcomer) => break End::Bye(TOO_LONG),
                () = shutdown.requested() => break End::Bye(RESTART),
            };
            match stopped {
                Err(_) if !session.is_open() => break End::Bye(ENDED),
                Ok(Stopped::Over) | Err(_) => break End::Broken,
                Ok(Stopped::Shown) => {}
            }
            let (Some(dialogue), Some(newcomer)) = (traffic.dialogue(), newcomer.take()) else { break End::Broken };
            // Boxed, and gone with the answer: the session may go on for hours.
            let judging = Box::pin(async {
                let Newcomer { sign_in, family, .. } = *newcomer;
                host.keeper.judge(sign_in, &session, Signature::new(family.as_ref(), &dialogue)).await
            });
            match judging.await {
                Judged::Stays => {}
                Judged::Goes => break End::TurnedAway,
                Judged::Unavailable => break End::Bye(crate::TRY_LATER),
            }
            if traffic.release(&mut to_upstream, &mut to_client).is_err() {
                break End::Broken;
            }
        };
        drop(upstream);
        let mut client = client.into_inner();
        // Not even the end of TLS can be said: it would push on what is held back, and
        // nothing of the server behind may reach a session that was ended.
        if to_client.is_behind() {
            return;
        }
        let words = match end {
            End::Bye(text) => bye(text),
            End::TurnedAway => Box::pin(turn_away(&mut client, traffic, host.refusal)).await,
            End::Broken => vec![],
        };
        let goodbye = async {
            client.write_all(&words).await?;
            client.shutdown().await
        };
        // Whoever does not listen is not waited for.
        let _ = timeout(LAST_WORD, goodbye).await;
    }
}

/// What to say to a client that goes, when it can hear it: whoever sends a message
/// listens at its end.
async fn turn_away(client: &mut Stream, traffic: Traffic, refusal: &str) -> Vec<u8> {
    let mut message = match traffic {
        Traffic::AsItComes => return vec![],
        Traffic::Imap(session) => return session.refuse(refusal),
        Traffic::Smtp(session) => session.refuse(refusal),
    };
    let end = Instant::now() + SILENCE;
    let mut octets = vec![0; 16 * 1024];
    let mut heard = 0;
    loop {
        if let Some(answer) = message.feed(&octets[..heard]) {
            return answer.to_vec();
        }
        heard = match timeout_at(end, client.read(&mut octets)).await {
            Ok(Ok(count)) if count > 0 => count,
            _ => return vec![],
        };
    }
}
