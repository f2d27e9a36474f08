//! IMAP. Its messages are all the same.

use tokio::{
    io::{AsyncWriteExt, BufReader},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use super::next;
use crate::Outcome;

/// Messages in the mailbox.
pub(in crate::mail) const MESSAGES: usize = 100;
/// Octets in each.
pub(in crate::mail) const MESSAGE: usize = 1 << 20;

/// All peers have to find what they ask a server for.
const CAPABILITIES: &str = "IMAP4rev1 SASL-IR LITERAL+ ID IDLE AUTH=PLAIN AUTH=LOGIN";

pub(super) async fn talk(stream: TcpStream, message: &[u8]) -> Outcome<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::with_capacity(512, read);
    write.write_all(format!("* OK [CAPABILITY {CAPABILITIES}] ready\r\n").as_bytes()).await?;
    let (mut line, mut idling) = (String::new(), String::new());
    while next(&mut read, &mut line).await? {
        let mut words = line.splitn(3, ' ');
        let mut word = || words.next().unwrap_or_default();
        let (tag, verb, rest) = (word(), word().to_ascii_uppercase(), word());
        let answer = match verb.as_str() {
            "CAPABILITY" => format!("* CAPABILITY {CAPABILITIES}\r\n{tag} OK done\r\n"),
            "LOGIN" | "AUTHENTICATE" => {
                let answer = format!("{tag} OK [CAPABILITY IMAP4rev1 IDLE] in\r\n");
                credentials(&mut read, &mut write, verb == "AUTHENTICATE", rest.to_owned()).await?;
                answer
            }
            "IDLE" => {
                tag.clone_into(&mut idling);
                "+ idling\r\n".into()
            }
            "UID" => {
                for number in 1..=MESSAGES {
                    let head = format!("* {number} FETCH (UID {number} BODY[] {{{}}}\r\n", message.len());
                    write.write_all(head.as_bytes()).await?;
                    write.write_all(message).await?;
                    write.write_all(b")\r\n").await?;
                }
                format!("{tag} OK done\r\n")
            }
            "LOGOUT" => {
                write.write_all(format!("* BYE\r\n{tag} OK done\r\n").as_bytes()).await?;
                return Ok(());
            }
            _ if tag == "DONE" => format!("{idling} OK done\r\n"),
            _ => format!("{tag} OK done\r\n"),
        };
        write.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}

/// Reads the rest of what is signed in with, in each way that a proxy may send it:
/// a response in a line of its own, or literals.
async fn credentials(
    read: &mut BufReader<OwnedReadHalf>,
    write: &mut OwnedWriteHalf,
    authenticate: bool,
    mut rest: String,
) -> Outcome<()> {
    if authenticate && !rest.contains(' ') {
        write.write_all(b"+ \r\n").await?;
        next(read, &mut rest).await?;
    }
    while rest.ends_with('}') {
        if !rest.ends_with("+}") {
            write.write_all(b"+ go on\r\n").await?;
        }
        next(read, &mut rest).await?;
    }
    Ok(())
}
