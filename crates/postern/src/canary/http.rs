//! HTTP: a try with Basic, and what the domain's own pages say.

use std::{io, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{Request, StatusCode, header, response::Parts};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::{
    place::{At, Cover, Place, Speaks},
    wire,
};

/// From one address to the next, at most.
const REDIRECTS: usize = 3;
/// A page that says where mail is, is no longer.
const PAGE: usize = 64 * 1024;
/// And comes within this.
const PAGE_WITHIN: Duration = Duration::from_secs(10);

/// A server that answers everybody alike has let nobody in by the password.
pub(super) async fn attempt(place: &Place, login: &str, secret: &str) -> io::Result<bool> {
    let authorization = format!("Basic {}", BASE64_STANDARD.encode(format!("{login}:{secret}")));
    let mut place = place.clone();
    for _ in 0..=REDIRECTS {
        let (head, _) = ask("PROPFIND", &place, Some(&authorization)).await?;
        if head.status.is_success() {
            let (without, _) = ask("PROPFIND", &place, None).await?;
            return Ok(!without.status.is_success());
        }
        match leads_to(&place, &head) {
            Some(next) => place = next,
            None => return Ok(false),
        }
    }
    Err(io::Error::other("it leads from one address to the next"))
}

/// A page, wherever it leads.
pub(super) async fn page(place: Place) -> io::Result<Vec<u8>> {
    let reading = async {
        let mut place = place;
        for _ in 0..=REDIRECTS {
            let (head, body) = ask("GET", &place, None).await?;
            match leads_to(&place, &head) {
                Some(next) => place = next,
                None if head.status == StatusCode::OK => return Ok(body),
                None => return Err(io::Error::other(head.status.to_string())),
            }
        }
        Err(io::Error::other("it leads from one address to the next"))
    };
    timeout(PAGE_WITHIN, reading).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn ask(method: &str, place: &Place, authorization: Option<&str>) -> io::Result<(Parts, Vec<u8>)> {
    let io = TokioIo::new(wire::connect(place).await?);
    let (mut sender, connection) = http1::handshake(io).await.map_err(io::Error::other)?;
    let host = match (&place.name, &place.at) {
        (Some(name), _) => name.clone(),
        (None, At::Tcp { host, port }) if host.contains(':') => format!("[{host}]:{port}"),
        (None, At::Tcp { host, port }) => format!("{host}:{port}"),
        (None, At::Unix(_)) => "localhost".to_owned(),
    };
    let mut request =
        Request::builder().method(method).uri(&place.path).header(header::HOST, host).header("Depth", "0");
    if let Some(authorization) = authorization {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(io::Error::other)?;
    let asking = async {
        let (head, body) = sender.send_request(request).await.map_err(io::Error::other)?.into_parts();
        // What does not fit, or breaks off, is not what is looked for.
        let body = Limited::new(body, PAGE).collect().await.map(|whole| whole.to_bytes().to_vec()).unwrap_or_default();
        Ok((head, body))
    };
    let driving = async {
        // Its end says nothing that the answer does not.
        let _ = connection.await;
        std::future::pending().await
    };
    tokio::select! {
        answer = asking => answer,
        never = driving => never,
    }
}

fn leads_to(from: &Place, head: &Parts) -> Option<Place> {
    if !head.status.is_redirection() {
        return None;
    }
    let location = head.headers.get(header::LOCATION)?.to_str().ok()?;
    if location.starts_with('/') && !location.starts_with("//") {
        return Some(from.clone().with_path(location));
    }
    let uri: http::Uri = location.parse().ok()?;
    let (cover, usual) = match uri.scheme_str()? {
        "https" => (Cover::Implicit, 443),
        "http" => (Cover::Plain, 80),
        _ => return None,
    };
    let host = uri.host()?.trim_start_matches('[').trim_end_matches(']');
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    Some(Place::tcp(Speaks::Http, cover, host, uri.port_u16().unwrap_or(usual), &from.found).with_path(path))
}
