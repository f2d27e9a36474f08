//! Who answers at the portal's listener: the portal alone, or the portal and doors
//! beside it, each under its own name.

use std::{net::IpAddr, sync::Arc};

use async_trait::async_trait;
use front::{Connection, Service};
use gateway::{Body, HttpDoor, Named};
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use keeper::Keeper;
use portal::Portal;

use crate::config::{Config, HostName};

/// A door that shares the portal's listener.
pub(crate) type Beside = (HostName, Arc<HttpDoor>);

/// What answers there.
pub(crate) fn service(config: &Config, keeper: &Arc<Keeper>, portal: &Portal, beside: Vec<Beside>) -> Arc<dyn Service> {
    if beside.is_empty() {
        return Arc::new(Alone(portal.clone()));
    }
    let pages = Arc::new(Pages(portal.clone()));
    let named = Named::new(config.url.host(), config.url.scheme() == "https", pages, keeper.clone());
    Arc::new(beside.into_iter().fold(named, |named, (host, door)| named.with(host.as_str(), door)))
}

/// Under whatever name.
struct Alone(Portal);

#[async_trait]
impl Service for Alone {
    async fn serve(&self, connection: Connection) {
        let Connection { stream, peer, shutdown, .. } = connection;
        self.0.serve_connection(stream, peer.address, shutdown.requested()).await;
    }
}

struct Pages(Portal);

#[async_trait]
impl gateway::Pages for Pages {
    async fn answer(&self, request: Request<Body>, peer: IpAddr) -> Response<Body> {
        self.0.answer(request, peer).await.map(|body| body.map_err(Into::into).boxed_unsync())
    }

    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        self.0.client(peer, headers)
    }

    fn trusts(&self, peer: IpAddr) -> bool {
        self.0.trusts(peer)
    }
}
