//! Gives a session to the server behind.

use std::io;

use authority::{Grant, Secret};
use front::Stream;
use keeper::LiveSession;
use protocols::{
    ClientSide,
    handover::{ActingAs, Event, HandoverError, Ready},
    sasl::SaslError,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::{MailDoor, Speaks};

/// Who signs in at the server behind, acting as the person: a master user of
/// Dovecot, a proxy server of Cyrus.
#[derive(Debug)]
pub struct MasterUser {
    /// Its name there.
    pub login: String,
    /// Its password there.
    pub password: Secret,
    /// Between the person's name and its own, where the server behind knows no authzid.
    pub separator: Option<char>,
}

impl MasterUser {
    pub(super) fn acting_as<'a>(&'a self, grant: &'a Grant) -> ActingAs<'a> {
        ActingAs {
            person: grant.login().as_str(),
            master: &self.login,
            password: self.password.expose(),
            separator: self.separator,
        }
    }
}

/// Why a session could not be handed over. For the log.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error("{0}: is the server behind running, and listening there?")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Protocol(#[from] HandoverError),
    #[error("the login or the master user does not fit into the handover: {0}")]
    Name(#[from] SaslError),
    #[error("the server behind did not take the session over in time: look at its load and its log")]
    Late,
    #[error("the session was ended meanwhile")]
    Ended,
}

impl<P: Speaks> MailDoor<P> {
    pub(super) async fn hand_over(
        &self,
        client: Result<P::Client, SaslError>,
        session: &LiveSession,
    ) -> Result<(Stream, Ready), Failed> {
        let mut client = client?;
        let handing_over = async {
            let mut upstream = self.upstream.connect().await?;
            let ready = talk(&mut upstream, &mut client).await?;
            Ok((upstream, ready))
        };
        tokio::select! {
            handed_over = timeout(self.handover, handing_over) => handed_over.unwrap_or(Err(Failed::Late)),
            () = session.ended() => Err(Failed::Ended),
        }
    }
}

/// Carries the octets between the two until there is an outcome.
pub(super) async fn talk(upstream: &mut Stream, client: &mut impl ClientSide) -> Result<Ready, Failed> {
    let mut octets = [0; 1024];
    loop {
        while let Some(event) = client.next_event() {
            match event {
                Event::Send(octets) => upstream.write_all(&octets).await?,
                Event::Ready(ready) => return Ok(ready),
                Event::Failed(error) => return Err(error.into()),
            }
        }
        match upstream.read(&mut octets).await? {
            0 => return Err(client.closed().into()),
            n => client.feed(&octets[..n]),
        }
    }
}
