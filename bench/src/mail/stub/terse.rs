//! POP3, ManageSieve and submission: next to every command has the same answer.

use tokio::{
    io::{AsyncWriteExt, BufReader},
    net::TcpStream,
};

use super::next;
use crate::{Outcome, mail::Protocol};

const SIEVE: &str = "\"IMPLEMENTATION\" \"stub\"\r\n\"SASL\" \"PLAIN\"\r\n\"SIEVE\" \"fileinto\"\r\n\"VERSION\" \"1.0\"\r\nOK \"done\"\r\n";
const SMTP: &str = "250-stub\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250-AUTH PLAIN\r\n\
    250-XCLIENT NAME ADDR PROTO HELO LOGIN PORT\r\n250 8BITMIME\r\n";

pub(super) async fn talk(protocol: Protocol, stream: TcpStream) -> Outcome<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::with_capacity(512, read);
    write.write_all(greeting(protocol).as_bytes()).await?;
    let mut line = String::new();
    while next(&mut read, &mut line).await? {
        let verb = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
        // A literal: what it holds is in the next line.
        if line.ends_with('}') {
            next(&mut read, &mut line).await?;
        }
        write.write_all(answer(protocol, &verb).as_bytes()).await?;
        if matches!(verb.as_str(), "QUIT" | "LOGOUT") {
            break;
        }
    }
    Ok(())
}

fn greeting(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Pop3 => "+OK ready\r\n",
        Protocol::Sieve => SIEVE,
        _ => "220 stub ESMTP\r\n",
    }
}

fn answer(protocol: Protocol, verb: &str) -> &'static str {
    match (protocol, verb) {
        (Protocol::Pop3, _) => "+OK done\r\n",
        (Protocol::Sieve, "CAPABILITY") => SIEVE,
        (Protocol::Sieve, _) => "OK \"done\"\r\n",
        (_, "EHLO") => SMTP,
        (_, "XCLIENT") => "220 stub ESMTP\r\n",
        (_, "AUTH") => "235 2.7.0 in\r\n",
        (_, "QUIT") => "221 2.0.0 bye\r\n",
        _ => "250 2.0.0 done\r\n",
    }
}
