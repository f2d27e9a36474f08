//! A session that has been handed over, until it ends.

use front::{Shutdown, Stream};
use keeper::{Fenced, Holder, LiveSession};
use protocols::Admitted;
use tokio::{io::AsyncWriteExt, time::timeout};

use super::{LAST_WORD, RESTART};
use crate::relay::{Traffic, Way, relay};

const ENDED: &str = "This session was ended.";

pub(super) struct Standing {
    client: Stream,
    upstream: Stream,
    session: LiveSession,
    traffic: Traffic,
    to_client: Way,
    to_upstream: Way,
}

impl Standing {
    /// Both ends, and what is to be said to each of them first. `None` if the client
    /// has broken the protocol already.
    pub(super) fn new(
        (client, upstream): (Stream, Stream),
        session: LiveSession,
        mut traffic: Traffic,
        admitted: Admitted,
        leftover: Vec<u8>,
    ) -> Option<Self> {
        let mut to_client = Way::beginning_with([admitted.answer, leftover].concat());
        let to_upstream = traffic.begin(admitted.pipelined, &mut to_client).ok()?;
        Some(Self { client, upstream, session, traffic, to_client, to_upstream })
    }

    pub(super) async fn run(self, shutdown: &Shutdown, bye: impl Fn(&str) -> Vec<u8>) {
        let Self { client, upstream, session, mut traffic, mut to_client, mut to_upstream } = self;
        let holder = Holder::default();
        holder.hold(&session);
        let mut client = Fenced::new(client, holder.clone());
        let mut upstream = Fenced::new(upstream, holder);
        let last_word = tokio::select! {
            relayed = relay(&mut client, &mut upstream, &mut traffic, &mut to_upstream, &mut to_client) => match relayed {
                Err(_) if !session.is_open() => Some(ENDED),
                _ => None,
            },
            () = session.ended() => Some(ENDED),
            () = shutdown.requested() => Some(RESTART),
        };
        drop(upstream);
        let mut client = client.into_inner();
        // Not even the end of TLS can be said: it would push on what is held back, and
        // nothing of the server behind may reach a session that was ended.
        if to_client.is_behind() {
            return;
        }
        let goodbye = async {
            if let Some(text) = last_word {
                client.write_all(&bye(text)).await?;
            }
            client.shutdown().await
        };
        // Whoever does not listen is not waited for.
        let _ = timeout(LAST_WORD, goodbye).await;
    }
}
