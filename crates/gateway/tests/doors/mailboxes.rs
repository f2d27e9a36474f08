//! The doors for POP3 and ManageSieve: what IMAP's tests show of every mail door
//! is not shown again, but each protocol's own words are.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use authority::{Protocol, Secret};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use front::Security;
use gateway::{MailDoor, MasterUser, Pop3, Sieve, Upstream};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::Notify,
    time::timeout,
};

use crate::{
    imap_client::{Certificate, Client},
    world::{ALICE, PORTAL, Served, World, door},
};

const SOON: Duration = Duration::from_secs(5);
const TRY_LATER: &str = "This service cannot answer right now, try again later.";

/// One protocol, and what each side of it says.
struct Spoken {
    protocol: Protocol,
    /// Of the server behind.
    greeting: &'static str,
    /// It answers lines that begin so.
    answers: &'static [(&'static str, &'static str)],
    /// A sign-in as Alice with this secret, whose answer is one line.
    sign_in: fn(&str) -> String,
    admitted: &'static str,
    refused: fn(&str) -> String,
    unavailable: &'static str,
    ended: &'static str,
    restart: &'static str,
}

const POP3: Spoken = Spoken {
    protocol: Protocol::Pop3,
    greeting: "+OK [XCLIENT] ready\r\n",
    answers: &[
        ("XCLIENT ADDR=127.0.0.1 PORT=", "+OK Updated\r\n"),
        ("AUTH PLAIN ", "+OK in\r\n"),
        ("NOOP", "+OK done\r\n"),
    ],
    sign_in: |secret| format!("AUTH PLAIN {}", plain(secret)),
    admitted: "+OK Logged in.",
    refused: |text| format!("-ERR [AUTH] {text}"),
    unavailable: "-ERR [SYS/TEMP] This service cannot answer right now, try again later.",
    ended: "-ERR [SYS/TEMP] This session was ended.",
    restart: "-ERR [SYS/TEMP] The server is being restarted.",
};

const SIEVE: Spoken = Spoken {
    protocol: Protocol::Sieve,
    greeting: "\"SIEVE\" \"fileinto\"\r\n\"SASL\" \"PLAIN\"\r\n\"XCLIENT\"\r\nOK \"ready\"\r\n",
    answers: &[
        ("XCLIENT ADDR=127.0.0.1 PORT=", "OK \"Updated\"\r\n"),
        ("AUTHENTICATE ", ""),
        ("YWxpY2V", "OK \"in\"\r\n"),
        ("CAPABILITY", "\"SIEVE\" \"fileinto\"\r\nOK\r\n"),
        ("NOOP", "OK \"done\"\r\n"),
    ],
    sign_in: |secret| format!("AUTHENTICATE \"PLAIN\" \"{}\"", plain(secret)),
    admitted: "OK \"Logged in.\"",
    refused: |text| format!("NO \"{text}\""),
    unavailable: "BYE (TRYLATER) \"This service cannot answer right now, try again later.\"",
    ended: "BYE \"This session was ended.\"",
    restart: "BYE \"The server is being restarted.\"",
};

fn plain(secret: &str) -> String {
    BASE64_STANDARD.encode(format!("\0{ALICE}\0{secret}"))
}

/// A server behind that follows its script, and keeps what it was told.
struct Behind {
    address: SocketAddr,
    gone: Arc<Notify>,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Behind {
    async fn of(spoken: &Spoken) -> Self {
        Self::that(spoken.greeting, spoken.answers).await
    }

    async fn that(greeting: &'static str, answers: &'static [(&'static str, &'static str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let behind = Self { address: listener.local_addr().unwrap(), gone: Arc::default(), heard: Arc::default() };
        let (gone, heard) = (behind.gone.clone(), behind.heard.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (gone, heard) = (gone.clone(), heard.clone());
                tokio::spawn(async move {
                    let _ = serve(BufReader::new(stream), greeting, answers, &heard).await;
                    gone.notify_one();
                });
            }
        });
        behind
    }

    fn heard(&self, begin: &str) -> usize {
        self.heard.lock().unwrap().iter().filter(|line| line.starts_with(begin)).count()
    }
}

/// What it has no answer for ends the connection.
async fn serve(
    mut stream: BufReader<TcpStream>,
    greeting: &str,
    answers: &[(&str, &str)],
    heard: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    stream.write_all(greeting.as_bytes()).await?;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let answer = answers.iter().find(|(begin, _)| line.starts_with(begin));
        heard.lock().unwrap().push(line);
        match answer {
            Some((_, answer)) => stream.write_all(answer.as_bytes()).await?,
            None => return Ok(()),
        }
    }
}

