//! IMAP, to Dovecot or Cyrus.

use authority::Grant;
use fingerprint::Dialogue;
use front::Peer;
use protocols::{
    Transport,
    imap::{self, Provisional, Server, client::Client},
    sasl::SaslError,
};

use super::{MasterUser, Shows, Speaks};
use crate::{Upstream, relay::Traffic};

/// IMAP, handed over by a master user.
#[derive(Debug)]
pub struct Imap(pub MasterUser);

impl Speaks for Imap {
    type Server = Server;
    type Client = Client;
    const SHOWS: Shows = Shows::InSession;

    async fn server(&self, transport: Transport, _: &Upstream) -> Result<Server, Vec<u8>> {
        Ok(Server::new(transport))
    }

    fn client(&self, grant: &Grant, client: Peer, _: &Server) -> Result<Client, SaslError> {
        Client::new(&self.0.acting_as(grant), (client.address, client.port).into())
    }

    fn traffic(&self, _: &Grant, _: &str, newcomer: Option<Dialogue>) -> Traffic {
        newcomer.map_or(Traffic::AsItComes, |seen| Traffic::Imap(Box::new(Provisional::new(seen))))
    }

    fn bye(&self, text: &str) -> Vec<u8> {
        imap::bye(text)
    }
}
