//! The doors for mail: the dialogue until somebody is admitted, the handover to
//! the server behind, and the relay. What differs between the protocols is what
//! each [`Speaks`].

mod handover;
mod imap;
mod known;
mod pop3;
mod sieve;
mod standing;
mod submission;

use std::{io, sync::Arc, time::Duration};

use async_trait::async_trait;
use authority::{Client, Door, Grant, Secret};
use fingerprint::{Dialogue, Signature};
use front::{Connection, Peer, Service, Shutdown, Stream, Tls};
use keeper::{Keeper, SignIn, SignInAttempt};
use protocols::{ClientSide, Event, ServerSide, Transport, sasl::Credentials, sasl::SaslError};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, sleep_until, timeout},
};
use zeroize::Zeroize;

use crate::{Upstream, relay::Traffic, tls_hello::family_of};
pub use handover::MasterUser;
pub use imap::Imap;
pub use pop3::Pop3;
pub use sieve::Sieve;
use standing::{Host, Newcomer, Standing};
pub use submission::{Submission, SubmissionHandover};

/// A client says something within this before it is signed in, or goes.
const SILENCE: Duration = Duration::from_secs(60);
/// However much it says: one octet a minute would hold a connection for ever.
const DIALOGUE: Duration = Duration::from_secs(300);
/// The server behind takes a session over within this, or is taken to be down.
const HANDOVER: Duration = Duration::from_secs(15);
const TOO_LONG: &str = "Signing in took too long.";
const RESTART: &str = "The server is being restarted.";
/// A last word is said within this, or not at all.
const LAST_WORD: Duration = Duration::from_secs(1);

/// A protocol as a door speaks it, to the client and to the server behind.
pub trait Speaks: Send + Sync + 'static {
    /// Its dialogue with the client.
    type Server: ServerSide;
    /// Its dialogue with the server behind.
    type Client: ClientSide;

    /// A dialogue with a client that has just come.
    ///
    /// # Errors
    /// The words to turn it away with, while the server behind is out.
    fn server(
        &self,
        transport: Transport,
        upstream: &Upstream,
    ) -> impl Future<Output = Result<Self::Server, Vec<u8>>> + Send;

    /// Hands over the session of whom the grant names.
    ///
    /// # Errors
    /// A name that cannot be said in this protocol.
    fn client(&self, grant: &Grant, client: Peer, server: &Self::Server) -> Result<Self::Client, SaslError>;

    /// When a client has shown which program it is.
    const SHOWS: Shows;

    /// What passes in the session, and how it is watched: at first for what shows the
    /// client, if that was not seen yet.
    fn traffic(&self, grant: &Grant, capabilities: &str, newcomer: Option<Dialogue>) -> Traffic;

    /// Ends a session, wherever its relay stands.
    fn bye(&self, text: &str) -> Vec<u8>;
}

/// When a client has shown which program it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    /// With its sign-in: there is nothing more to wait for.
    WithSignIn,
    /// By what it does first in the session.
    InSession,
}

/// A door for mail.
pub struct MailDoor<P> {
    speaks: P,
    keeper: Arc<Keeper>,
    door: Door,
    upstream: Upstream,
    handover: Duration,
    /// What every refused client is told.
    refusal: Box<str>,
}

