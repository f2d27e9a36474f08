use std::{
    fs,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    os::unix::{fs::PermissionsExt, net::UnixListener},
    path::Path,
    sync::Arc,
};

use front::{Address, BindError, Endpoint, Security, Server, Service};
use tokio::net::TcpStream;

use crate::site::{Client, Site, Talk, endpoint};

fn at(address: &str) -> Endpoint {
    Endpoint { address: address.parse().unwrap(), ..endpoint(Security::None) }
}

fn unix(path: &Path) -> Endpoint {
    at(&format!("unix:{}", path.display()))
}

fn bind(endpoints: Vec<Endpoint>) -> Result<Server, BindError> {
    Server::bind(endpoints.into_iter().map(|endpoint| (endpoint, Arc::new(Talk) as Arc<dyn Service>)).collect())
}

#[tokio::test]
async fn every_address_means_ipv4_too() {
    let site = Site::start(vec![at("[::]:0")]);
    let Address::Tcp(address) = site.addresses[0] else { panic!("not TCP") };
    let mut by_ipv4 = Client::new(TcpStream::connect((Ipv4Addr::LOCALHOST, address.port())).await.unwrap());
    let introduction = by_ipv4.line().await;
    let expected = format!("local=127.0.0.1:{} ", address.port());
    assert!(introduction.starts_with("peer=127.0.0.1 "), "{introduction}");
    assert!(introduction.contains(&expected), "{introduction}");
    // A machine without IPv6 has bound 0.0.0.0.
    if address.is_ipv6() {
        let by_ipv6 = TcpStream::connect(SocketAddr::from((Ipv6Addr::LOCALHOST, address.port())));
        let introduction = Client::new(by_ipv6.await.unwrap()).line().await;
        assert!(introduction.starts_with("peer=::1 "), "{introduction}");
    }
}

#[tokio::test]
async fn a_port_taken_is_named_with_what_to_do() {
    let site = Site::start(vec![at("127.0.0.1:0")]);
    let taken = site.addresses[0].to_string();
    let error = bind(vec![at(&taken)]).unwrap_err().to_string();
    let port = taken.rsplit_once(':').unwrap().1;
    assert_eq!(
        error,
        format!(
            "{taken} is in use by another program: `ss -ltnp 'sport = :{port}'` shows which; \
             stop it or choose another address"
        )
    );
}

#[tokio::test]
async fn all_are_bound_or_none() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("first.sock");
    let site = Site::start(vec![at("127.0.0.1:0")]);
    let taken = site.addresses[0].to_string();
    bind(vec![unix(&socket), at(&taken)]).unwrap_err();
    assert!(!socket.exists());
}

#[tokio::test]
async fn an_address_of_another_machine_is_told_apart() {
    let error = bind(vec![at("192.0.2.1:0")]).unwrap_err().to_string();
    assert!(error.contains("does not have the address of 192.0.2.1:0"), "{error}");
}

#[tokio::test]
async fn a_unix_socket_opens_to_its_group_and_goes_with_its_server() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("talk.sock");
    let site = Site::start(vec![unix(&path)]);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    let mut client = site.connect_unix().await;
    let introduction = client.line().await;
    assert!(introduction.starts_with("peer=127.0.0.1 port=0 local=none"), "{introduction}");

    let error = bind(vec![unix(&path)]).unwrap_err().to_string();
    assert!(error.contains("in use") && error.contains("`ss -lxp src "), "{error}");
    assert_eq!(client.ask("still here").await, "still here");

    site.shutdown.request();
    site.running.await.unwrap();
    assert!(!path.exists());
}

#[tokio::test]
async fn a_socket_that_a_killed_server_left_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("talk.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let site = Site::start(vec![unix(&path)]);
    assert!(!site.connect_unix().await.line().await.is_empty());
}

#[tokio::test]
async fn a_file_in_the_way_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("talk.sock");
    fs::write(&path, "somebody's notes").unwrap();
    let error = bind(vec![unix(&path)]).unwrap_err().to_string();
    assert!(error.contains("is a file and no socket"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "somebody's notes");
}

#[tokio::test]
async fn a_successors_socket_survives_its_predecessor() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("talk.sock");
    let site = Site::start(vec![unix(&path)]);
    fs::remove_file(&path).unwrap();
    let successor = Site::start(vec![unix(&path)]);
    site.shutdown.request();
    site.running.await.unwrap();
    assert!(!successor.connect_unix().await.line().await.is_empty());
}
