//! How many may come in, in all and from one address.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// What one endpoint bears.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at once, in all.
    pub total: usize,
    /// Connections at once from one client address. An IPv6 /64 counts as one:
    /// it is the least that a single customer gets.
    pub per_address: usize,
    /// Networks to which [`Limits::per_address`] does not apply, because a web
    /// server or webmail brings many people under one address. This machine,
    /// unless told otherwise; programs on a Unix socket are always exempt.
    pub exempt: Vec<IpNet>,
    /// Within this time the PROXY header and the TLS handshake are done; the
    /// handshake after STARTTLS gets the same time of its own.
    pub handshake: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            total: 10_000,
            // An office behind one address, some five connections a person.
            per_address: 500,
            exempt: vec![
                Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8).into(),
                Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128).into(),
            ],
            handshake: Duration::from_secs(15),
        }
    }
}

/// Which limit a connection would break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    Total,
    Address,
}

/// Everyone who is inside an endpoint.
#[derive(Debug)]
pub(crate) struct Crowd {
    limits: Limits,
    count: Mutex<Count>,
}

#[derive(Debug, Default)]
struct Count {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// One connection's place in the crowd; given up when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    crowd: Arc<Crowd>,
    counted: Option<IpAddr>,
}

impl Crowd {
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self { limits, count: Mutex::default() })
    }

    /// A place among all, before the client's address is known.
    pub(crate) fn enter(self: &Arc<Self>) -> Result<Place, Full> {
        let mut count = self.count();
        if count.total >= self.limits.total {
            return Err(Full::Total);
        }
        count.total += 1;
        Ok(Place { crowd: Arc::clone(self), counted: None })
    }

    fn count(&self) -> MutexGuard<'_, Count> {
        // Numbers are never left half changed.
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    pub(crate) fn limits(&self) -> &Limits {
        &self.crowd.limits
    }

    /// Counts the place against the client's address as well.
    pub(crate) fn count_against(&mut self, address: IpAddr) -> Result<(), Full> {
        if self.crowd.limits.exempt.iter().any(|net| net.contains(&address)) {
            return Ok(());
        }
        let who = one_customer(address);
        let mut count = self.crowd.count();
        let inside = count.by_address.entry(who).or_default();
        if *inside >= self.crowd.limits.per_address {
            return Err(Full::Address);
        }
        *inside += 1;
        drop(count);
        self.counted = Some(who);
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut count = self.crowd.count();
        count.total -= 1;
        if let Some(who) = self.counted
            && let Some(inside) = count.by_address.get_mut(&who)
        {
            *inside -= 1;
            // Kept, the map would grow with every address ever seen.
            if *inside == 0 {
                count.by_address.remove(&who);
            }
        }
    }
}

fn one_customer(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crowd(total: usize, per_address: usize) -> Arc<Crowd> {
        Crowd::new(Limits { total, per_address, ..Limits::default() })
    }

    fn come(crowd: &Arc<Crowd>, from: &str) -> Result<Place, Full> {
        let mut place = crowd.enter()?;
        place.count_against(from.parse().unwrap())?;
        Ok(place)
    }

    #[test]
    fn a_place_is_free_again_when_its_connection_ends() {
        let crowd = crowd(2, 2);
        let first = come(&crowd, "192.0.2.1").unwrap();
        let _second = come(&crowd, "192.0.2.2").unwrap();
        assert_eq!(come(&crowd, "192.0.2.3").unwrap_err(), Full::Total);
        drop(first);
        come(&crowd, "192.0.2.3").unwrap();
    }

    #[test]
    fn a_network_of_one_customer_counts_as_one_address() {
        let crowd = crowd(100, 1);
        let _one = come(&crowd, "2001:db8:1:2::1").unwrap();
        assert_eq!(come(&crowd, "2001:db8:1:2:ffff::2").unwrap_err(), Full::Address);
        let _neighbour = come(&crowd, "2001:db8:1:3::1").unwrap();
        let _v4 = come(&crowd, "192.0.2.1").unwrap();
        let _v4_neighbour = come(&crowd, "192.0.2.2").unwrap();
    }

    #[test]
    fn who_is_turned_away_leaves_no_trace() {
        let crowd = crowd(100, 1);
        let first = come(&crowd, "192.0.2.1").unwrap();
        for _ in 0..200 {
            assert_eq!(come(&crowd, "192.0.2.1").unwrap_err(), Full::Address);
        }
        drop(first);
        let count = crowd.count();
        assert_eq!(count.total, 0);
        assert!(count.by_address.is_empty());
    }

    #[test]
    fn this_machine_is_exempt_unless_told_otherwise() {
        let crowd = crowd(100, 1);
        let _places = ["127.0.0.1", "127.0.0.1", "::1", "::1"].map(|from| come(&crowd, from).unwrap());
    }
}
