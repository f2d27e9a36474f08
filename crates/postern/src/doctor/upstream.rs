//! The servers behind: whether they answer, and whether somebody can get to
//! them past Postern.

use std::{
    io,
    net::{IpAddr, SocketAddr, UdpSocket},
    time::Duration,
};

use front::{Address, Stream};
use gateway::Upstream;
use rand_core::Rng;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::Finding;
use crate::{
    config::{Config, Gateway, Handover, Mailbox, Service, SubmissionHandover},
    data::randomness,
};

/// Servers let those who gave a wrong password wait, Dovecot some two seconds.
const PATIENCE: Duration = Duration::from_secs(10);
/// No answer that matters here is longer.
const LONGEST: usize = 8 * 1024;
/// What is on this machine answers at once.
const NEAR: Duration = Duration::from_secs(2);

/// What can be seen of the server behind one gateway.
pub(super) async fn examine(config: &Config, gateway: &Gateway) -> Vec<Finding> {
    let mut findings = vec![match &gateway.service {
        Service::Mailbox(mailbox, _) => mailbox_server(*mailbox, gateway).await,
        Service::Submission { handover, .. } => smtp(gateway, handover).await,
        Service::Http(spoken) => http(gateway, spoken.handover.word()).await,
    }];
    findings.push(past_postern(config, gateway).await);
    findings
}

/// Greeted, then tried with a name and a password that nobody has: the way in
/// for everybody who has no business there.
async fn mailbox_server(mailbox: Mailbox, gateway: &Gateway) -> Finding {
    let check = format!("upstream {}", gateway.name);
    let heard = match timeout(PATIENCE, greet_and_try(mailbox, &gateway.upstream)).await {
        Ok(Ok(heard)) => heard,
        Ok(Err(error)) => return unreachable(check, gateway, &error),
        Err(_) => return unreachable(check, gateway, &io::ErrorKind::TimedOut.into()),
    };
    match heard {
        Heard::PreAuthenticated => Finding::fail(
            check,
            "it takes everybody in without asking who they are",
            "have it ask for a password, and let only the master user in",
        ),
        Heard::LetIn => Finding::fail(
            check,
            "it let a name in that was made up, with a password that was made up",
            "let only the master user in there: no password at all must be good for anybody else",
        ),
        Heard::Refused => {
            Finding::ok(check, format!("{} greets, and refuses who is not the master user", gateway.upstream))
        }
        Heard::TurnedAway(greeting) => {
            Finding::fail(check, format!("it turns us away: {greeting:?}"), "look at its log")
        }
        Heard::SomethingElse => {
            let name = match mailbox {
                Mailbox::Imap => "IMAP",
                Mailbox::Pop3 => "POP3",
                Mailbox::Sieve => "ManageSieve",
            };
            Finding::fail(
                check,
                format!("what answers at {} is no {name} server", gateway.upstream),
                format!("correct `upstream`; it is {name} without TLS from the first byte"),
            )
        }
    }
}

/// What a server said to a stranger.
enum Heard {
    PreAuthenticated,
    LetIn,
    Refused,
    TurnedAway(String),
    SomethingElse,
}

async fn greet_and_try(mailbox: Mailbox, upstream: &Upstream) -> io::Result<Heard> {
    let mut stream = upstream.connect().await?;
    let (name, secret) = (format!("postern-doctor-{}", made_up()), made_up());
    // Where ManageSieve's list ends, there is an OK.
    let greeting = match mailbox {
        // Of other servers, the first line.
        Mailbox::Sieve => hear_any(&mut stream, &["OK", "BYE", "NO", "* ", "+OK", "220"]).await?,
        Mailbox::Imap | Mailbox::Pop3 => hear(&mut stream, "").await?,
    };
    let (welcome, attempt, answer, goodbye) = match mailbox {
        Mailbox::Imap => ("* OK", format!("d LOGIN \"{name}\" \"{secret}\"\r\n"), ["d ", "d "], "e LOGOUT\r\n"),
        Mailbox::Pop3 => ("+OK", format!("AUTH PLAIN {}\r\n", plain(&name, &secret)), ["+OK", "-ERR"], "QUIT\r\n"),
        Mailbox::Sieve => {
            ("OK", format!("AUTHENTICATE \"PLAIN\" \"{}\"\r\n", plain(&name, &secret)), ["OK", "NO"], "LOGOUT\r\n")
        }
    };
    let shouted = greeting.to_ascii_uppercase();
    if shouted.starts_with("* PREAUTH") {
        return Ok(Heard::PreAuthenticated);
    }
    if ["* BYE", "-ERR", "BYE"].iter().any(|words| shouted.starts_with(words)) {
        return Ok(Heard::TurnedAway(greeting));
    }
    if !shouted.starts_with(welcome) {
        return Ok(Heard::SomethingElse);
    }
    stream.write_all(attempt.as_bytes()).await?;
    // One that hangs up has let nobody in.
    let answer = hear_any(&mut stream, &answer).await.unwrap_or_default().to_ascii_uppercase();
    let _ = stream.write_all(goodbye.as_bytes()).await;
    let let_in = ["D OK", "+OK", "OK"].iter().any(|words| answer.starts_with(words));
    Ok(if let_in { Heard::LetIn } else { Heard::Refused })
}

