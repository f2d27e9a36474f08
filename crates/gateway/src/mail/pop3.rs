//! POP3, to Dovecot.

use authority::Grant;
use fingerprint::Dialogue;
use front::Peer;
use protocols::{
    Transport,
    pop3::{self, Server, client::Client},
    sasl::SaslError,
};

use super::{MasterUser, Shows, Speaks};
use crate::{Upstream, relay::Traffic};

/// POP3, handed over by a master user.
#[derive(Debug)]
pub struct Pop3(pub MasterUser);

impl Speaks for Pop3 {
    type Server = Server;
    type Client = Client;
    const SHOWS: Shows = Shows::WithSignIn;

    async fn server(&self, transport: Transport, _: &Upstream) -> Result<Server, Vec<u8>> {
        Ok(Server::new(transport))
    }

    fn client(&self, grant: &Grant, client: Peer, _: &Server) -> Result<Client, SaslError> {
        Client::new(&self.0.acting_as(grant), (client.address, client.port).into())
    }

    /// AUTH and STLS end with the sign-in (RFC 5034, 4; RFC 2595, 4): nobody
    /// becomes somebody else in a session.
    fn traffic(&self, _: &Grant, _: &str, _: Option<Dialogue>) -> Traffic {
        Traffic::AsItComes
    }

    fn bye(&self, text: &str) -> Vec<u8> {
        pop3::bye(text)
    }
}
