use super::*;
use crate::context::ManualClock;

fn pools(max: Option<u32>, rate: Option<&str>) -> BTreeMap<String, Pool> {
    let pool = Pool { max, rate: rate.map(str::to_owned) };
    BTreeMap::from([("p".to_owned(), pool)])
}

fn clock() -> ManualClock {
    ManualClock::at(DateTime::UNIX_EPOCH)
}

async fn started(pools: &Pools, clock: &ManualClock) -> i64 {
    drop(pools.acquire(Some("p"), clock).await.unwrap());
    clock.now().timestamp_millis()
}

#[test]
fn rates_are_intervals() {
    for (rate, millis) in
        [("2/s", 500), ("30/m", 2_000), ("500/h", 7_200), ("0.5 / s", 2_000), ("1/d", 86_400_000)]
    {
        assert_eq!(interval(rate), Some(Duration::from_millis(millis)), "{rate}");
    }
    for bad in ["", "2", "2/", "/s", "0/s", "-1/s", "2/y", "x/s"] {
        assert_eq!(interval(bad), None, "{bad}");
    }
}

/// Two processes, as far as a pool can tell: nothing is shared but the folder.
#[tokio::test]
async fn starts_of_two_processes_keep_their_distance_and_a_restart_forgets_none() {
    let folder = tempfile::tempdir().unwrap();
    let limits = pools(None, Some("2/s"));
    let clock = clock();
    let (one, two) = (Pools::shared(&limits, folder.path()), Pools::shared(&limits, folder.path()));
    assert_eq!(started(&one, &clock).await, 0);
    assert_eq!(started(&two, &clock).await, 500);
    assert_eq!(started(&two, &clock).await, 1_000);
    assert_eq!(started(&one, &clock).await, 1_500);
    drop((one, two));
    let three = Pools::shared(&limits, folder.path());
    assert_eq!(started(&three, &clock).await, 2_000);
    clock.sleep(Duration::from_secs(60)).await;
    assert_eq!(started(&three, &clock).await, 62_000, "what was not used is not made up for");
    // Another project with another state is another pool.
    let elsewhere = tempfile::tempdir().unwrap();
    assert_eq!(started(&Pools::shared(&limits, elsewhere.path()), &clock).await, 62_000);
    assert_eq!(started(&Pools::new(&limits), &clock).await, 62_000);
}

#[tokio::test]
async fn what_one_is_asked_to_wait_all_wait() {
    let folder = tempfile::tempdir().unwrap();
    let limits = pools(Some(4), Some("2/s"));
    let clock = clock();
    let (one, two) = (Pools::shared(&limits, folder.path()), Pools::shared(&limits, folder.path()));
    assert_eq!(started(&one, &clock).await, 0);
    one.hold(Some("p"), clock.now() + chrono::Duration::seconds(30)).await.unwrap();
    one.hold(Some("p"), clock.now() + chrono::Duration::seconds(3)).await.unwrap();
    assert_eq!(started(&two, &clock).await, 30_000);
    assert_eq!(started(&one, &clock).await, 30_500, "and then at the rate");
    one.hold(Some("p"), clock.now() + chrono::Duration::days(1_000)).await.unwrap();
    assert_eq!(started(&two, &clock).await, 31_000, "a wait of years is not believed");
}

/// Who asks to wait while others wait for their turn keeps those back too.
#[tokio::test]
async fn a_start_that_was_claimed_before_is_put_off() {
    let limits = pools(None, Some("1/s"));
    let pools = Pools::new(&limits);
    /// Asks to wait as soon as anybody sleeps.
    #[derive(Debug)]
    struct Asking<'a>(ManualClock, &'a Pools, std::sync::atomic::AtomicBool);
    #[async_trait::async_trait]
    impl Clock for Asking<'_> {
        fn now(&self) -> DateTime<Utc> {
            self.0.now()
        }
        async fn sleep(&self, time: Duration) {
            if !self.2.swap(true, std::sync::atomic::Ordering::Relaxed) {
                let until = DateTime::UNIX_EPOCH + chrono::Duration::seconds(20);
                self.1.hold(Some("p"), until).await.unwrap();
            }
            self.0.sleep(time).await;
        }
    }
    let clock = Asking(clock(), &pools, false.into());
    drop(pools.acquire(Some("p"), &clock).await.unwrap());
    drop(pools.acquire(Some("p"), &clock).await.unwrap());
    assert_eq!(clock.now().timestamp(), 20);
}

#[tokio::test]
async fn places_are_counted_over_processes_and_who_dies_gives_them_back() {
    let folder = tempfile::tempdir().unwrap();
    let limits = pools(Some(2), None);
    let clock = clock();
    let (one, two) = (Pools::shared(&limits, folder.path()), Pools::shared(&limits, folder.path()));
    let first = one.acquire(Some("p"), &clock).await.unwrap();
    let second = two.acquire(Some("p"), &clock).await.unwrap();
    let third = two.acquire(Some("p"), &clock);
    tokio::pin!(third);
    // It looks a while and finds none.
    for _ in 0..50 {
        assert!(futures::poll!(&mut third).is_pending());
    }
    // As a process that dies: the system lets go of its locks.
    drop((one, first));
    let third = third.await.unwrap();
    drop((second, third));
    assert!(two.acquire(None, &clock).await.is_ok(), "no pool is no limit");
    assert!(two.acquire(Some("other"), &clock).await.is_ok());
}

#[tokio::test]
async fn a_clock_that_went_back_does_not_shut_a_pool() {
    let folder = tempfile::tempdir().unwrap();
    let limits = pools(None, Some("2/s"));
    let late = ManualClock::at(DateTime::UNIX_EPOCH + chrono::Duration::days(3_650));
    let pools = Pools::shared(&limits, folder.path());
    drop(pools.acquire(Some("p"), &late).await.unwrap());
    assert_eq!(started(&pools, &clock()).await, 0);
    assert_eq!(started(&pools, &clock()).await, 500);
}

#[tokio::test]
async fn a_pool_that_cannot_be_kept_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("pools"), "in the way").unwrap();
    for limits in [pools(Some(1), None), pools(None, Some("2/s"))] {
        let error = Pools::shared(&limits, folder.path()).acquire(Some("p"), &clock()).await.unwrap_err();
        assert!(error.to_string().contains("pools"), "{error}");
    }
}
