//! The server that takes mails.

use std::{fmt, net::IpAddr, str::FromStr, time::Duration};

use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    transport::smtp::{
        authentication,
        client::{Tls, TlsParameters},
        extension::ClientId,
    },
};

/// A server that takes longer is gone.
const PATIENCE: Duration = Duration::from_secs(30);

/// How it is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Security {
    /// To a server on this machine without TLS. To another with STARTTLS where it is
    /// offered, whoever signed the certificate: as mail servers do among each other.
    Opportunistic,
    /// With STARTTLS, or not at all.
    StartTls,
    /// With TLS from the first octet.
    Implicit,
}

/// `smtp://127.0.0.1:25`, `smtp+starttls://mail.example.org:587`, `smtps://mail.example.org`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayUrl {
    security: Security,
    host: String,
    port: u16,
}

impl RelayUrl {
    fn is_local(&self) -> bool {
        let address = self.host.parse::<IpAddr>();
        self.host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }

    /// Whether a password would be heard by nobody else on its way there.
    pub fn keeps_secrets(&self) -> bool {
        self.security != Security::Opportunistic || self.is_local()
    }
}

impl FromStr for RelayUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "expected smtp://127.0.0.1:25, smtp+starttls://HOST:587 or smtps://HOST:465";
        let (scheme, rest) = text.split_once("://").ok_or(FORM)?;
        let (security, port) = match scheme {
            "smtp" => (Security::Opportunistic, 25),
            "smtp+starttls" => (Security::StartTls, 587),
            "smtps" => (Security::Implicit, 465),
            _ => return Err(FORM),
        };
        if rest.contains('@') {
            return Err("no login in the address: write login = \"NAME\" and password_file = \"FILE\" beside it");
        }
        let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, port),
            Some((host, behind)) => (host, behind.strip_prefix(':').and_then(|port| port.parse().ok()).ok_or(FORM)?),
            None => match rest.split_once(':') {
                Some((host, port)) => (host, port.parse().map_err(|_| FORM)?),
                None => (rest, port),
            },
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':');
        if host.is_empty() || !host.chars().all(plain) || port == 0 {
            return Err(FORM);
        }
        Ok(Self { security, host: host.to_owned(), port })
    }
}

impl fmt::Display for RelayUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.security {
            Security::Opportunistic => "smtp",
            Security::StartTls => "smtp+starttls",
            Security::Implicit => "smtps",
        };
        match self.host.contains(':') {
            true => write!(f, "{scheme}://[{}]:{}", self.host, self.port),
            false => write!(f, "{scheme}://{}:{}", self.host, self.port),
        }
    }
}

/// By which Postern signs in there.
#[derive(Clone)]
pub struct Credentials(authentication::Credentials);

impl Credentials {
    /// A login and its password.
    pub fn new(login: String, password: String) -> Self {
        Self(authentication::Credentials::new(login, password))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials([redacted])")
    }
}

/// The mail server cannot be used as the configuration has it.
#[derive(Debug, thiserror::Error)]
pub enum NotARelay {
    /// The system's certificates cannot be read, or the name is none.
    #[error("TLS to the mail server of [notices] cannot be had: {0}: check its name, and the system's certificates")]
    Tls(#[from] lettre::transport::smtp::Error),
}

/// A server, ready to be spoken to.
#[derive(Clone)]
pub struct Relay {
    url: RelayUrl,
    transport: AsyncSmtpTransport<Tokio1Executor>,
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Relay({})", self.url)
    }
}

/// A mail that was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Untaken {
    /// No mail would be: the server is away, or does not know us.
    #[error("the mail server cannot be used: {0}")]
    Relay(lettre::transport::smtp::Error),
    /// This one was not.
    #[error("the mail server does not take it: {0}")]
    Mail(lettre::transport::smtp::Error),
}

impl Relay {
    /// The server at `url`, greeted as `hello`.
    pub fn new(url: RelayUrl, credentials: Option<Credentials>, hello: &str) -> Result<Self, NotARelay> {
        let tls = || TlsParameters::new(url.host.clone());
        let of_whomever = || TlsParameters::builder(url.host.clone()).dangerous_accept_invalid_certs(true).build();
        let security = match url.security {
            Security::Opportunistic if url.is_local() => Tls::None,
            // It would be sent in the clear otherwise.
            Security::Opportunistic => Tls::Opportunistic(of_whomever()?),
            Security::StartTls => Tls::Required(tls()?),
            Security::Implicit => Tls::Wrapper(tls()?),
        };
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(url.host.clone())
            .port(url.port)
            .tls(security)
            .hello_name(ClientId::Domain(hello.to_owned()))
            .timeout(Some(PATIENCE));
        if let Some(Credentials(credentials)) = credentials {
            transport = transport.credentials(credentials);
        }
        Ok(Self { url, transport: transport.build() })
    }

    /// Where it is.
    pub fn url(&self) -> &RelayUrl {
        &self.url
    }

    /// Whether it answers, and takes us for who we are.
    pub async fn try_out(&self) -> Result<(), String> {
        match self.transport.test_connection().await {
            Ok(true) => Ok(()),
            Ok(false) => Err("it greets, and then does not answer".to_owned()),
            Err(error) => Err(told(&error)),
        }
    }

    pub(crate) async fn send(&self, mail: Message) -> Result<(), Untaken> {
        match self.transport.send(mail).await {
            Ok(_) => Ok(()),
            Err(error) => Err(Untaken::of(error)),
        }
    }
}

impl Untaken {
    fn of(error: lettre::transport::smtp::Error) -> Self {
        // Closing down, and all that is said of who we are (RFC 4954, section 6).
        let is_about_us = |code: &str| ["421", "454", "530", "534", "535", "538"].contains(&code);
        match error.status().map(|code| code.to_string()) {
            Some(code) if !is_about_us(&code) => Self::Mail(error),
            // The server lacks what this address needs.
            None if error.is_client() => Self::Mail(error),
            _ => Self::Relay(error),
        }
    }
}

/// With its causes.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}
