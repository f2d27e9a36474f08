//! Mail submission, to Postfix.

use authority::Grant;
use fingerprint::Dialogue;
use front::Peer;
use protocols::{
    Transport,
    sasl::SaslError,
    smtp::{
        self, Extensions, Senders, Server, Session,
        client::{Client, Handover, Xclient},
    },
};
use tokio::io::AsyncWriteExt;

use super::{MasterUser, Shows, Speaks, handover, known::Known};
use crate::{Upstream, relay::Traffic};

/// Mail submission. What the server behind can do is told to clients before they
/// sign in, since they do not ask again after it; so it is asked ahead of them.
#[derive(Debug)]
pub struct Submission {
    /// This server's name, as greetings and EHLO have it.
    name: Box<str>,
    handover: SubmissionHandover,
    /// Whether a sender may use addresses of others.
    own_addresses: bool,
    known: Known<Extensions>,
}

/// How a session for submission is handed over.
#[derive(Debug)]
pub enum SubmissionHandover {
    /// Postfix's XCLIENT, with the login and the client's address.
    Xclient,
    /// AUTH PLAIN, acting as the person.
    Authenticate(MasterUser),
}

impl Submission {
    /// A door of this name. Where `own_addresses`, MAIL FROM takes only those of the
    /// account that is signed in.
    pub fn new(name: &str, handover: SubmissionHandover, own_addresses: bool) -> Self {
        Self { name: name.into(), handover, own_addresses, known: Known::default() }
    }

    async fn ask(&self, upstream: &Upstream) -> Result<Extensions, handover::Failed> {
        let mut stream = upstream.connect().await?;
        let mut client = Client::new(&self.name, &Handover::Ask)?;
        let ready = handover::talk(&mut stream, &mut client).await?;
        // A goodbye keeps its log free of lost connections.
        let _ = stream.write_all(b"QUIT\r\n").await;
        Ok(Extensions::read(ready.capabilities.lines()))
    }
}

impl Speaks for Submission {
    type Server = Server;
    type Client = Client;
    const SHOWS: Shows = Shows::InSession;

    async fn server(&self, transport: Transport, upstream: &Upstream) -> Result<Server, Vec<u8>> {
        match self.known.or_ask(upstream, self.ask(upstream)).await {
            Some(extensions) => Ok(Server::new(transport, &self.name, extensions)),
            None => Err(smtp::bye(crate::TRY_LATER)),
        }
    }

    fn client(&self, grant: &Grant, client: Peer, server: &Server) -> Result<Client, SaslError> {
        let handover = match &self.handover {
            SubmissionHandover::Xclient => Handover::Xclient(Xclient {
                login: grant.login().as_str(),
                address: client.address,
                port: client.port,
                hello: server.hello(),
            }),
            SubmissionHandover::Authenticate(master) => Handover::Authenticate(master.acting_as(grant)),
        };
        Client::new(&self.name, &handover)
    }

    fn traffic(&self, grant: &Grant, capabilities: &str, newcomer: Option<Dialogue>) -> Traffic {
        let senders = if self.own_addresses {
            Senders::Only(grant.addresses().map(|login| login.as_str().into()).collect())
        } else {
            Senders::Any
        };
        let extensions = Extensions::read(capabilities.lines());
        Traffic::Smtp(Box::new(match newcomer {
            Some(seen) => Session::provisional(extensions, senders, seen),
            None => Session::new(extensions, senders),
        }))
    }

    fn bye(&self, text: &str) -> Vec<u8> {
        smtp::bye(text)
    }
}
