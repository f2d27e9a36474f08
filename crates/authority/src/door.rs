//! Where apps come in, and from where.

use std::{fmt, net::IpAddr, str::FromStr, sync::Arc};

use fingerprint::Protocol;
use ipnet::IpNet;

use crate::Needs;

/// A door: its name in the configuration, its protocol, what it takes to pass.
#[derive(Clone, Debug)]
pub struct Door {
    /// As in the configuration, in the audit log and on pages: `imap`, `dav`, `drive`.
    pub name: Arc<str>,
    /// What is spoken there.
    pub protocol: Protocol,
    /// What it takes.
    pub needs: Needs,
}

/// The networks that a password may be used from; empty means anywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// True if the address lies in one of them, or if there is no rule.
    pub fn admit(&self, address: IpAddr) -> bool {
        // A dual-stack socket shows IPv4 peers as ::ffff:a.b.c.d.
        let address = address.to_canonical();
        self.0.is_empty() || self.0.iter().any(|net| net.contains(&address))
    }

    /// True if there is no rule.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<IpNet> for Networks {
    fn from_iter<I: IntoIterator<Item = IpNet>>(nets: I) -> Self {
        Self(nets.into_iter().map(|net| net.trunc()).collect())
    }
}

/// The text names no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no network: write 192.0.2.0/24, 2001:db8::/32 or a single address")]
pub struct NotANetwork(String);

impl FromStr for Networks {
    type Err = NotANetwork;
    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let one = |part: &str| {
            part.parse::<IpNet>()
                .or_else(|_| part.parse::<IpAddr>().map(IpNet::from))
                .map_err(|_| NotANetwork(part.to_owned()))
        };
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(one).collect()
    }
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, net) in self.0.iter().enumerate() {
            write!(f, "{}{net}", if i > 0 { "," } else { "" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_rule_sees_through_dual_stack_sockets() {
        let nets: Networks = "192.0.2.0/24, 2001:db8::1".parse().unwrap();
        for (address, admitted) in [
            ("192.0.2.7", true),
            ("::ffff:192.0.2.7", true),
            ("192.0.3.7", false),
            ("2001:db8::1", true),
            ("2001:db8::2", false),
        ] {
            assert_eq!(nets.admit(address.parse().unwrap()), admitted, "{address}");
        }
        assert!(Networks::default().admit("203.0.113.9".parse().unwrap()));
    }
}
