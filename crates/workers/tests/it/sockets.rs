//! TCP connections of Workers, over an outbound that echoes.

use std::sync::Arc;

use invocation::{PrivateNetwork, Target};
use uuid::Uuid;

use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_come_back_with_back_pressure() {
    let world = World::new();
    let version = Arc::new(worker(&["sockets.js"]));
    // Far more than the other end holds at a time.
    assert_eq!(world.text(&version, "/echo?bytes=1000000").await.1, r#"{"sent":1000000,"heard":1000000,"same":true}"#);
    let record = world.records.next().await;
    let [subrequest] = &record.subrequests[..] else { panic!("{record:?}") };
    assert_eq!((subrequest.target.as_str(), subrequest.method.as_str()), ("NETWORK", "CONNECT"));
    assert_eq!((subrequest.url.as_str(), subrequest.status), ("db.internal:7", None));
    assert!(subrequest.error.is_none() && subrequest.duration_ms >= 0.0);
    let asked = std::mem::take(&mut *world.fake.asked.lock().unwrap());
    let network = Target::VpcNetwork(PrivateNetwork::Tunnel(Uuid::from_u128(2)));
    assert_eq!(asked, [(network, "CONNECT".to_owned(), "db.internal:7".to_owned())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_fails_says_why() {
    let world = World::new();
    let version = Arc::new(worker(&["sockets.js"]));
    let (_, body) = world.text(&version, "/refused").await;
    assert_eq!(
        body,
        r#"{"opened":"Error: ProxyError: connection_refused","phase":"connect","read":"connection_refused"}"#
    );
    let record = world.records.next().await;
    assert_eq!(record.subrequests[0].error.as_deref(), Some("ProxyError: connection_refused"));
    assert_eq!(record.exceptions.len(), 0, "{record:?}");
    assert_eq!(
        world.text(&version, "/tls").await.1,
        "Network connection lost: this end has no TLS | undefined | Network connection lost: this end has no TLS"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connecting_counts_as_one_of_six() {
    let world = World::new();
    let version = Arc::new(worker(&["sockets.js"]));
    let (answer, ()) = tokio::join!(world.text(&version, "/seven"), async {
        reaches(&world.fake.at_gate, 6).await;
        world.fake.gate.send_replace(true);
    });
    assert_eq!(answer.1, "7");
    assert_eq!(*world.fake.at_gate.borrow(), 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_end_with_their_invocation() {
    let world = World::new();
    let version = Arc::new(worker(&["sockets.js"]));
    // Left open, read from, never closed: the invocation ends when it has answered all the same.
    assert_eq!(world.text(&version, "/left").await.1, "answered");
    world.records.next().await;
    let ended = world.get(&version, "/global").await.unwrap_err();
    assert!(ended.message.contains("Disallowed operation called within global scope"), "{}", ended.message);
}