fn at(world: &World, spoken: &Spoken, address: SocketAddr, security: Security) -> Served {
    let name = spoken.protocol.name();
    let upstream = Upstream::parse(&format!("{name}://{address}"), name).unwrap();
    let master = MasterUser { login: "postern".into(), password: Secret::new("master".into()), separator: None };
    let (keeper, door, soon) = (world.keeper.clone(), door(name, spoken.protocol, "mail"), Duration::from_millis(500));
    if spoken.protocol == Protocol::Pop3 {
        let door = MailDoor::new(keeper, door, upstream, Pop3(master), PORTAL).with_handover_timeout(soon);
        Served::new(door, security)
    } else {
        let door = MailDoor::new(keeper, door, upstream, Sieve::new(master), PORTAL).with_handover_timeout(soon);
        Served::new(door, security)
    }
}

/// Reads the greeting; a list ends with an OK.
async fn greeting(client: &mut Client) -> String {
    let mut told = String::new();
    loop {
        let line = client.line().await;
        told.push_str(&line);
        told.push('\n');
        if !line.starts_with('"') {
            return told;
        }
    }
}

async fn greeted(address: SocketAddr, certificate: &Certificate) -> Client {
    let mut client = Client::ungreeted(address, Some(certificate)).await;
    let told = greeting(&mut client).await;
    assert!(told.ends_with("+OK Postern ready.\n") || told.ends_with("OK \"Postern ready.\"\n"), "{told}");
    client
}

#[tokio::test]
async fn an_app_password_opens_the_mailbox_and_the_server_behind_learns_who_comes_from_where() {
    for spoken in [POP3, SIEVE] {
        let world = World::new().await;
        let mandate = world.account(ALICE).await;
        let issued = world.password(&mandate, "mail").await;
        let (behind, certificate) = (Behind::of(&spoken).await, Certificate::new());
        let served = at(&world, &spoken, behind.address, certificate.implicit());
        let mut client = greeted(served.address, &certificate).await;
        // The command sent ahead is answered by the server behind, once it is there.
        client.say(&format!("{}\r\nNOOP\r\n", (spoken.sign_in)(issued.secret.expose()))).await;
        assert_eq!(client.line().await, spoken.admitted);
        assert!(client.line().await.contains("done"));
        assert_eq!(world.keeper.sessions(None).len(), 1);
        assert_eq!(behind.heard("XCLIENT ADDR=127.0.0.1 PORT="), 1);
        let message = BASE64_STANDARD.encode(format!("{ALICE}\0postern\0master"));
        assert!(behind.heard.lock().unwrap().iter().any(|line| line.trim_end().ends_with(&message)));
    }
}

#[tokio::test]
async fn every_refusal_is_the_same_and_leaves_the_connection_usable() {
    for spoken in [POP3, SIEVE] {
        let world = World::new().await;
        let mandate = world.account(ALICE).await;
        let (good, narrow) = (world.password(&mandate, "mail").await, world.password(&mandate, "files").await);
        let (behind, certificate) = (Behind::of(&spoken).await, Certificate::new());
        let served = at(&world, &spoken, behind.address, certificate.implicit());
        let mut client = greeted(served.address, &certificate).await;
        let text = format!("Use an app password, not your account password: {PORTAL}");
        for secret in ["aaaa-aaaa-aaaa-aaaa-aaaa-aaaa", narrow.secret.expose()] {
            assert_eq!(client.ask(&(spoken.sign_in)(secret)).await, (spoken.refused)(&text));
        }
        assert_eq!(client.ask(&(spoken.sign_in)(good.secret.expose())).await, spoken.admitted);
    }
}

#[tokio::test]
async fn nobody_signs_in_in_the_clear_and_tls_begins_anew() {
    for (spoken, begin_tls) in [(POP3, "STLS"), (SIEVE, "STARTTLS")] {
        let world = World::new().await;
        let mandate = world.account(ALICE).await;
        let issued = world.password(&mandate, "mail").await;
        let (behind, certificate) = (Behind::of(&spoken).await, Certificate::new());
        let served = at(&world, &spoken, behind.address, certificate.starttls());
        let sign_in = (spoken.sign_in)(issued.secret.expose());

        let mut client = Client::ungreeted(served.address, None).await;
        let told = greeting(&mut client).await;
        assert!(!told.contains("PLAIN"), "{told}");
        assert!(client.ask(&sign_in).await.contains("Signing in needs TLS."));
        assert!(client.ask(begin_tls).await.contains("Begin TLS"));
        let mut client = client.now_in_tls(&certificate).await;
        if spoken.protocol == Protocol::Sieve {
            let told = greeting(&mut client).await;
            assert!(told.contains("\"SASL\" \"PLAIN LOGIN\"\n") && !told.contains("STARTTLS"), "{told}");
        }
        assert_eq!(client.ask(&sign_in).await, spoken.admitted);

        let mut client = Client::ungreeted(served.address, None).await;
        greeting(&mut client).await;
        let told = client.ask(&format!("{begin_tls}\r\n{sign_in}")).await;
        assert!(told.contains("before TLS."), "{told}");
        assert_eq!(client.line().await, "");
    }
}

