//! IMAP servers behind: one that serves, and those that fail in their ways.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use gateway::Upstream;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

/// How it behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Imap {
    /// Takes sessions over. Then `NOOP` is answered, `FLOOD` sends until nobody
    /// takes more, `GO` closes.
    Serves,
    /// Says this instead of a greeting, and closes or waits.
    Greets(&'static str, After),
    /// Answers the handover with this, and closes or waits.
    Answers(&'static str, After),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum After {
    Closes,
    Waits,
}

pub(crate) struct ImapBehind {
    address: SocketAddr,
    /// Notified when the door has let go of a connection.
    pub(crate) gone: Arc<Notify>,
    handed_over: Arc<Mutex<Vec<String>>>,
    /// Lines of sessions.
    heard: Arc<Mutex<Vec<String>>>,
    flooded: Arc<AtomicUsize>,
}

impl ImapBehind {
    pub(crate) async fn that(does: Imap) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let (gone, handed_over, flooded) = (Arc::default(), Arc::default(), Arc::default());
        let behind = Self { address, gone, handed_over, heard: heard.clone(), flooded };
        let (gone, handed_over, flooded) = (behind.gone.clone(), behind.handed_over.clone(), behind.flooded.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (gone, handed_over, flooded) = (gone.clone(), handed_over.clone(), flooded.clone());
                let heard = heard.clone();
                tokio::spawn(async move {
                    let _ = serve(BufReader::new(stream), does, &handed_over, &heard, &flooded).await;
                    gone.notify_one();
                });
            }
        });
        behind
    }

    pub(crate) fn upstream(&self) -> Upstream {
        Upstream::parse(&format!("imap://{}", self.address), "imap").unwrap()
    }

    /// Returns when its flood has filled every buffer on the way.
    pub(crate) async fn is_stuck(&self) {
        let mut before = 0;
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let now = self.flooded.load(Ordering::SeqCst);
            if now > 0 && now == before {
                return;
            }
            before = now;
        }
    }

    /// The lines that came in sessions.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    /// The SASL PLAIN messages of the handovers.
    pub(crate) fn handed_over(&self) -> Vec<String> {
        self.handed_over.lock().unwrap().clone()
    }
}

async fn serve(
    mut stream: BufReader<TcpStream>,
    does: Imap,
    handed_over: &Mutex<Vec<String>>,
    heard: &Mutex<Vec<String>>,
    flooded: &AtomicUsize,
) -> std::io::Result<()> {
    if let Imap::Greets(greeting, after) = does {
        return say_last(stream, greeting, after).await;
    }
    stream.write_all(b"* OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS AUTH=PLAIN] ready\r\n").await?;
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let (tag, message) = line.trim_end().split_once(" AUTHENTICATE PLAIN ").unwrap();
    let message = String::from_utf8(BASE64_STANDARD.decode(message).unwrap()).unwrap();
    handed_over.lock().unwrap().push(message);
    if let Imap::Answers(answer, after) = does {
        return say_last(stream, &answer.replace("TAG", tag), after).await;
    }
    let answer = format!("{tag} OK [CAPABILITY IMAP4rev1 IDLE COMPRESS=DEFLATE] in\r\n");
    stream.write_all(answer.as_bytes()).await?;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            // The client has said all: so do we.
            stream.write_all(b"* OK half closed\r\n").await?;
            return Ok(());
        }
        heard.lock().unwrap().push(line.trim_end().to_owned());
        match line.trim_end().split_once(' ').unwrap() {
            (_, "GO") => return Ok(()),
            (_, "FLOOD") => loop {
                stream.write_all(&[b'x'; 8192]).await?;
                flooded.fetch_add(1, Ordering::SeqCst);
            },
            (tag, _) => stream.write_all(format!("{tag} OK done\r\n").as_bytes()).await?,
        }
    }
}

async fn say_last(mut stream: BufReader<TcpStream>, words: &str, after: After) -> std::io::Result<()> {
    stream.write_all(words.as_bytes()).await?;
    if let After::Waits = after {
        stream.read_to_end(&mut Vec::new()).await?;
    }
    Ok(())
}
