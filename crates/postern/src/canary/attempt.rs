//! One try: true if the place lets the canary in, false if it refuses; an error
//! if it does neither, which is no alarm.

use std::{io, time::Duration};

use authority::Secret;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use tokio::time::timeout;

use super::{
    http,
    place::{Cover, Place, Speaks},
    wire::Wire,
};

/// Servers let those who gave a wrong password wait, some for many seconds.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) async fn attempt(place: &Place, login: &str, secret: &Secret) -> io::Result<bool> {
    let trying = async {
        match place.speaks {
            Speaks::Imap => imap(place, login, secret.expose()).await,
            Speaks::Smtp => smtp(place, login, secret.expose()).await,
            Speaks::Pop3 => pop3(place, login, secret.expose()).await,
            Speaks::Sieve => sieve(place, login, secret.expose()).await,
            Speaks::Http => http::attempt(place, login, secret.expose()).await,
        }
    };
    timeout(PATIENCE, trying).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

fn begins(line: &str, word: &str) -> bool {
    line.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word))
}

fn not(what: &str) -> io::Error {
    io::Error::other(format!("what answers is no {what} server"))
}

fn no_tls() -> io::Error {
    io::Error::other("it offers no STARTTLS")
}

/// RFC 4616.
fn plain(login: &str, secret: &str) -> String {
    BASE64_STANDARD.encode(format!("\0{login}\0{secret}"))
}

async fn imap(place: &Place, login: &str, secret: &str) -> io::Result<bool> {
    let mut wire = Wire::connect(place).await?;
    let greeting = wire.line().await?;
    if begins(&greeting, "* PREAUTH") {
        return Ok(true);
    }
    if !begins(&greeting, "* OK") {
        return Err(not("IMAP"));
    }
    if place.cover == Cover::StartTls {
        wire.say("a STARTTLS").await?;
        if !begins(&wire.until(|line| begins(line, "a ")).await?, "a OK") {
            return Err(no_tls());
        }
        wire = wire.start_tls(place.host()).await?;
    }
    wire.say(&format!("b LOGIN \"{login}\" \"{secret}\"")).await?;
    let answer = wire.until(|line| begins(line, "b ") || begins(line, "* BYE")).await?;
    Ok(begins(&answer, "b OK"))
}

async fn smtp(place: &Place, login: &str, secret: &str) -> io::Result<bool> {
    // All but the last line of an answer have a hyphen behind the code (RFC 5321, 4.2.1).
    let is_last = |line: &str| line.as_bytes().get(3) != Some(&b'-');
    let mut wire = Wire::connect(place).await?;
    if !begins(&wire.until(is_last).await?, "220") {
        return Err(not("SMTP"));
    }
    wire.say("EHLO localhost").await?;
    wire.until(is_last).await?;
    if place.cover == Cover::StartTls {
        wire.say("STARTTLS").await?;
        if !begins(&wire.until(is_last).await?, "220") {
            return Err(no_tls());
        }
        wire = wire.start_tls(place.host()).await?;
        wire.say("EHLO localhost").await?;
        wire.until(is_last).await?;
    }
    // Also where it is not offered: what is not said may still be done.
    let plain = plain(login, secret);
    wire.say(&format!("AUTH PLAIN {plain}")).await?;
    let mut answer = wire.until(is_last).await?;
    if begins(&answer, "334") {
        wire.say(&plain).await?;
        answer = wire.until(is_last).await?;
    }
    Ok(begins(&answer, "235"))
}

async fn pop3(place: &Place, login: &str, secret: &str) -> io::Result<bool> {
    let mut wire = Wire::connect(place).await?;
    if !begins(&wire.line().await?, "+OK") {
        return Err(not("POP3"));
    }
    if place.cover == Cover::StartTls {
        wire.say("STLS").await?;
        if !begins(&wire.line().await?, "+OK") {
            return Err(no_tls());
        }
        wire = wire.start_tls(place.host()).await?;
    }
    wire.say(&format!("USER {login}")).await?;
    if !begins(&wire.line().await?, "+OK") {
        return Ok(false);
    }
    wire.say(&format!("PASS {secret}")).await?;
    Ok(begins(&wire.line().await?, "+OK"))
}

/// ManageSieve, RFC 5804.
async fn sieve(place: &Place, login: &str, secret: &str) -> io::Result<bool> {
    let is_status = |line: &str| ["OK", "NO", "BYE"].iter().any(|word| begins(line, word));
    let mut wire = Wire::connect(place).await?;
    if !begins(&wire.until(is_status).await?, "OK") {
        return Err(not("ManageSieve"));
    }
    if place.cover == Cover::StartTls {
        wire.say("STARTTLS").await?;
        if !begins(&wire.until(is_status).await?, "OK") {
            return Err(no_tls());
        }
        wire = wire.start_tls(place.host()).await?;
        // The capabilities are told anew.
        wire.until(is_status).await?;
    }
    wire.say(&format!("AUTHENTICATE \"PLAIN\" \"{}\"", plain(login, secret))).await?;
    Ok(begins(&wire.until(is_status).await?, "OK"))
}
