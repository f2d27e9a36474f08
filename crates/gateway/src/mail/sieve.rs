//! ManageSieve, to Dovecot's Pigeonhole.

use authority::Grant;
use fingerprint::Dialogue;
use front::Peer;
use protocols::{
    Transport,
    sasl::SaslError,
    sieve::{
        self, Server, Shown,
        client::{Client, Greeting},
    },
};
use tokio::io::AsyncWriteExt;

use super::{MasterUser, Shows, Speaks, handover, known::Known};
use crate::{Upstream, relay::Traffic};

/// ManageSieve, handed over by a master user. What scripts may use is told to
/// clients before they sign in, and not all ask again; so the server behind is
/// asked ahead of them.
#[derive(Debug)]
pub struct Sieve {
    master: MasterUser,
    known: Known<Shown>,
}

impl Sieve {
    /// A door that signs in behind as this master user.
    #[must_use]
    pub fn new(master: MasterUser) -> Self {
        Self { master, known: Known::default() }
    }
}

async fn ask(upstream: &Upstream) -> Result<Shown, handover::Failed> {
    let mut stream = upstream.connect().await?;
    let ready = handover::talk(&mut stream, &mut Greeting::new()).await?;
    // A goodbye keeps its log free of lost connections.
    let _ = stream.write_all(b"LOGOUT\r\n").await;
    Ok(Shown::of(&ready.capabilities))
}

impl Speaks for Sieve {
    type Server = Server;
    type Client = Client;
    const SHOWS: Shows = Shows::WithSignIn;

    async fn server(&self, transport: Transport, upstream: &Upstream) -> Result<Server, Vec<u8>> {
        match self.known.or_ask(upstream, ask(upstream)).await {
            Some(shown) => Ok(Server::new(transport, shown)),
            None => Err(sieve::unavailable(crate::TRY_LATER)),
        }
    }

    fn client(&self, grant: &Grant, client: Peer, _: &Server) -> Result<Client, SaslError> {
        Client::new(&self.master.acting_as(grant), (client.address, client.port).into())
    }

    /// AUTHENTICATE is over with the sign-in (RFC 5804, 2.1), and a server that
    /// would take it back has been refused: nobody becomes somebody else.
    fn traffic(&self, _: &Grant, _: &str, _: Option<Dialogue>) -> Traffic {
        Traffic::AsItComes
    }

    fn bye(&self, text: &str) -> Vec<u8> {
        sieve::bye(text)
    }
}