#[tokio::test]
async fn trouble_behind_is_an_outage_and_never_a_wrong_password() {
    const SASL: &str = "\"SASL\" \"PLAIN\"\r\nOK\r\n";
    let pop3: &[(&str, &[(&str, &str)])] = &[
        ("-ERR full\r\n", &[]),
        ("220 smtp\r\n", &[]),
        ("+OK re", &[]),
        ("+OK ready\r\n", &[]),
        ("+OK ready\r\n", &[("AUTH", "-ERR [AUTH] no\r\n")]),
        ("+OK ready\r\n", &[("AUTH", "")]),
    ];
    let sieve: &[(&str, &[(&str, &str)])] = &[
        ("BYE \"full\"\r\n", &[]),
        ("220 smtp\r\n", &[]),
        (SASL, &[]),
        (SASL, &[("AUTHENTICATE", "NO \"no\"\r\n")]),
        (SASL, &[("AUTHENTICATE", ""), ("YWxpY2V", "")]),
        (SASL, &[("AUTHENTICATE", ""), ("YWxpY2V", "OK\r\n"), ("CAPABILITY", "\"UNAUTHENTICATE\"\r\nOK\r\n")]),
    ];
    let world = World::new().await;
    let mandate = world.account(ALICE).await;
    let issued = world.password(&mandate, "mail").await;
    let certificate = Certificate::new();
    for (spoken, table) in [(POP3, pop3), (SIEVE, sieve)] {
        for (says, answers) in table {
            let behind = Behind::that(says, answers).await;
            let served = at(&world, &spoken, behind.address, certificate.implicit());
            let mut client = Client::ungreeted(served.address, Some(&certificate)).await;
            let mut told = greeting(&mut client).await;
            // A server that says not even what it can do shows before the sign-in.
            if told.contains("ready") {
                told = client.ask(&(spoken.sign_in)(issued.secret.expose())).await;
            }
            assert_eq!(told.trim_end(), spoken.unavailable, "{says:?} {answers:?}");
            assert!(spoken.unavailable.contains(TRY_LATER));
            assert_eq!(client.line().await, "");
            assert!(world.keeper.sessions(None).is_empty());
        }
    }
}

#[tokio::test]
async fn revoking_and_shutting_down_end_a_session_with_a_word() {
    for spoken in [POP3, SIEVE] {
        let world = World::new().await;
        let mandate = world.account(ALICE).await;
        let (issued, other) = (world.password(&mandate, "mail").await, world.password(&mandate, "mail").await);
        let (behind, certificate) = (Behind::of(&spoken).await, Certificate::new());
        let served = at(&world, &spoken, behind.address, certificate.implicit());
        let mut client = greeted(served.address, &certificate).await;
        assert_eq!(client.ask(&(spoken.sign_in)(issued.secret.expose())).await, spoken.admitted);
        let mut stays = greeted(served.address, &certificate).await;
        assert_eq!(stays.ask(&(spoken.sign_in)(other.secret.expose())).await, spoken.admitted);

        assert_eq!(world.keeper.revoke(&mandate, issued.password.id).await.unwrap(), Some(1));
        assert_eq!(timeout(SOON, client.line()).await.expect("at once"), spoken.ended);
        assert_eq!(client.line().await, "");
        timeout(SOON, behind.gone.notified()).await.expect("the server behind is let go of");

        assert!(stays.ask("NOOP").await.contains("done"));
        let mut waiting = greeted(served.address, &certificate).await;
        served.shutdown.request();
        for client in [&mut stays, &mut waiting] {
            assert_eq!(timeout(SOON, client.line()).await.expect("at once"), spoken.restart);
        }
    }
}

/// The list in the greeting is the server's own; it is asked for once, not by every stranger.
#[tokio::test]
async fn what_scripts_may_use_is_asked_of_the_server_behind_now_and_then() {
    let world = World::new().await;
    let (behind, certificate) = (Behind::of(&SIEVE).await, Certificate::new());
    let served = at(&world, &SIEVE, behind.address, certificate.implicit());
    for _ in 0..5 {
        let mut client = Client::ungreeted(served.address, Some(&certificate)).await;
        assert_eq!(
            greeting(&mut client).await,
            "\"IMPLEMENTATION\" \"Postern\"\n\"SIEVE\" \"fileinto\"\n\"SASL\" \"PLAIN LOGIN\"\n\"VERSION\" \"1.0\"\nOK \"Postern ready.\"\n"
        );
    }
    timeout(SOON, behind.gone.notified()).await.expect("it is taken leave of");
    assert_eq!(behind.heard("LOGOUT"), 1);
}
