//! How much one client may ask.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Clients that are told apart, at some hundred bytes each. Those beyond share one place.
const CLIENTS: usize = 10_000;

/// How long clients that ask nothing are remembered beyond their due, at most.
const SWEEP: Duration = Duration::from_secs(1);

/// Requests of this long may come at once.
const AT_ONCE: Duration = Duration::from_secs(2);

/// Who is counted as one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    /// The holder of a token.
    Token(Arc<str>),
    /// An address; a network of IPv6, as each of its machines has as many addresses as it likes.
    Address(IpAddr),
    /// All that are too many to be told apart.
    Others,
}

impl Client {
    /// Whoever asks from an address without a token.
    pub(crate) fn at(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            address => address,
        })
    }
}

/// Counts requests: each takes `interval` of its client's time, and a client may be ahead of the clock by
/// two seconds.
#[derive(Debug)]
pub(crate) struct Rates {
    interval: Duration,
    ahead: Duration,
    /// Until when the time of each client is taken.
    taken: Mutex<(HashMap<Client, Instant>, Option<Instant>)>,
}

impl Rates {
    pub(crate) fn new(interval: Duration) -> Self {
        Self { interval, ahead: AT_ONCE.max(interval), taken: Mutex::default() }
    }

    /// Takes the time of one request; how long to wait where there is none left.
    pub(crate) fn take(&self, client: Client, now: Instant) -> Result<(), Duration> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let (clients, swept) = &mut *taken;
        let client = if clients.len() < CLIENTS || clients.contains_key(&client) {
            client
        } else {
            if swept.is_none_or(|at| now.duration_since(at) >= SWEEP) {
                clients.retain(|_, until| *until > now);
                *swept = Some(now);
            }
            if clients.len() < CLIENTS { client } else { Client::Others }
        };
        let until = clients.entry(client).or_insert(now);
        let next = (*until).max(now) + self.interval;
        let over = next.duration_since(now).saturating_sub(self.ahead);
        if over.is_zero() {
            *until = next;
            Ok(())
        } else {
            Err(over)
        }
    }
}

/// Counts connections of each client; the table holds those that have any.
#[derive(Debug, Default)]
pub(crate) struct Seats(Arc<Mutex<HashMap<Client, u32>>>);

/// A connection of a client, until it is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    seats: Arc<Mutex<HashMap<Client, u32>>>,
    client: Client,
}

impl Seats {
    /// A seat for one more; none for a client that has `most` already.
    pub(crate) fn take(&self, client: Client, most: u32) -> Option<Seat> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.get(&client).copied().unwrap_or(0);
        if count >= most {
            return None;
        }
        taken.insert(client.clone(), count + 1);
        Some(Seat { seats: Arc::clone(&self.0), client })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        match taken.get_mut(&self.client) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(taken.remove(&self.client)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_its_seats_and_gives_them_back() {
        let seats = Seats::default();
        let (one, two) = (seats.take(numbered(1), 2), seats.take(numbered(1), 2));
        assert!(one.is_some() && two.is_some());
        assert!(seats.take(numbered(1), 2).is_none());
        let other = seats.take(numbered(2), 2);
        assert!(other.is_some());
        drop(one);
        let three = seats.take(numbered(1), 2);
        assert!(three.is_some() && seats.take(numbered(1), 2).is_none());
        drop((two, three, other));
        assert!(seats.0.lock().unwrap().is_empty(), "who has none is forgotten");
    }

    fn numbered(n: u32) -> Client {
        Client::at(IpAddr::from(n.to_be_bytes()))
    }

    #[test]
    fn a_client_has_its_share_and_no_other_pays() {
        let rates = Rates::new(Duration::from_millis(100));
        let start = Instant::now();
        for _ in 0..20 {
            assert_eq!(rates.take(numbered(1), start), Ok(()));
        }
        assert_eq!(rates.take(numbered(1), start), Err(Duration::from_millis(100)));
        assert_eq!(rates.take(numbered(2), start), Ok(()));
        assert_eq!(rates.take(Client::Token("a".into()), start), Ok(()));
        // What was refused costs nothing: who waits as long as was said is let in, once.
        let later = start + Duration::from_millis(100);
        assert_eq!(rates.take(numbered(1), later), Ok(()));
        assert!(rates.take(numbered(1), later).is_err());
        let rested = later + Duration::from_secs(3_600);
        for _ in 0..20 {
            assert_eq!(rates.take(numbered(1), rested), Ok(()), "rest is not saved up beyond two seconds");
        }
        assert!(rates.take(numbered(1), rested).is_err());
    }

    #[test]
    fn slow_rates_let_one_through() {
        let rates = Rates::new(Duration::from_secs(60));
        let start = Instant::now();
        assert_eq!(rates.take(numbered(1), start), Ok(()));
        assert_eq!(rates.take(numbered(1), start), Err(Duration::from_secs(60)));
    }

    #[test]
    fn clients_beyond_number_share_a_place_until_others_rest() {
        let rates = Rates::new(Duration::from_secs(1));
        let start = Instant::now();
        let many = u32::try_from(CLIENTS).unwrap();
        for n in 0..many {
            assert_eq!(rates.take(numbered(n), start), Ok(()));
        }
        let waits = (many..many + 10).filter(|n| rates.take(numbered(*n), start).is_err()).count();
        assert_eq!(waits, 8, "two of all of them together");
        assert!(rates.taken.lock().unwrap().0.len() <= CLIENTS + 1);
        let rested = start + Duration::from_secs(10);
        assert_eq!(rates.take(numbered(many + 99), rested), Ok(()));
        assert!(rates.taken.lock().unwrap().0.len() < 10, "those who rest are forgotten");
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        let at = |text: &str| Client::at(text.parse().unwrap());
        assert_eq!(at("2001:db8:1:2::1"), at("2001:db8:1:2:ffff::9"));
        assert_ne!(at("2001:db8:1:2::1"), at("2001:db8:1:3::1"));
        assert_eq!(at("::ffff:192.0.2.1"), at("192.0.2.1"));
        assert_ne!(at("192.0.2.1"), at("192.0.2.2"));
    }
}
