use std::time::Duration;

use front::Security;
use tokio::net::TcpStream;

use crate::site::{Certificates, Site, endpoint, is_closed};

#[tokio::test]
async fn shutdown_lets_connections_say_goodbye() {
    let site = Site::start(vec![endpoint(Security::None), endpoint(Security::None)]);
    let mut client = site.connect().await;
    client.line().await;
    let front::Address::Tcp(address) = site.addresses[0] else { panic!("not TCP") };
    site.shutdown.request();
    assert_eq!(client.line().await, "bye");
    assert_eq!(client.line().await, "");
    site.running.await.unwrap();
    TcpStream::connect(address).await.unwrap_err();
}

#[tokio::test]
async fn who_will_not_leave_is_cut_at_the_end_of_the_grace_period() {
    let grace = Duration::from_millis(50);
    let site = Site::start_with_grace(vec![endpoint(Security::None)], grace);
    let mut client = site.connect().await;
    client.line().await;
    assert_eq!(client.ask("LINGER").await, "lingering");
    site.shutdown.request();
    site.running.await.unwrap();
    assert_eq!(client.line().await, "");
}

#[tokio::test]
async fn a_handshake_does_not_delay_the_end() {
    let made = Certificates::new();
    let site = Site::start(vec![endpoint(Security::Implicit(made.tls.clone()))]);
    let mut silent = site.connect_raw().await;
    site.shutdown.request();
    site.running.await.unwrap();
    assert!(is_closed(&mut silent).await);
}

#[tokio::test]
async fn a_lost_handle_ends_the_server() {
    let site = Site::start(vec![endpoint(Security::None)]);
    drop(site.shutdown);
    site.running.await.unwrap();
}

#[tokio::test]
async fn one_panic_ends_one_connection() {
    let site = Site::start(vec![endpoint(Security::None)]);
    let mut other = site.connect().await;
    other.line().await;
    let mut client = site.connect().await;
    client.line().await;
    assert_eq!(client.ask("PANIC").await, "");
    assert_eq!(other.ask("hello").await, "hello");
    assert!(!site.connect().await.line().await.is_empty());
}
