//! The portal on a connection: what is too long, too slow, or at its end.

use std::{future, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    sync::oneshot,
    time::Instant,
};

use crate::world::{HOME, World};

struct Served {
    client: DuplexStream,
    drain: Option<oneshot::Sender<()>>,
    serving: tokio::task::JoinHandle<()>,
}

async fn serve() -> Served {
    let world = World::new().await;
    let (client, server) = tokio::io::duplex(256 * 1024);
    let (drain, drained) = oneshot::channel::<()>();
    let serving = tokio::spawn(async move {
        let drained = async {
            if drained.await.is_err() {
                future::pending::<()>().await;
            }
        };
        world.portal.serve_connection(server, HOME.parse().unwrap(), drained).await;
    });
    Served { client, drain: Some(drain), serving }
}

impl Served {
    async fn send(&mut self, text: &str) {
        self.client.write_all(text.as_bytes()).await.unwrap();
    }

    /// All that comes until the server closes.
    async fn rest(&mut self) -> String {
        let mut text = Vec::new();
        self.client.read_to_end(&mut text).await.unwrap();
        String::from_utf8_lossy(&text).into_owned()
    }

    /// The head of the next answer, and its body.
    async fn answer(&mut self) -> String {
        let mut text = Vec::new();
        loop {
            text.push(self.client.read_u8().await.unwrap());
            if let Some(head) = text.strip_suffix(b"\r\n\r\n") {
                let head = String::from_utf8_lossy(head).to_lowercase();
                let length = head
                    .split("content-length: ")
                    .nth(1)
                    .map_or(0, |rest| rest.split("\r\n").next().unwrap().parse::<usize>().unwrap());
                let mut body = vec![0; length];
                self.client.read_exact(&mut body).await.unwrap();
                return String::from_utf8_lossy(&text).into_owned() + &String::from_utf8_lossy(&body);
            }
        }
    }
}

const GET: &str = "GET /sign-in HTTP/1.1\r\nHost: id.example.org\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn a_connection_carries_several_requests() {
    let mut served = serve().await;
    for _ in 0..3 {
        served.send(GET).await;
        let answer = served.answer().await;
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains("<h1>Sign in</h1>"), "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_and_who_stops_halfway_is_let_go() {
    for said in ["", "GET /sign-in HTTP/1.1\r\nHost: id.exa"] {
        let mut served = serve().await;
        let since = Instant::now();
        served.send(said).await;
        served.rest().await;
        assert!(since.elapsed() <= Duration::from_secs(31), "{said:?}: {:?}", since.elapsed());
        served.serving.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_let_go_after_its_answer() {
    let mut served = serve().await;
    served.send(GET).await;
    served.answer().await;
    let since = Instant::now();
    served.rest().await;
    assert!(since.elapsed() <= Duration::from_secs(31), "{:?}", since.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_form_that_trickles_in_is_given_up() {
    let mut served = serve().await;
    let kind = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n";
    served.send(&format!("POST /sign-in HTTP/1.1\r\nHost: id.example.org\r\n{kind}\r\nlogin=")).await;
    let since = Instant::now();
    let answer = served.rest().await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(since.elapsed() <= Duration::from_secs(31), "{:?}", since.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_head_without_end_is_refused() {
    let mut served = serve().await;
    let long = "x".repeat(100 * 1024);
    served.send(&format!("GET /sign-in HTTP/1.1\r\nHost: id.example.org\r\nX-Long: {long}")).await;
    let answer = served.rest().await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn draining_ends_an_idle_connection_at_once_and_a_busy_one_after_its_answer() {
    let mut idle = serve().await;
    idle.send(GET).await;
    idle.answer().await;
    let since = Instant::now();
    idle.drain.take().unwrap().send(()).unwrap();
    idle.rest().await;
    assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());

    let mut busy = serve().await;
    let kind = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 6\r\n";
    busy.send(&format!("POST /sign-in HTTP/1.1\r\nHost: id.example.org\r\n{kind}\r\n")).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    busy.drain.take().unwrap().send(()).unwrap();
    busy.send("login=").await;
    let answer = busy.rest().await;
    assert!(answer.starts_with("HTTP/1.1 400"), "a form without its fields is answered: {answer}");
}

#[tokio::test(start_paused = true)]
async fn nobody_holds_a_place_for_good() {
    let mut served = serve().await;
    let since = Instant::now();
    loop {
        if served.client.write_all(GET.as_bytes()).await.is_err() {
            break;
        }
        let mut first = [0; 1];
        if served.client.read_exact(&mut first).await.is_err() {
            break;
        }
        served.answer().await;
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert!(since.elapsed() < Duration::from_secs(700));
    }
    served.serving.await.unwrap();
}