fn plain(name: &str, secret: &str) -> String {
    data_encoding::BASE64.encode(format!("\0{name}\0{secret}").as_bytes())
}

/// Asked what it offers: a handover that it does not offer can only fail.
async fn smtp(gateway: &Gateway, handover: &SubmissionHandover) -> Finding {
    let check = format!("upstream {}", gateway.name);
    let offered = match timeout(PATIENCE, greet_and_ask(&gateway.upstream)).await {
        Ok(Ok(offered)) => offered,
        Ok(Err(error)) => return unreachable(check, gateway, &error),
        Err(_) => return unreachable(check, gateway, &io::ErrorKind::TimedOut.into()),
    };
    let offers = |keyword: &str, parameter: &str| {
        let mut lines = offered.lines().filter_map(|line| line.get(4..)).map(str::to_ascii_uppercase);
        lines.any(|line| {
            let mut words = line.split_ascii_whitespace();
            words.next() == Some(keyword) && words.any(|word| word == parameter)
        })
    };
    match handover {
        // It takes the login then, and forgets it.
        SubmissionHandover::Xclient
            if offers("XCLIENT", "LOGIN") && !offered.to_ascii_uppercase().contains("AUTH ") =>
        {
            Finding::warn(
                check,
                "it offers XCLIENT and no AUTH: Postfix takes nobody for signed in unless it could sign in itself",
                "set smtpd_sasl_auth_enable = yes for that listener",
            )
        }
        SubmissionHandover::Xclient if offers("XCLIENT", "LOGIN") => {
            Finding::ok(check, format!("{} takes sessions over by XCLIENT", gateway.upstream))
        }
        SubmissionHandover::Xclient => Finding::fail(
            check,
            "it offers no XCLIENT with LOGIN to this address: nobody can send mail",
            "name this address in Postfix's smtpd_authorized_xclient_hosts, and set smtpd_sasl_auth_enable = yes",
        ),
        SubmissionHandover::MasterUser(_) if offers("AUTH", "PLAIN") => {
            Finding::ok(check, format!("{} takes sessions over by AUTH PLAIN", gateway.upstream))
        }
        SubmissionHandover::MasterUser(_) => Finding::fail(
            check,
            "it offers no AUTH PLAIN to this address: nobody can send mail",
            "let it take passwords from this address without TLS, or use handover = { kind = \"xclient\" }",
        ),
    }
}

/// The answer to EHLO, all of it.
async fn greet_and_ask(upstream: &Upstream) -> io::Result<String> {
    let mut stream = upstream.connect().await?;
    let greeting = hear(&mut stream, "").await?;
    if !greeting.starts_with("220") {
        return Err(io::Error::other(format!("it greets with {greeting:?}")));
    }
    stream.write_all(b"EHLO localhost\r\n").await?;
    let mut heard = Vec::new();
    let mut octets = [0; 1024];
    while heard.len() < LONGEST {
        match stream.read(&mut octets).await? {
            0 => break,
            n => heard.extend_from_slice(&octets[..n]),
        }
        let text = String::from_utf8_lossy(&heard);
        if text.ends_with('\n') && text.lines().last().is_some_and(|line| line.as_bytes().get(3) == Some(&b' ')) {
            let _ = stream.write_all(b"QUIT\r\n").await;
            return Ok(text.into_owned());
        }
    }
    Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it hung up, or does not come to an end"))
}

/// Asked without a name: what it shows then, it shows to everybody. A name is
/// not sent, since some servers make a home for each new one.
async fn http(gateway: &Gateway, user_header: &str) -> Finding {
    let check = format!("upstream {}", gateway.name);
    let status = match timeout(PATIENCE, ask_without_name(&gateway.upstream)).await {
        Ok(Ok(status)) => status,
        Ok(Err(error)) => return unreachable(check, gateway, &error),
        Err(_) => return unreachable(check, gateway, &io::ErrorKind::TimedOut.into()),
    };
    let code =
        status.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)).and_then(|code| code.parse().ok());
    match code {
        Some(200..=299_u16) => Finding::warn(
            check,
            format!("it answers a request that bears no {user_header}"),
            "check its rights: without a name nothing should be seen",
        ),
        Some(500..=599) => Finding::warn(check, format!("it answers {status:?}"), "look at its log"),
        Some(_) => Finding::ok(check, format!("{} answers, and refuses who has no name", gateway.upstream)),
        None => Finding::fail(
            check,
            format!("what answers at {} is no HTTP server", gateway.upstream),
            "correct `upstream`; it is HTTP without TLS",
        ),
    }
}

