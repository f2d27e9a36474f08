//! A server out of file descriptors: a process of its own, because the limit is
//! one for all threads.

use std::{fs::File, sync::Arc};

use async_trait::async_trait;
use front::{Address, Connection, Endpoint, Limits, Security, Server, Service, Shutdown};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

struct Greeting;

#[async_trait]
impl Service for Greeting {
    async fn serve(&self, mut connection: Connection) {
        let _ = connection.stream.write_all(b"hello").await;
    }
}

#[tokio::test]
async fn out_of_descriptors_it_waits_and_goes_on() {
    let endpoint = Endpoint {
        name: "greeting".to_owned(),
        address: "127.0.0.1:0".parse().unwrap(),
        security: Security::None,
        proxy_from: Vec::new(),
        limits: Limits::default(),
    };
    let server = Server::bind(vec![(endpoint, Arc::new(Greeting) as Arc<dyn Service>)]).unwrap();
    let Address::Tcp(address) = server.addresses()[0] else { panic!("not TCP") };
    let (handle, shutdown) = Shutdown::pair();
    let running = tokio::spawn(server.run(shutdown));

    let mut limit = getrlimit(Resource::Nofile);
    limit.current = Some(64);
    setrlimit(Resource::Nofile, limit).unwrap();
    let mut hoard = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        hoard.push(file);
    }
    // One for the client; the server has none to accept it with.
    hoard.pop();
    let mut client = TcpStream::connect(address).await.unwrap();
    let mut first = [0];
    tokio::select! {
        biased;
        // The connection waits in the kernel while the server fails and rests.
        _ = client.read(&mut first) => panic!("there was a descriptor left"),
        () = tokio::time::sleep(std::time::Duration::from_millis(300)) => {}
    }

    hoard.clear();
    let mut greeting = String::new();
    client.read_to_string(&mut greeting).await.unwrap();
    assert_eq!(greeting, "hello");
    handle.request();
    running.await.unwrap();
}
