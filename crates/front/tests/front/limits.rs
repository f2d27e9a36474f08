use front::{Endpoint, Limits, Security};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::site::{Client, Site, endpoint, is_closed};

fn limited(limits: Limits) -> Site {
    Site::start(vec![Endpoint { limits, ..endpoint(Security::None) }])
}

#[tokio::test]
async fn one_address_gets_its_share_and_no_more() {
    let site = limited(Limits { per_address: 2, exempt: Vec::new(), ..Limits::default() });
    let mut first = site.connect().await;
    let mut second = site.connect().await;
    assert!(!first.line().await.is_empty() && !second.line().await.is_empty());
    assert!(is_closed(&mut site.connect_raw().await).await);

    drop(first);
    // The place is free once the server has seen the end.
    let mut again = site.connect().await;
    while again.line().await.is_empty() {
        again = site.connect().await;
    }
    assert_eq!(second.ask("still here").await, "still here");
}

#[tokio::test]
async fn the_total_holds_for_exempt_addresses_too() {
    let site = limited(Limits { total: 2, per_address: 1, ..Limits::default() });
    let mut inside = [site.connect().await, site.connect().await];
    for client in &mut inside {
        assert!(!client.line().await.is_empty());
        assert_eq!(client.ask("hello").await, "hello");
    }
    assert!(is_closed(&mut site.connect_raw().await).await);
    assert_eq!(inside[0].ask("still here").await, "still here");
}

#[tokio::test]
async fn five_hundred_who_say_nothing_keep_nobody_out() {
    let count = if std::env::var_os("POSTERN_FULL").is_some() { 10_000 } else { 500 };
    let site = limited(Limits { total: 100, ..Limits::default() });
    let mut inside = site.connect().await;
    inside.line().await;
    assert_eq!(inside.ask("hello").await, "hello");
    let mut silent = std::collections::VecDeque::new();
    for n in 0..count {
        silent.push_back(site.connect_raw().await);
        // As many descriptors as a machine allows are not to be had.
        if silent.len() > 400 {
            silent.pop_front();
        }
        if n % 100 == 99 {
            let mut honest = site.connect().await;
            assert!(!honest.line().await.is_empty(), "after {n} who say nothing");
            assert_eq!(honest.ask("hello").await, "hello");
        }
    }
    assert_eq!(inside.ask("still here").await, "still here");
}

#[tokio::test]
async fn behind_a_proxy_the_real_client_is_counted() {
    let site = Site::start(vec![Endpoint {
        proxy_from: vec!["127.0.0.1/32".parse().unwrap()],
        limits: Limits { per_address: 1, ..Limits::default() },
        ..endpoint(Security::None)
    }]);
    let come = async |from: &str| -> (Client<TcpStream>, bool) {
        let mut stream = site.connect_raw().await;
        stream.write_all(format!("PROXY TCP6 {from} ::2 1 993\r\n").as_bytes()).await.unwrap();
        let mut client = Client::new(stream);
        let admitted = !client.line().await.is_empty();
        (client, admitted)
    };
    let (_first, admitted) = come("2001:db8:0:1::1").await;
    assert!(admitted);
    let (_same_network, admitted) = come("2001:db8:0:1:ffff::7").await;
    assert!(!admitted);
    let (_neighbour, admitted) = come("2001:db8:0:2::1").await;
    assert!(admitted);
}

#[tokio::test]
async fn a_web_server_on_a_unix_socket_is_not_one_person() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("unix:{}", folder.path().join("talk.sock").display());
    let site = Site::start(vec![Endpoint {
        address: address.parse().unwrap(),
        limits: Limits { per_address: 1, exempt: Vec::new(), ..Limits::default() },
        ..endpoint(Security::None)
    }]);
    let mut people = [site.connect_unix().await, site.connect_unix().await, site.connect_unix().await];
    for client in &mut people {
        assert!(!client.line().await.is_empty());
    }
}
