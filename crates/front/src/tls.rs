//! The server's side of TLS: one certificate, replaced without a restart.

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

/// TLS 1.2 and 1.3 under a certificate that can be replaced at run time. Cheap
/// to clone; all clones, whatever their ALPN, share the certificate.
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
        let provider = Arc::new(aws_lc_rs::default_provider());
        let identity = Arc::new(Identity {
            current: RwLock::new(Arc::new(Current::load(certificate, key, &provider)?)),
            provider: Arc::clone(&provider),
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        });
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| malformed(certificate, &error))?
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
    /// As for [`Tls::load`]; the old certificate then stays in use.
    pub fn reload(&self) -> Result<(), TlsError> {
        let Identity { current, provider, certificate, key } = &*self.identity;
        let new = Arc::new(Current::load(certificate, key, provider)?);
        *current.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// What the certificate in use says about itself.
    #[must_use]
    pub fn facts(&self) -> CertificateFacts {
        self.identity.current().facts.clone()
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

/// Where the certificate comes from and what was last found there.
#[derive(Debug)]
struct Identity {
    current: RwLock<Arc<Current>>,
    provider: Arc<CryptoProvider>,
    certificate: PathBuf,
    key: PathBuf,
}

impl Identity {
    fn current(&self) -> Arc<Current> {
        // Only whole values are ever stored.
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A certificate, its key, and the tickets of sessions made under it: a new
/// certificate takes new ticket keys, or clients would resume sessions with the
/// old one for hours, also when it was replaced because its key had leaked.
#[derive(Debug)]
struct Current {
    key: Arc<CertifiedKey>,
    ticketer: Arc<dyn ProducesTickets>,
    facts: CertificateFacts,
}

impl Current {
    fn load(certificate: &Path, key: &Path, provider: &CryptoProvider) -> Result<Self, TlsError> {
        let chain = read_chain(certificate)?;
        let facts = facts(&chain[0], certificate)?;
        let certified = match CertifiedKey::from_der(chain, read_key(key)?, provider) {
            Ok(certified) => certified,
            Err(rustls::Error::InconsistentKeys(_)) => {
                return Err(TlsError::KeyMismatch { certificate: certificate.to_owned(), key: key.to_owned() });
            }
            Err(error) => return Err(malformed(key, &error)),
        };
        Ok(Self {
            key: Arc::new(certified),
            ticketer: aws_lc_rs::Ticketer::new().map_err(|error| malformed(key, &error))?,
            facts,
        })
    }
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current().key))
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
