//! Submission: messages a second through the gateway to a real Postfix, beside the
//! same clients at a Postfix that speaks TLS itself, under the same certificate; it is
//! told by XCLIENT who they are, and so has no password to check.
//!
//! By the clock: Postfix waits for the disk, and that is most of it.

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Command,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use e2e::{Postfix, Site};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufStream},
    net::TcpStream,
    task::JoinSet,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    Extent, Outcome,
    machine::Core,
    report::{Goal, Line, Unit, tell},
    series::Series,
    server::Server,
    stopwatch::Stopwatch,
    tls,
};

const LOGIN: &str = "user0@example.org";
/// Clients at once.
const AT_ONCE: usize = 8;
/// Messages on a connection: each of them is a sign-in, too.
const ON_EACH: usize = 10;
/// The length of a message, in octets: some text, no attachment.
const LENGTH: usize = 4096;

type Stream = BufStream<TlsStream<TcpStream>>;

/// How a client gets to Postfix.
#[derive(Clone)]
enum Way {
    Direct { port: u16, tls: TlsConnector },
    Through { port: u16, tls: TlsConnector, secret: String },
}

pub(crate) fn measure(extent: &Extent) -> Outcome<Vec<Line>> {
    let folder = tempfile::Builder::new().prefix("postern-bench-").tempdir()?;
    // Both on both processors: nothing has been moved to one of them yet.
    let (certificate, key) = certificate(folder.path())?;
    let (postfix, alone) = (Postfix::start()?, Postfix::in_tls(&certificate, &key)?);
    let site = Site::new(e2e::free_port()?, e2e::free_port()?, "")?;
    let site = site.with_submission(postfix.port, "handover = { kind = \"xclient\" }")?;
    site.account(LOGIN)?;
    let (_, secret) = site.app_password(LOGIN, "mail:send", &["--lock", "off"])?;
    let mut command = Command::new(e2e::binary()?);
    command.arg("serve").arg("--config").arg(site.config());
    let postern = Server::start(&mut command, Core::Server, site.submission, &folder.path().join("postern.log"))?;
    let ways = [
        Way::Through { port: site.submission, tls: tls::connector()?, secret },
        Way::Direct { port: alone.port, tls: tls::connector()? },
    ];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut figures = [Series::default(), Series::default()];
    let mut worked = Series::default();
    for round in 0..=extent.rounds(9) {
        for (way, figures) in ways.iter().zip(&mut figures) {
            tell(&format!("submission: round {round}, {}", way.name()));
            let before = postern.worked();
            let (sent, seconds) = runtime.block_on(send(way, if extent.quick { 2.0 } else { 4.0 }))?;
            // The first round warms everything up.
            if round > 0 {
                figures.push(sent / seconds);
                if let Way::Through { .. } = way {
                    worked.push((postern.worked() - before) / sent * 1e6);
                }
            }
        }
    }
    let [through, direct] = figures;
    let share = through.over(&direct);
    Ok(vec![
        Line::new("messages through Postern to Postfix", through, Unit::PerSecond).beside(
            "of Postfix alone",
            share,
            Unit::Percent,
            Some(Goal::AtLeast(0.95)),
        ),
        Line::new("  to Postfix alone", direct, Unit::PerSecond),
        Line::new("  processor time of Postern for each", worked, Unit::Micros),
    ])
}

/// ECDSA on P-256, as Postern's own.
fn certificate(folder: &Path) -> Outcome<(PathBuf, PathBuf)> {
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]);
    openssl.args(["-subj", "/CN=localhost", "-out"]).arg(&certificate).arg("-keyout").arg(&key);
    match e2e::run(&mut openssl)? {
        (Some(0), _) => Ok((certificate, key)),
        (_, said) => Err(format!("openssl: {said}").into()),
    }
}

impl Way {
    fn name(&self) -> &'static str {
        match self {
            Self::Direct { .. } => "Postfix alone",
            Self::Through { .. } => "through Postern",
        }
    }

    /// A connection that may send.
    async fn connect(&self) -> Outcome<Stream> {
        let (Self::Direct { port, tls } | Self::Through { port, tls, .. }) = self;
        let tcp = TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).await?;
        tcp.set_nodelay(true)?;
        let mut stream = BufStream::new(tls.connect(ServerName::try_from("localhost")?, tcp).await?);
        reply(&mut stream, 220).await?;
        ask(&mut stream, "EHLO laptop", 250).await?;
        match self {
            Self::Direct { .. } => {
                ask(&mut stream, &format!("XCLIENT LOGIN={LOGIN} ADDR=127.0.0.1"), 220).await?;
                ask(&mut stream, "EHLO laptop", 250).await?;
            }
            Self::Through { secret, .. } => {
                let message = BASE64_STANDARD.encode(format!("\0{LOGIN}\0{secret}"));
                ask(&mut stream, &format!("AUTH PLAIN {message}"), 235).await?;
            }
        }
        Ok(stream)
    }
}

/// How many messages, in how many seconds.
async fn send(way: &Way, seconds: f64) -> Outcome<(f64, f64)> {
    let watch = Stopwatch::start();
    let mut clients = JoinSet::new();
    for _ in 0..AT_ONCE {
        let way = way.clone();
        clients.spawn(async move {
            let mut sent = 0_u32;
            let text = format!("Subject: Tea\r\n\r\n{}.", format!("{}\r\n", "x".repeat(70)).repeat(LENGTH / 72));
            while watch.seconds() < seconds {
                let mut stream = way.connect().await?;
                for _ in 0..ON_EACH {
                    ask(&mut stream, &format!("MAIL FROM:<{LOGIN}>"), 250).await?;
                    ask(&mut stream, "RCPT TO:<bob@example.org>", 250).await?;
                    ask(&mut stream, "DATA", 354).await?;
                    ask(&mut stream, &text, 250).await?;
                    sent += 1;
                }
                ask(&mut stream, "QUIT", 221).await?;
            }
            Outcome::Ok(sent)
        });
    }
    let mut sent = 0.0;
    while let Some(client) = clients.join_next().await {
        sent += f64::from(client??);
    }
    Ok((sent, watch.seconds()))
}

async fn ask(stream: &mut Stream, command: &str, code: u16) -> Outcome<()> {
    stream.write_all(command.as_bytes()).await?;
    stream.write_all(b"\r\n").await?;
    stream.flush().await?;
    reply(stream, code).await
}

async fn reply(stream: &mut Stream, code: u16) -> Outcome<()> {
    let mut line = String::new();
    loop {
        line.clear();
        stream.read_line(&mut line).await?;
        if !line.starts_with(&code.to_string()) {
            return Err(format!("{code} was expected, and {line:?} heard").into());
        }
        if line.as_bytes().get(3) == Some(&b' ') {
            return Ok(());
        }
    }
}
