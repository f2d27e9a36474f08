//! How many may come in, in all and from one address.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use tokio::sync::oneshot;

/// What one endpoint bears.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at once, in all. When there are as many, the one goes that has
    /// waited longest without showing who it is: silence must not keep people out.
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

/// Everyone who is inside an endpoint. Its limits are told each time: they may
/// change while people are inside.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    count: Mutex<Count>,
}

#[derive(Debug, Default)]
struct Count {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
    /// Who has not shown who they are, oldest first.
    unsettled: BTreeMap<u64, oneshot::Sender<()>>,
    came: u64,
}

/// One connection's place in the crowd; given up when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    crowd: Arc<Crowd>,
    counted: Option<IpAddr>,
    number: u64,
}

/// Resolves when the place is needed for somebody else.
pub(crate) struct Evicted(oneshot::Receiver<()>);

impl Evicted {
    pub(crate) async fn wait(self) {
        // Settled: nobody will ask for it any more.
        if self.0.await.is_err() {
            std::future::pending().await
        }
    }
}

/// A connection's way to say that it is somebody's.
#[derive(Debug)]
pub struct Seat {
    crowd: Arc<Crowd>,
    number: u64,
    is_settled: AtomicBool,
}

impl Seat {
    /// It has shown who it is: from now on it keeps its place until it ends.
    pub fn settle(&self) {
        if !self.is_settled.swap(true, Ordering::Relaxed) {
            self.crowd.count().unsettled.remove(&self.number);
        }
    }
}

impl Crowd {
    /// A place among all, before the client's address is known.
    pub(crate) fn enter(self: &Arc<Self>, limits: &Limits) -> Result<(Place, Evicted), Full> {
        let mut count = self.count();
        if count.total >= limits.total {
            let (_, evict) = count.unsettled.pop_first().ok_or(Full::Total)?;
            // It gives its place back when it is dropped, in a moment.
            let _ = evict.send(());
        }
        count.total += 1;
        count.came += 1;
        let (evict, evicted) = oneshot::channel();
        let number = count.came;
        count.unsettled.insert(number, evict);
        Ok((Place { crowd: Arc::clone(self), counted: None, number }, Evicted(evicted)))
    }

    /// How many are inside.
    pub(crate) fn total(&self) -> usize {
        self.count().total
    }

    fn count(&self) -> MutexGuard<'_, Count> {
        // Numbers are never left half changed.
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    pub(crate) fn seat(&self) -> Seat {
        Seat { crowd: self.crowd.clone(), number: self.number, is_settled: AtomicBool::new(false) }
    }

    /// Counts the place against the client's address as well.
    pub(crate) fn count_against(&mut self, address: IpAddr, limits: &Limits) -> Result<(), Full> {
        if limits.exempt.iter().any(|net| net.contains(&address)) {
            return Ok(());
        }
        let who = one_customer(address);
        let mut count = self.crowd.count();
        let inside = count.by_address.entry(who).or_default();
        if *inside >= limits.per_address {
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
        count.unsettled.remove(&self.number);
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

    struct Limited(Arc<Crowd>, Limits);

    fn crowd(total: usize, per_address: usize) -> Limited {
        Limited(Arc::default(), Limits { total, per_address, ..Limits::default() })
    }

    impl Limited {
        fn enter(&self) -> Result<(Place, Evicted), Full> {
            self.0.enter(&self.1)
        }
    }

    fn come(crowd: &Limited, from: &str) -> Result<Place, Full> {
        let (mut place, _) = crowd.enter()?;
        place.count_against(from.parse().unwrap(), &crowd.1)?;
        place.seat().settle();
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
        let count = crowd.0.count();
        assert_eq!(count.total, 0);
        assert!(count.by_address.is_empty() && count.unsettled.is_empty());
    }

    #[test]
    fn limits_that_change_hold_for_who_comes_next() {
        let mut crowd = crowd(2, 100);
        let _inside = [come(&crowd, "192.0.2.1").unwrap(), come(&crowd, "192.0.2.2").unwrap()];
        assert_eq!(come(&crowd, "192.0.2.3").unwrap_err(), Full::Total);
        crowd.1.total = 3;
        let _third = come(&crowd, "192.0.2.3").unwrap();
        crowd.1.total = 1;
        assert_eq!(come(&crowd, "192.0.2.4").unwrap_err(), Full::Total);
    }

    #[tokio::test]
    async fn who_has_waited_longest_makes_room() {
        let crowd = crowd(3, 100);
        let settled = come(&crowd, "192.0.2.1").unwrap();
        let [(oldest, evicted), (newer, spared)] = [crowd.enter().unwrap(), crowd.enter().unwrap()];
        let (newest, _) = crowd.enter().unwrap();
        evicted.wait().await;
        drop(oldest);
        newer.seat().settle();
        newest.seat().settle();
        // Nobody is left who could be asked to go.
        assert_eq!(crowd.enter().err(), Some(Full::Total));
        let waiting = tokio::time::timeout(Duration::from_millis(1), spared.wait());
        assert!(waiting.await.is_err(), "one that has settled was told to go");
        drop(settled);
        crowd.enter().unwrap();
    }

    #[test]
    fn this_machine_is_exempt_unless_told_otherwise() {
        let crowd = crowd(100, 1);
        let _places = ["127.0.0.1", "127.0.0.1", "::1", "::1"].map(|from| come(&crowd, from).unwrap());
    }
}