impl<P: Speaks> MailDoor<P> {
    /// A door that hands its sessions to `upstream`; `portal` is where people
    /// make app passwords.
    pub fn new(keeper: Arc<Keeper>, door: Door, upstream: Upstream, speaks: P, portal: &str) -> Self {
        Self { speaks, keeper, door, upstream, handover: HANDOVER, refusal: crate::refusal(portal).into() }
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
        let mut server = match self.speaks.server(transport, &self.upstream).await {
            Ok(server) => server,
            Err(words) => {
                say(&mut client, &words).await?;
                return Ok(None);
            }
        };
        let end = Instant::now() + DIALOGUE;
        let mut family = family_of(&mut client);
        say(&mut client, &server.greeting()).await?;
        loop {
            let mut words = Vec::new();
            loop {
                let event = server.next_event();
                // In one piece, as other servers do: a client that waits for its socket, and
                // not for its TLS, hears the first record and never the second (imaplib2).
                if !matches!(event, Some(Event::Send(_))) && !words.is_empty() {
                    say(&mut client, &std::mem::take(&mut words)).await?;
                }
                let Some(event) = event else { break };
                match event {
                    Event::Send(octets) => words.extend_from_slice(&octets),
                    Event::StartTls => {
                        let Some(tls) = &tls else { return Ok(None) };
                        client = client.start_tls(tls).await?;
                        family = family_of(&mut client);
                        server.tls_started();
                    }
                    Event::SignIn(credentials) => {
                        let dialogue = server.dialogue();
                        let shown = match P::SHOWS {
                            Shows::WithSignIn => Client::Shown(Signature::new(family.as_ref(), &dialogue)),
                            Shows::InSession => Client::ToShow,
                        };
                        let (newcomer, grant, session) = match self.sign_in(credentials, peer, shown).await {
                            SignIn::Admitted(grant, session) => (None, grant, session),
                            SignIn::Provisional(sign_in, session) => {
                                let grant = sign_in.grant().clone();
                                (Some(Newcomer::new(sign_in, family.take())), grant, session)
                            }
                            SignIn::Refused(_) => {
                                say(&mut client, &server.refuse(&self.refusal)).await?;
                                continue;
                            }
                            SignIn::TooMany => {
                                say(&mut client, &server.too_many(crate::TOO_MANY)).await?;
                                continue;
                            }
                            SignIn::Unavailable => {
                                say(&mut client, &server.unavailable(crate::TRY_LATER)).await?;
                                continue;
                            }
                        };
                        let handover = self.speaks.client(&grant, peer, &server);
                        match self.hand_over(handover, &session).await {
                            Ok((upstream, ready)) => {
                                let known = newcomer.is_some().then_some(dialogue);
                                let traffic = self.speaks.traffic(&grant, &ready.capabilities, known);
                                let Some(admitted) = server.admit(&ready.capabilities) else { return Ok(None) };
                                let both = (client, upstream);
                                return Ok(Standing::new(both, session, newcomer, traffic, admitted, ready.leftover));
                            }
                            Err(handover::Failed::Ended) => return Ok(None),
                            Err(error) => {
                                self.keeper.not_handed_over(&self.door);
                                tracing::error!(door = %self.door.name, upstream = %self.upstream, %error,
                                    "a session could not be handed over");
                                say(&mut client, &server.unavailable(crate::TRY_LATER)).await?;
                            }
                        }
                    }
                    Event::Close => {
                        // Who does not take the last word is not waited for.
                        let _ = timeout(LAST_WORD, client.shutdown()).await;
                        return Ok(None);
                    }
                }
            }
            let mut octets = [0; 1024];
            let heard = tokio::select! {
                // In this order: where there is always more to read, nothing below is looked at.
                biased;
                () = shutdown.requested() => {
                    say(&mut client, &server.bye(RESTART)).await?;
                    continue;
                }
                () = sleep_until(end) => {
                    say(&mut client, &server.bye(TOO_LONG)).await?;
                    continue;
                }
                heard = timeout(SILENCE, client.read(&mut octets)) => heard,
            };
            match heard {
                Ok(Ok(0)) => return Ok(None),
                Ok(Ok(n)) => {
                    server.feed(&octets[..n]);
                    // A password may be among them.
                    octets[..n].zeroize();
                }
                Ok(Err(error)) => return Err(error),
                Err(_) => say(&mut client, &server.bye(TOO_LONG)).await?,
            }
        }
    }

    async fn sign_in(&self, credentials: Credentials, peer: Peer, client: Client) -> SignIn {
        let secret = Secret::new(credentials.password.to_string());
        let attempt = SignInAttempt {
            login: &credentials.authcid,
            acting_as: credentials.authzid.as_deref(),
            secret: &secret,
            door: &self.door,
            from: peer.address,
            client,
        };
        self.keeper.sign_in(attempt).await
    }
}

#[async_trait]
impl<P: Speaks> Service for MailDoor<P> {
    async fn serve(&self, connection: Connection) {
        let Connection { stream, peer, tls, shutdown, seat, .. } = connection;
        // Boxed, so that the room the dialogue takes is not kept for the hours of an idle session.
        match Box::pin(self.until_admitted(stream, peer, tls, &shutdown)).await {
            Ok(Some(standing)) => {
                seat.settle();
                drop(seat);
                let host = Host { keeper: &self.keeper, refusal: &self.refusal };
                standing.run(&shutdown, host, |text| self.speaks.bye(text)).await;
            }
            Ok(None) => {}
            Err(error) => tracing::debug!(door = %self.door.name, %error, "the connection broke before a sign-in"),
        }
    }
}

async fn say(client: &mut Stream, octets: &[u8]) -> io::Result<()> {
    let saying = async {
        client.write_all(octets).await?;
        client.flush().await
    };
    timeout(SILENCE, saying).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
