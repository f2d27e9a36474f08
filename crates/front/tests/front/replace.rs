use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use front::{Address, Endpoint, Limits, Security, Server, Service, Serving, Shutdown, ShutdownHandle};
use tokio::net::{TcpListener, TcpStream};

use crate::site::{Client, Talk, endpoint, is_closed};

/// A server at work with these endpoints, which have ports of their own.
fn serving(endpoints: Vec<Endpoint>) -> (Serving, ShutdownHandle) {
    let (handle, shutdown) = Shutdown::pair();
    (Server::bind(answered(endpoints)).unwrap().serve(shutdown), handle)
}

fn answered(endpoints: Vec<Endpoint>) -> Vec<(Endpoint, Arc<dyn Service>)> {
    endpoints.into_iter().map(|endpoint| (endpoint, Arc::new(Talk) as Arc<dyn Service>)).collect()
}

/// An endpoint on a port that is free, on an address of its own: anybody else could be
/// given the port of a common one before it is bound again.
async fn somewhere() -> Endpoint {
    static TAKEN: AtomicU8 = AtomicU8::new(1);
    let address = Ipv4Addr::new(127, 7, 7, TAKEN.fetch_add(1, Ordering::Relaxed));
    let free = TcpListener::bind((address, 0)).await.unwrap();
    Endpoint { address: Address::Tcp(free.local_addr().unwrap()), ..endpoint(Security::None) }
}

async fn connect(to: &Endpoint) -> std::io::Result<Client<TcpStream>> {
    let Address::Tcp(address) = &to.address else { panic!("not TCP") };
    TcpStream::connect(address).await.map(Client::new)
}

#[tokio::test]
async fn who_is_inside_stays_and_counts_whatever_is_replaced() {
    let (stays, goes, comes) = (somewhere().await, somewhere().await, somewhere().await);
    let (mut serving, shutdown) = serving(vec![stays.clone(), goes.clone()]);
    let [mut staying, mut going] = [connect(&stays).await.unwrap(), connect(&goes).await.unwrap()];
    for client in [&mut staying, &mut going] {
        client.line().await;
        assert_eq!(client.ask("hello").await, "hello");
    }
    let narrow = Endpoint { limits: Limits { total: 1, ..Limits::default() }, ..stays.clone() };
    serving.replace(answered(vec![comes.clone(), narrow])).unwrap();
    // The one who is inside counts.
    assert!(is_closed(&mut connect(&stays).await.unwrap().into_inner()).await);
    assert!(!connect(&comes).await.unwrap().line().await.is_empty());
    // The listener goes when its task has heard of it.
    while connect(&goes).await.is_ok() {
        tokio::task::yield_now().await;
    }
    for client in [&mut staying, &mut going] {
        assert_eq!(client.ask("still here").await, "still here");
    }
    // And back again, while one is inside.
    serving.replace(answered(vec![stays.clone(), goes.clone()])).unwrap();
    assert!(!connect(&stays).await.unwrap().line().await.is_empty());
    assert!(!connect(&goes).await.unwrap().line().await.is_empty());

    shutdown.request();
    for client in [&mut staying, &mut going] {
        assert_eq!(client.line().await, "bye");
    }
    serving.ended().await;
}

#[tokio::test]
async fn an_address_that_cannot_be_had_changes_nothing() {
    let (old, new) = (somewhere().await, somewhere().await);
    let (mut serving, _shutdown) = serving(vec![old.clone()]);
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let taken = Endpoint { address: Address::Tcp(taken.local_addr().unwrap()), ..endpoint(Security::None) };
    let narrow = Endpoint { limits: Limits { total: 0, ..Limits::default() }, ..old.clone() };
    let error = serving.replace(answered(vec![narrow, new.clone(), taken.clone()])).unwrap_err().to_string();
    assert!(error.contains(&taken.address.to_string()), "{error}");
    assert!(!connect(&old).await.unwrap().line().await.is_empty());
    connect(&new).await.err().unwrap();
}
