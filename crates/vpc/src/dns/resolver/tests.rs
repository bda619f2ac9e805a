//! Under virtual time: how long and whom a resolver asks.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicUsize, Ordering};

use invocation::BoxFuture;

use super::*;
use crate::network::{NotOpened, OpenError, OpenedFlow};

/// Never answers, and notes whom it was asked to ask.
#[derive(Default)]
struct Silent {
    asked: Mutex<Vec<(Option<SocketAddr>, Duration)>>,
    dropped: Arc<AtomicUsize>,
}

impl Network for Silent {
    fn open_tcp(&self, _: Uuid, _: SocketAddr, _: Duration) -> BoxFuture<'_, Result<OpenedFlow, NotOpened>> {
        Box::pin(async { Err(OpenError::NoConnector.into()) })
    }

    fn query_dns<'a>(
        &'a self,
        _: Uuid,
        resolver: Option<SocketAddr>,
        _: DnsTransport,
        _: &'a [u8],
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Vec<u8>, DnsQueryError>> {
        self.asked.lock().unwrap().push((resolver, timeout));
        let dropped = Arc::clone(&self.dropped);
        Box::pin(async move {
            let _guard = Guard(dropped);
            std::future::pending().await
        })
    }

    fn is_beside_the_edge(&self, _: Uuid) -> bool {
        true
    }
}

struct Guard(Arc<AtomicUsize>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn two_tries_share_five_seconds_and_take_turns() {
    let network = Arc::new(Silent::default());
    let resolver = Resolver::new(Arc::clone(&network) as Arc<dyn Network>, NonZeroUsize::MIN);
    let zone = Zone { tunnel: Uuid::nil(), resolvers: vec!["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()] };
    let started = Instant::now();
    let error = resolver.resolve(&zone, "api.internal", &Policy::default()).await.unwrap_err().error;
    assert_eq!(started.elapsed(), Duration::from_secs(5));
    assert_eq!(error.code, ErrorCode::DnsTimeout);
    assert!(error.detail.contains("10.0.0.1:53 and the resolver 10.0.0.2:53 within 5.0 s (2 tries)"), "{error:?}");
    let asked = network.asked.lock().unwrap();
    let shares: Vec<Duration> = asked.iter().map(|(_, share)| *share).collect();
    assert_eq!(shares, [Duration::from_millis(2500); 4]);
    assert_eq!(asked.iter().filter(|(resolver, _)| *resolver == Some("10.0.0.2:53".parse().unwrap())).count(), 2);
}

#[tokio::test(start_paused = true)]
async fn questions_end_although_nobody_waits_for_them() {
    let network = Arc::new(Silent::default());
    let resolver = Resolver::new(Arc::clone(&network) as Arc<dyn Network>, NonZeroUsize::MIN);
    let zone = Zone { tunnel: Uuid::nil(), resolvers: Vec::new() };
    let policy = Policy::default();
    let given_up =
        tokio::time::timeout(Duration::from_millis(1), resolver.resolve(&zone, "api.internal", &policy)).await;
    assert!(given_up.is_err());
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(network.dropped.load(Ordering::SeqCst), 4);
    assert!(resolver.shared.lock().asking.is_empty());
}

#[tokio::test]
async fn addresses_and_impossible_names_are_not_asked_about() {
    let network = Arc::new(Silent::default());
    let resolver = Resolver::new(Arc::clone(&network) as Arc<dyn Network>, NonZeroUsize::MIN);
    let zone = Zone { tunnel: Uuid::nil(), resolvers: Vec::new() };
    let policy = Policy::default();
    let literal = resolver.resolve(&zone, "10.0.0.1", &policy).await.unwrap();
    assert_eq!(literal.addresses, ["10.0.0.1".parse::<IpAddr>().unwrap()]);
    let long = format!("{}.internal", "x".repeat(64));
    assert_eq!(resolver.resolve(&zone, &long, &policy).await.unwrap_err().error.code, ErrorCode::DnsError);
    assert!(network.asked.lock().unwrap().is_empty());
}