async fn ask_without_name(upstream: &Upstream) -> io::Result<String> {
    let mut stream = upstream.connect().await?;
    let request =
        "PROPFIND / HTTP/1.1\r\nHost: localhost\r\nDepth: 0\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await?;
    hear(&mut stream, "").await
}

/// The first line that begins so.
async fn hear(stream: &mut Stream, begin: &str) -> io::Result<String> {
    hear_any(stream, &[begin]).await
}

/// The first line that begins in one of these ways.
async fn hear_any(stream: &mut Stream, begins: &[&str]) -> io::Result<String> {
    let mut heard = Vec::new();
    let mut octets = [0; 1024];
    while heard.len() < LONGEST {
        match stream.read(&mut octets).await? {
            0 => break,
            n => heard.extend_from_slice(&octets[..n]),
        }
        let whole = heard.iter().rposition(|octet| *octet == b'\n').map_or(0, |at| at + 1);
        let text = String::from_utf8_lossy(&heard[..whole]);
        if let Some(line) = text.lines().find(|line| begins.iter().any(|begin| line.starts_with(begin))) {
            return Ok(line.to_owned());
        }
    }
    Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it hung up or talked on without an answer"))
}

fn unreachable(check: String, gateway: &Gateway, error: &io::Error) -> Finding {
    Finding::fail(
        check,
        format!("{} cannot be reached ({error}): apps are told to try later", gateway.upstream),
        "start it, or correct `upstream`",
    )
}

/// Goes round to the back: who reaches the server behind from elsewhere needs
/// no app password.
async fn past_postern(config: &Config, gateway: &Gateway) -> Finding {
    let check = format!("past {}", gateway.name);
    let harm = match &gateway.service {
        Service::Mailbox(..) => "its own passwords, and the master user's, open it there".to_owned(),
        Service::Submission { .. } => "whoever it believes XCLIENT or a password from sends mail there".to_owned(),
        Service::Http(spoken) => match &spoken.handover {
            Handover::Header(name) => format!("it believes {name} from whoever can reach it"),
            Handover::Basic { .. } => "its own passwords, and Postern's for everybody, open it there".to_owned(),
        },
    };
    let remedy = "have it listen on 127.0.0.1 or a Unix socket, or keep all but Postern out by a firewall";
    let port = match &gateway.upstream {
        Upstream::Unix(_) => return Finding::ok(check, "only programs on this machine can reach it"),
        Upstream::Tcp { .. } if !gateway.upstream.is_local() => {
            let found =
                format!("{} is not on this machine: {harm}, and the way there is in the clear", gateway.upstream);
            return Finding::warn(check, found, remedy);
        }
        Upstream::Tcp { port, .. } => *port,
    };
    // A door of ours may have the same port on another address.
    let ours = |to: &SocketAddr| {
        config.listening().any(|(_, own)| match own {
            Address::Tcp(own) => own.port() == to.port() && (own.ip() == to.ip() || own.ip().is_unspecified()),
            Address::Unix(_) => false,
        })
    };
    for address in outward().map(|address| SocketAddr::new(address, port)).filter(|to| !ours(to)) {
        if let Ok(Ok(_)) = timeout(NEAR, TcpStream::connect(address)).await {
            return Finding::warn(check, format!("it answers on {address} as well: {harm}"), remedy);
        }
    }
    Finding::ok(check, "it answers on this machine's own address only")
}

/// This machine's addresses as others see them. Connecting a datagram socket
/// chooses the route and sends nothing; where there is no route, nobody comes.
fn outward() -> impl Iterator<Item = IpAddr> {
    // The documentation's networks: they stand for "anywhere".
    [("0.0.0.0:0", "192.0.2.1:9"), ("[::]:0", "[2001:db8::1]:9")].into_iter().filter_map(|(any, elsewhere)| {
        let socket = UdpSocket::bind(any).ok()?;
        socket.connect(elsewhere).ok()?;
        let address = socket.local_addr().ok()?.ip();
        (!address.is_loopback() && !address.is_unspecified()).then_some(address)
    })
}

fn made_up() -> String {
    let mut octets = [0; 16];
    randomness().fill_bytes(&mut octets);
    data_encoding::HEXLOWER.encode(&octets)
}
