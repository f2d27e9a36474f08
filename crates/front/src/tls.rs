//! The server's side of TLS: its certificates, replaced without a restart.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{ClientHello, NoServerSessionStorage, ProducesTickets, ResolvesServerCert},
    sign::CertifiedKey,
};

use crate::{
    CertificateFacts, Limits, TlsError,
    certificate::{facts, malformed, read_chain, read_key},
};

/// Where a certificate with its chain is, and its private key, both PEM.
#[derive(Clone, Debug)]
pub struct CertificateFiles {
    /// The certificate, leaf first.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// TLS 1.2 and 1.3 under certificates that can be replaced at run time. Cheap
/// to clone; all clones, whatever their ALPN, share the certificates.
#[derive(Clone, Debug)]
pub struct Tls {
    config: Arc<ServerConfig>,
    identity: Arc<Identity>,
    handshake: Duration,
}

impl Tls {
    /// Reads the certificate chain (leaf first) and its private key, both PEM.
    ///
    /// An expired certificate is no error, so that a server restarts with it:
    /// see [`Tls::facts`].
    ///
    /// # Errors
    /// Unreadable files, nothing in them, or a key of another certificate.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let (certificate, key) = (certificate.to_owned(), key.to_owned());
        Self::load_all(CertificateFiles { certificate, key }, vec![])
    }

    /// The same with several certificates and their keys. A client is shown the first
    /// one that is for the name it asks for and signs in a way it knows (RFC 6066,
    /// section 3); `first` if none is, or it asks for none.
    ///
    /// # Errors
    /// As for [`Tls::load`].
    pub fn load_all(first: CertificateFiles, others: Vec<CertificateFiles>) -> Result<Self, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let current = RwLock::new(Arc::new(Current::load(&first, &others, &provider)?));
        let identity = Arc::new(Identity { current, provider: Arc::clone(&provider), first, others });
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| malformed(&identity.first.certificate, &error))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&identity) as _);
        // Tickets keep the session with the client. A store here would cost
        // memory per client, and could be filled by strangers.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = Arc::clone(&identity) as _;
        Ok(Self { config: Arc::new(config), identity, handshake: Limits::default().handshake })
    }

    /// The same certificate, for an endpoint that speaks `protocols` (ALPN ids,
    /// RFC 7301: `http/1.1`, `imap`). A client that asks for none of them is
    /// refused: a browser must not be led to talk to a mail door (ALPACA).
    #[must_use]
    pub fn with_alpn(&self, protocols: &[&str]) -> Self {
        let mut config = ServerConfig::clone(&self.config);
        config.alpn_protocols = protocols.iter().map(|id| id.as_bytes().to_vec()).collect();
        Self { config: Arc::new(config), ..self.clone() }
    }

    /// Reads the files again. Connections from now on get what is in them;
    /// those that are open keep what they have.
    ///
    /// # Errors
    /// As for [`Tls::load`]; the old certificates then stay in use, all of them.
    pub fn reload(&self) -> Result<(), TlsError> {
        let Identity { current, provider, first, others } = &*self.identity;
        let new = Arc::new(Current::load(first, others, provider)?);
        *current.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// What each certificate in use says about itself, the first one first.
    #[must_use]
    pub fn facts(&self) -> Vec<CertificateFacts> {
        self.identity.current().all().map(|certificate| certificate.facts.clone()).collect()
    }

    /// The same, for an endpoint with limits of its own.
    pub(crate) fn within(self, handshake: Duration) -> Self {
        Self { handshake, ..self }
    }

    pub(crate) fn handshake_timeout(&self) -> Duration {
        self.handshake
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

/// Where the certificates come from and what was last found there.
#[derive(Debug)]
struct Identity {
    current: RwLock<Arc<Current>>,
    provider: Arc<CryptoProvider>,
    first: CertificateFiles,
    others: Vec<CertificateFiles>,
}

impl Identity {
    fn current(&self) -> Arc<Current> {
        // Only whole values are ever stored.
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Certificates, and the tickets of sessions made under them: a new certificate
/// takes new ticket keys, or clients would resume sessions with the old one for
/// hours, also when it was replaced because its key had leaked. A ticket is good for
/// the name it was given under alone: rustls holds it to that.
#[derive(Debug)]
struct Current {
    first: Certificate,
    others: Vec<Certificate>,
    ticketer: Arc<dyn ProducesTickets>,
}

#[derive(Debug)]
struct Certificate {
    key: Arc<CertifiedKey>,
    facts: CertificateFacts,
}

impl Current {
    fn load(
        first: &CertificateFiles,
        others: &[CertificateFiles],
        provider: &CryptoProvider,
    ) -> Result<Self, TlsError> {
        Ok(Self {
            first: Certificate::load(first, provider)?,
            others: others.iter().map(|files| Certificate::load(files, provider)).collect::<Result<_, _>>()?,
            ticketer: aws_lc_rs::Ticketer::new().map_err(|error| malformed(&first.key, &error))?,
        })
    }

    fn all(&self) -> impl Iterator<Item = &Certificate> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

impl Certificate {
    fn load(
        CertificateFiles { certificate, key }: &CertificateFiles,
        provider: &CryptoProvider,
    ) -> Result<Self, TlsError> {
        let chain = read_chain(certificate)?;
        let facts = facts(&chain[0], certificate)?;
        let certified = match CertifiedKey::from_der(chain, read_key(key)?, provider) {
            Ok(certified) => certified,
            Err(rustls::Error::InconsistentKeys(_)) => {
                return Err(TlsError::KeyMismatch { certificate: certificate.clone(), key: key.clone() });
            }
            Err(error) => return Err(malformed(key, &error)),
        };
        Ok(Self { key: Arc::new(certified), facts })
    }

    /// True if the client asks for a name of it, and can check its signature.
    fn suits(&self, hello: &ClientHello<'_>) -> bool {
        hello.server_name().is_some_and(|name| self.facts.covers(name))
            && self.key.key.choose_scheme(hello.signature_schemes()).is_some()
    }
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.current();
        let suiting = current.all().find(|certificate| certificate.suits(&hello));
        Some(Arc::clone(&suiting.unwrap_or(&current.first).key))
    }
}

impl ProducesTickets for Identity {
    fn enabled(&self) -> bool {
        self.current().ticketer.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.current().ticketer.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.current().ticketer.encrypt(plain)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.current().ticketer.decrypt(cipher)
    }
}
