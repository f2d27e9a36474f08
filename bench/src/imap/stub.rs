//! An IMAP server that costs next to nothing, behind whatever is measured: it lets
//! everybody in, and its messages are all the same.

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use crate::Outcome;

/// Messages in the mailbox.
pub(crate) const MESSAGES: usize = 100;
/// Octets in each.
pub(crate) const MESSAGE: usize = 1 << 20;

/// All peers have to find what they ask a server for.
const CAPABILITIES: &str = "IMAP4rev1 SASL-IR LITERAL+ ID IDLE AUTH=PLAIN AUTH=LOGIN";

/// Serves until it is killed.
pub(crate) fn serve(port: u16) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = super::pump::listen(port)?;
        let message: &'static [u8] = Box::leak(vec![b'x'; MESSAGE].into_boxed_slice());
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(async move {
                // Clients and proxies that go away are nothing to speak of.
                let _ = talk(stream, message).await;
            });
        }
    })
}

async fn talk(stream: TcpStream, message: &[u8]) -> Outcome<()> {
    stream.set_nodelay(true)?;
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

async fn next(read: &mut BufReader<OwnedReadHalf>, line: &mut String) -> Outcome<bool> {
    line.clear();
    let any = read.read_line(line).await? > 0;
    line.truncate(line.trim_end().len());
    Ok(any)
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
