//! Where the database is, and how it is reached.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use tokio_postgres::{
    Client, Config,
    config::{Host, SslMode},
};
use tokio_postgres_rustls::MakeRustlsConnect;
use zeroize::Zeroizing;

use super::failure::Unreachable;

/// To reach a server, or to be told that it is not there.
const CONNECT: Duration = Duration::from_secs(10);

/// A PostgreSQL server and a database in it.
#[derive(Clone)]
pub struct Server {
    config: Config,
    tls: Option<MakeRustlsConnect>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Server({})", self.name())
    }
}

/// Why a server cannot be told from what was configured.
#[derive(Debug, thiserror::Error)]
pub enum NotAServer {
    /// The address makes no sense.
    #[error("{0}: write it as postgres://postern@db.example.org/postern, or postgres:///postern?host=/run/postgresql")]
    Url(String),
    /// It would go over the network in the clear.
    #[error("sslmode=disable is for servers on this machine: leave it out, and let the server have a certificate")]
    Clear,
    /// A file cannot be used.
    #[error("{}: {what}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

impl Server {
    /// The server at `url`, whose user has the password in the first line of
    /// `password_file`, and whose certificate is signed by one in `ca`. Without
    /// `ca` those count that this system trusts.
    ///
    /// What goes over a network is encrypted, and the server's name is checked,
    /// whatever `sslmode` says.
    pub fn new(url: &str, password_file: Option<&Path>, ca: Option<&Path>) -> Result<Self, NotAServer> {
        let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| NotAServer::Url(told(&error)))?;
        let is_here = config.get_hosts().iter().all(|host| match host {
            Host::Unix(_) => true,
            Host::Tcp(name) => name == "localhost" || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback()),
        });
        let wants_clear = config.get_ssl_mode() == SslMode::Disable;
        let all_unix = config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)));
        let tls = match () {
            () if all_unix || (is_here && wants_clear) => None,
            () if wants_clear => return Err(NotAServer::Clear),
            () => Some(MakeRustlsConnect::new(trusting(ca)?)),
        };
        config.ssl_mode(if tls.is_some() { SslMode::Require } else { SslMode::Disable });
        if let Some(path) = password_file {
            let unreadable = |error: std::io::Error| NotAServer::File { path: path.into(), what: error.to_string() };
            let text = Zeroizing::new(fs::read_to_string(path).map_err(unreadable)?);
            config.password(text.lines().next().unwrap_or_default());
        }
        config.application_name("postern").connect_timeout(CONNECT).keepalives_idle(Duration::from_secs(30));
        Ok(Self { config, tls })
    }

    /// For people: no password is in it.
    #[must_use]
    pub fn name(&self) -> String {
        let host = match self.config.get_hosts() {
            [Host::Tcp(name), ..] => name.clone(),
            [Host::Unix(path), ..] => path.display().to_string(),
            [] => "localhost".into(),
        };
        format!("{host}/{}", self.config.get_dbname().unwrap_or("postern"))
    }

    /// A connection, which works while the runtime that this is called in does.
    pub(super) async fn connect(&self) -> Result<Client, Unreachable> {
        let connecting = async {
            Ok(match &self.tls {
                Some(tls) => {
                    let (client, connection) = self.config.connect(tls.clone()).await?;
                    tokio::spawn(connection);
                    client
                }
                None => {
                    let (client, connection) = self.config.connect(tokio_postgres::NoTls).await?;
                    tokio::spawn(connection);
                    client
                }
            })
        };
        tokio::time::timeout(CONNECT, connecting).await.unwrap_or(Err(Unreachable::Late))
    }
}

fn trusting(ca: Option<&Path>) -> Result<ClientConfig, NotAServer> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(path) => {
            let bad = |what: String| NotAServer::File { path: path.into(), what };
            for certificate in CertificateDer::pem_file_iter(path).map_err(|error| bad(error.to_string()))? {
                let certificate = certificate.map_err(|error| bad(error.to_string()))?;
                roots.add(certificate).map_err(|error| bad(error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(bad("there is no certificate in it".into()));
            }
        }
        None => {
            // One that cannot be read is one less to trust.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| NotAServer::Url(error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn told(error: &tokio_postgres::Error) -> String {
    use std::error::Error as _;
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
