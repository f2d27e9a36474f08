//! A CalDAV client that asks the same thing again and again.

use std::net::Ipv4Addr;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::LOGIN;
use crate::Outcome;

const PROPFIND: &str = "<?xml version=\"1.0\"?><d:propfind xmlns:d=\"DAV:\"><d:prop>\
    <d:getetag/><d:resourcetype/><d:displayname/></d:prop></d:propfind>";

pub(super) async fn connect(port: u16, tls: Option<&TlsConnector>) -> Outcome<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.set_nodelay(true)?;
    match tls {
        None => {
            let (open, connection) = handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            Ok(open)
        }
        Some(tls) => {
            let stream = tls.connect(ServerName::try_from("localhost")?, stream).await?;
            let (open, connection) = handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            Ok(open)
        }
    }
}

/// PROPFIND of the calendar, depth 0.
pub(super) async fn propfind(open: &mut SendRequest<Full<Bytes>>, authorization: &str) -> Outcome<()> {
    let request = Request::builder()
        .method("PROPFIND")
        .uri(format!("/{LOGIN}/cal/"))
        .header(header::HOST, "localhost")
        .header("Depth", "0")
        .header(header::CONTENT_TYPE, "application/xml")
        .header(header::AUTHORIZATION, authorization)
        .body(Full::from(PROPFIND))?;
    let answer = open.send_request(request).await?;
    let status = answer.status();
    let body = answer.into_body().collect().await?.to_bytes();
    if status != StatusCode::MULTI_STATUS {
        return Err(format!("expected 207, got {status}: {}", String::from_utf8_lossy(&body)).into());
    }
    Ok(())
}
