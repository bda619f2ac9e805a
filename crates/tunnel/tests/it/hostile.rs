//! Garbage and floods on the edge's port.

use crate::setup::{Directory, Edge, PATIENCE, TUNNEL, echo, eventually};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UdpSocket;
use tunnel::connector::ConnectorOptions;
use tunnel::edge::EdgeLimits;

#[tokio::test(flavor = "multi_thread")]
async fn garbage_datagrams_do_nothing() {
    let edge = Edge::start().await;
    let _connector = edge.connect_one().await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut seed = 1_u32;
    for length in (0..1400).step_by(7) {
        let garbage: Vec<u8> = (0..length)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed >> 24) as u8
            })
            .collect();
        socket.send_to(&garbage, edge.address).await.unwrap();
    }
    let mut flow = edge.tunnels.open_tcp(TUNNEL, echo().await, PATIENCE).await.unwrap();
    flow.write_all(b"x").await.unwrap();
    assert_eq!(flow.read_u8().await.unwrap(), b'x');
    assert_eq!(edge.tunnels.connectors(TUNNEL).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_registrations_are_rate_limited() {
    let limits = EdgeLimits { failed_registrations: 1, ..EdgeLimits::default() };
    let edge = Edge::start_with(Directory::new(), limits).await;
    let wrong = tunnel::Token { secret: vec![1; 32], ..edge.token() };
    let connectors: Vec<_> = (0..6)
        .map(|_| {
            crate::setup::RunningConnector::start(ConnectorOptions { token: wrong.clone(), ..edge.connector_options() })
        })
        .collect();
    let started = std::time::Instant::now();
    // Each of them fails at least once; the directory hears of far fewer.
    for connector in &connectors {
        loop {
            let (_, metrics) = connector.get("/metrics").await;
            if !metrics.contains("registrations_failed_total 0") {
                break;
            }
            assert!(started.elapsed() < PATIENCE);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    let asked = *edge.directory.asked.lock().unwrap();
    let allowed = 2 + started.elapsed().as_secs() as usize;
    assert!(asked <= allowed, "{asked} registrations were looked at, {allowed} are allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_has_a_limit_of_connections() {
    let limits = EdgeLimits { connections_per_tunnel: 2, ..EdgeLimits::default() };
    let edge = Edge::start_with(Directory::new(), limits).await;
    let _first = edge.connect(ConnectorOptions { connections: 2, ..edge.connector_options() }).await;
    let asked = *edge.directory.asked.lock().unwrap();
    let second = crate::setup::RunningConnector::start(edge.connector_options());
    eventually("it asked", || *edge.directory.asked.lock().unwrap() > asked).await;
    assert_eq!(edge.connections_of(second.id), 0);
}
