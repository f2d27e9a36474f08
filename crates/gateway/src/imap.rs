//! The IMAP door: the dialogue until somebody is admitted, the handover to the
//! server behind, and the relay.

use std::{io, sync::Arc, time::Duration};

use async_trait::async_trait;
use authority::{Door, Grant, Secret};
use front::{Connection, Peer, Service, Shutdown, Stream, Tls};
use keeper::{Fenced, Holder, Keeper, LiveSession, SignIn, SignInAttempt};
use protocols::{
    imap::{self, Event, Server, Transport, client},
    sasl::Credentials,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, sleep_until, timeout},
};
use zeroize::Zeroizing;

use crate::{
    Upstream,
    relay::{Way, relay},
};

/// A client says something within this before it is signed in, or goes.
const SILENCE: Duration = Duration::from_secs(60);
/// However much it says: one octet a minute would hold a connection for ever.
const DIALOGUE: Duration = Duration::from_secs(300);
/// The server behind takes a session over within this, or is taken to be down.
const HANDOVER: Duration = Duration::from_secs(15);
const TOO_LONG: &str = "Signing in took too long.";
/// A last word is said within this, or not at all.
const LAST_WORD: Duration = Duration::from_secs(1);

/// How a session is handed over: as a master user of Dovecot, or a proxy
/// server of Cyrus, acting as the person.
#[derive(Debug)]
pub struct MasterUser {
    /// Its name there.
    pub login: String,
    /// Its password there.
    pub password: Secret,
}

/// An IMAP door.
pub struct ImapDoor {
    keeper: Arc<Keeper>,
    door: Door,
    upstream: Upstream,
    master: MasterUser,
    handover: Duration,
    /// What every refused client is told.
    refusal: Box<str>,
}

/// A session that has been handed over.
struct Standing {
    client: Stream,
    upstream: Stream,
    session: LiveSession,
    to_client: Way,
    to_upstream: Way,
}

impl ImapDoor {
    /// A door that hands its sessions to `upstream`; `portal` is where people
    /// make app passwords.
    pub fn new(keeper: Arc<Keeper>, door: Door, upstream: Upstream, master: MasterUser, portal: &str) -> Self {
        Self { keeper, door, upstream, master, handover: HANDOVER, refusal: crate::refusal(portal).into() }
    }

    /// How long the server behind may take to take a session over, instead of 15 seconds.
    #[must_use]
    pub fn with_handover_timeout(self, handover: Duration) -> Self {
        Self { handover, ..self }
    }

    /// The dialogue. `None` when the connection is over without a session.
    async fn until_admitted(
        &self,
        mut client: Stream,
        peer: Peer,
        tls: Option<Tls>,
        shutdown: &Shutdown,
    ) -> io::Result<Option<Standing>> {
        let transport = match (client.is_encrypted(), &tls) {
            (true, _) => Transport::Encrypted,
            (false, tls) => Transport::Plain { starttls: tls.is_some() },
        };
        let mut server = Server::new(transport);
        let end = Instant::now() + DIALOGUE;
        say(&mut client, &server.greeting()).await?;
        loop {
            while let Some(event) = server.next_event() {
                match event {
                    Event::Send(octets) => say(&mut client, &octets).await?,
                    Event::StartTls => {
                        let Some(tls) = &tls else { return Ok(None) };
                        client = client.start_tls(tls).await?;
                        server.tls_started();
                    }
                    Event::SignIn(credentials) => match self.sign_in(credentials, peer).await {
                        SignIn::Admitted(grant, session) => match self.hand_over(&grant, &session).await {
                            Err(HandoverFailed::Ended) => return Ok(None),
                            Ok((upstream, ready)) => {
                                let Some(admitted) = server.admit(&ready.capabilities) else { return Ok(None) };
                                return Ok(Some(Standing {
                                    client,
                                    upstream,
                                    session,
                                    to_client: Way::beginning_with([admitted.answer, ready.leftover].concat()),
                                    to_upstream: Way::beginning_with(admitted.pipelined),
                                }));
                            }
                            Err(error) => {
                                tracing::error!(door = %self.door.name, upstream = %self.upstream, %error,
                                    "a session could not be handed over");
                                say(&mut client, &server.unavailable(crate::TRY_LATER)).await?;
                            }
                        },
                        SignIn::Refused(_) => say(&mut client, &server.refuse(&self.refusal)).await?,
                        SignIn::Unavailable => say(&mut client, &server.unavailable(crate::TRY_LATER)).await?,
                    },
                    Event::Close => {
                        // Who does not take the last word is not waited for.
                        let _ = timeout(LAST_WORD, client.shutdown()).await;
                        return Ok(None);
                    }
                }
            }
            // A password may be among them.
            let mut octets = Zeroizing::new([0; 1024]);
            let heard = tokio::select! {
                // In this order: where there is always more to read, nothing below is looked at.
                biased;
                () = shutdown.requested() => {
                    say(&mut client, &server.bye("The server is being restarted.")).await?;
                    continue;
                }
                () = sleep_until(end) => {
                    say(&mut client, &server.bye(TOO_LONG)).await?;
                    continue;
                }
                heard = timeout(SILENCE, client.read(&mut *octets)) => heard,
            };
            match heard {
                Ok(Ok(0)) => return Ok(None),
                Ok(Ok(n)) => server.feed(&octets[..n]),
                Ok(Err(error)) => return Err(error),
                Err(_) => say(&mut client, &server.bye(TOO_LONG)).await?,
            }
        }
    }

