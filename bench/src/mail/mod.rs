//! The gateways of mail beside their peers. All stand in front of the same server, under
//! the same certificate (ECDSA P-256), alone on one processor; clients and the
//! server behind have the other.

mod client;
pub(crate) mod fetch;
pub(crate) mod idle;
pub(crate) mod logins;
mod peers;
mod protocol;
pub(crate) mod pump;
pub(crate) mod revoke;
pub(crate) mod stub;
mod yard;

use peers::{Peer, Who};
pub(crate) use protocol::Protocol;
use yard::Yard;
