//! What goes over a network is encrypted, and the server is who it says.

use std::{fs, net::TcpListener, path::Path};

use keeper::Store;
use store::postgres::{NotAServer, Server};
use testkit::Postgres;

use super::{OpenError, folder};

async fn opened(url: &str, ca: Option<&Path>) -> Result<(), OpenError> {
    let here = folder();
    let server = Server::new(url, None, ca).unwrap();
    let locked = store::sqlite::lock(here.path()).unwrap();
    let leased = store::postgres::lease(server, locked, [1; 16]).await?;
    leased.open(testkit::contract::key(), store::IfLost::Refuse).await?.newest().await.unwrap();
    Ok(())
}

#[tokio::test]
async fn the_certificate_is_checked_against_the_ca_and_the_name() {
    let keys = tempfile::tempdir().unwrap();
    let [ca, other] = ["ca", "other"].map(|name| keys.path().join(format!("{name}.pem")));
    let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let stranger = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(&ca, signed.cert.pem()).unwrap();
    fs::write(&other, stranger.cert.pem()).unwrap();

    let postgres = Postgres::start(&[]);
    postgres.sql("postgres", "CREATE DATABASE site");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    postgres.serve_tls(port, &signed.cert.pem(), &signed.signing_key.serialize_pem());
    let url = |host: &str| format!("postgres://postern@{host}:{port}/site");

    opened(&url("localhost"), Some(&ca)).await.unwrap();
    for (host, ca) in [("127.0.0.1", Some(&*ca)), ("localhost", Some(&*other)), ("localhost", None)] {
        let error = opened(&url(host), ca).await.unwrap_err().to_string();
        assert!(error.contains("certificate"), "{host}: {error}");
    }
    let clear = |url: &str| Server::new(&format!("{url}?sslmode=disable"), None, None);
    assert!(matches!(clear("postgres://postern@db.example.org/site"), Err(NotAServer::Clear)));
    assert!(clear(&url("localhost")).is_ok(), "on this machine it may");
}