    async fn sign_in(&self, credentials: Credentials, peer: Peer) -> SignIn {
        let secret = Secret::new(credentials.password.to_string());
        let attempt = SignInAttempt {
            login: &credentials.authcid,
            acting_as: credentials.authzid.as_deref(),
            secret: &secret,
            door: &self.door,
            from: peer.address,
        };
        self.keeper.sign_in(attempt).await
    }

    async fn hand_over(&self, grant: &Grant, session: &LiveSession) -> Result<(Stream, client::Ready), HandoverFailed> {
        let MasterUser { login, password } = &self.master;
        let mut client = client::Client::new(grant.login().as_str(), login, password.expose())?;
        let handing_over = async {
            let mut upstream = self.upstream.connect().await?;
            let mut octets = [0; 1024];
            loop {
                while let Some(event) = client.next_event() {
                    match event {
                        client::Event::Send(octets) => upstream.write_all(&octets).await?,
                        client::Event::Ready(ready) => return Ok((upstream, ready)),
                        client::Event::Failed(error) => return Err(error.into()),
                    }
                }
                match upstream.read(&mut octets).await? {
                    0 => return Err(client.closed().into()),
                    n => client.feed(&octets[..n]),
                }
            }
        };
        tokio::select! {
            handed_over = timeout(self.handover, handing_over) => handed_over.unwrap_or(Err(HandoverFailed::Late)),
            () = session.ended() => Err(HandoverFailed::Ended),
        }
    }
}

/// Why a session could not be handed over. For the log.
#[derive(Debug, thiserror::Error)]
enum HandoverFailed {
    #[error("{0}: is the server behind running, and listening there?")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Protocol(#[from] client::HandoverError),
    #[error("the login or the master user does not fit into SASL PLAIN: {0}")]
    Name(#[from] protocols::sasl::SaslError),
    #[error("the server behind did not take the session over in time: look at its load and its log")]
    Late,
    #[error("the session was ended meanwhile")]
    Ended,
}

#[async_trait]
impl Service for ImapDoor {
    async fn serve(&self, connection: Connection) {
        let Connection { stream, peer, tls, shutdown, seat, .. } = connection;
        // Boxed, so that the room the dialogue takes is not kept for the hours of an idle session.
        match Box::pin(self.until_admitted(stream, peer, tls, &shutdown)).await {
            Ok(Some(standing)) => {
                seat.settle();
                drop(seat);
                standing.run(&shutdown).await;
            }
            Ok(None) => {}
            Err(error) => tracing::debug!(door = %self.door.name, %error, "the connection broke before a sign-in"),
        }
    }
}

impl Standing {
    async fn run(self, shutdown: &Shutdown) {
        let Self { client, upstream, session, mut to_client, mut to_upstream } = self;
        let holder = Holder::default();
        holder.hold(&session);
        let mut client = Fenced::new(client, holder.clone());
        let mut upstream = Fenced::new(upstream, holder);
        let last_word = tokio::select! {
            relayed = relay(&mut client, &mut upstream, &mut to_upstream, &mut to_client) => match relayed {
                Err(_) if !session.is_open() => Some("This session was ended."),
                _ => None,
            },
            () = session.ended() => Some("This session was ended."),
            () = shutdown.requested() => Some("The server is being restarted."),
        };
        drop(upstream);
        let mut client = client.into_inner();
        let goodbye = async {
            if let Some(text) = last_word.filter(|_| !to_client.is_behind()) {
                client.write_all(&imap::bye(text)).await?;
            }
            client.shutdown().await
        };
        // Whoever does not listen is not waited for.
        let _ = timeout(LAST_WORD, goodbye).await;
    }
}

async fn say(client: &mut Stream, octets: &[u8]) -> io::Result<()> {
    let saying = async {
        client.write_all(octets).await?;
        client.flush().await
    };
    timeout(SILENCE, saying).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
