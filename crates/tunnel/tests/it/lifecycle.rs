//! Registration, refusal, reconnecting, draining, revoking, replicas.

use crate::setup::{Directory, Edge, PATIENCE, Relay, RunningConnector, TUNNEL, echo, eventually};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tunnel::connector::{Connector, ConnectorError, ConnectorOptions};
use tunnel::edge::{FlowError, OpenError, TransportKind};
use tunnel::{Token, Uuid};

#[tokio::test(flavor = "multi_thread")]
async fn four_connections_register() {
    let edge = Edge::start().await;
    let connector = edge.connect(ConnectorOptions { connections: 4, ..edge.connector_options() }).await;
    let status = edge.tunnels.connectors(TUNNEL);
    assert_eq!(status.len(), 1);
    assert_eq!(status[0].id, connector.id);
    assert_eq!(status[0].version, concat!("culvert/", env!("CARGO_PKG_VERSION")));
    assert_eq!(status[0].connections.iter().map(|connection| connection.index).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert!(
        status[0]
            .connections
            .iter()
            .all(|connection| connection.transport == TransportKind::Quic && !connection.draining)
    );
    assert_eq!(status[0].warnings.len(), 1, "a single replica: {:?}", status[0].warnings);
    assert!(serde_json::to_value(&status).unwrap()[0]["connections"][0]["rtt_ms"].is_number());

    // The edge knows a little before the connector does.
    let expected = serde_json::json!({ "status": 200, "readyConnections": 4, "connectorId": connector.id });
    let started = Instant::now();
    loop {
        let (line, body) = connector.get("/ready").await;
        assert_eq!(line, "HTTP/1.1 200 OK");
        if serde_json::from_str::<serde_json::Value>(&body).unwrap() == expected {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "{body}");
    }
    let (_, metrics) = connector.get("/metrics").await;
    assert!(metrics.contains("\nculvert_connector_ready_connections 4\n"), "{metrics}");
    connector.shutdown().await;
    eventually("all are gone", || edge.tunnels.connectors(TUNNEL).is_empty()).await;
    let mut events = edge.directory.events.lock().unwrap().clone();
    events.sort();
    assert_eq!(events, ["+0", "+1", "+2", "+3", "-0", "-1", "-2", "-3"]);
}

async fn stays_out(edge: &Edge, token: Token) {
    let connector = RunningConnector::start(ConnectorOptions { token, ..edge.connector_options() });
    eventually("the directory was asked", || *edge.directory.asked.lock().unwrap() > 0).await;
    let (line, body) = connector.get("/ready").await;
    assert_eq!(line, "HTTP/1.1 503 Service Unavailable");
    assert!(body.contains("\"readyConnections\":0"), "{body}");
    assert!(edge.tunnels.connectors(TUNNEL).is_empty());
    assert_eq!(edge.tunnels.open_tcp(TUNNEL, echo().await, PATIENCE).await.unwrap_err().error, OpenError::NoConnector);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_secret_is_refused() {
    let edge = Edge::start().await;
    stays_out(&edge, Token { secret: vec![9; 32], ..edge.token() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_tunnel_and_wrong_account_are_refused() {
    let edge = Edge::start().await;
    stays_out(&edge, Token { tunnel: Uuid::from_u128(1), ..edge.token() }).await;
    let edge = Edge::start().await;
    stays_out(&edge, Token { account: "other".to_owned(), ..edge.token() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_does_not_trust_a_strange_edge() {
    let edge = Edge::start().await;
    let stranger = Edge::start().await;
    let options = ConnectorOptions { edges: vec![stranger.address.to_string()], ..edge.connector_options() };
    let connector = RunningConnector::start(options);
    let started = Instant::now();
    loop {
        let (_, metrics) = connector.get("/metrics").await;
        if !metrics.contains("registrations_failed_total 0") {
            break;
        }
        assert!(started.elapsed() < PATIENCE);
    }
    assert_eq!(*stranger.directory.asked.lock().unwrap(), 0, "the secret never left");
}

#[tokio::test(flavor = "multi_thread")]
async fn options_are_checked() {
    let edge = Edge::start().await;
    let no_edge = Connector::new(ConnectorOptions { edges: Vec::new(), ..edge.connector_options() });
    assert!(matches!(no_edge, Err(ConnectorError::NoEdge)));
    let no_ca = Connector::new(ConnectorOptions { ca_pem: Some("nothing".to_owned()), ..edge.connector_options() });
    assert!(matches!(no_ca, Err(ConnectorError::Setup(_))));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let no_metrics =
        Connector::new(ConnectorOptions { metrics: Some(taken.local_addr().unwrap()), ..edge.connector_options() });
    assert!(matches!(no_metrics, Err(ConnectorError::Metrics { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn connectors_come_back_after_an_edge_restart() {
    let edge = Edge::start().await;
    let connector = edge.connect(ConnectorOptions { connections: 4, ..edge.connector_options() }).await;
    let edge = edge.restart().await;
    let restarted = Instant::now();
    eventually("it is back", || edge.connections_of(connector.id) > 0).await;
    assert!(restarted.elapsed() < Duration::from_secs(2), "{:?}", restarted.elapsed());
    let mut flow = edge.tunnels.open_tcp(TUNNEL, echo().await, PATIENCE).await.unwrap();
    flow.write_all(b"x").await.unwrap();
    assert_eq!(flow.read_u8().await.unwrap(), b'x');
    eventually("all are back", || edge.connections_of(connector.id) == 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draining_connector_ends_its_flows_and_gets_no_new_ones() {
    let edge = Edge::start().await;
    let mut connector = edge.connect(ConnectorOptions { grace_period: PATIENCE, ..edge.connector_options() }).await;
    let destination = echo().await;
    let mut flow = edge.tunnels.open_tcp(TUNNEL, destination, PATIENCE).await.unwrap();
    connector.begin_shutdown();
    eventually("it drains", || edge.tunnels.connectors(TUNNEL).iter().all(|status| status.draining)).await;
    assert!(flow.is_draining());
    assert_eq!(edge.tunnels.open_tcp(TUNNEL, destination, PATIENCE).await.unwrap_err().error, OpenError::NoConnector);
    // The open flow goes on.
    flow.write_all(b"still here").await.unwrap();
    let mut answer = [0; 10];
    flow.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"still here");
    assert_eq!(edge.connections_of(connector.id), 1);
    drop(flow);
    eventually("it is gone when its flows are", || edge.connections_of(connector.id) == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_grace_period_ends() {
    let edge = Edge::start().await;
    let connector =
        edge.connect(ConnectorOptions { grace_period: Duration::from_millis(100), ..edge.connector_options() }).await;
    let mut flow = edge.tunnels.open_tcp(TUNNEL, echo().await, PATIENCE).await.unwrap();
    connector.shutdown().await;
    let error = tokio::time::timeout(PATIENCE, flow.read_u8()).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionAborted);
}

#[tokio::test(flavor = "multi_thread")]
async fn revoking_cuts_at_once_and_keeps_it_out() {
    let edge = Edge::start().await;
    let connector = edge.connect(ConnectorOptions { connections: 2, ..edge.connector_options() }).await;
    let mut flow = edge.tunnels.open_tcp(TUNNEL, echo().await, PATIENCE).await.unwrap();
    let asked = *edge.directory.asked.lock().unwrap();
    edge.directory.revoked.lock().unwrap().insert(TUNNEL);
    edge.tunnels.revoke(TUNNEL);
    assert_eq!(edge.connections_of(connector.id), 0);
    assert!(tokio::time::timeout(PATIENCE, flow.read_u8()).await.unwrap().is_err());
    eventually("it tries again", || *edge.directory.asked.lock().unwrap() > asked).await;
    assert_eq!(edge.connections_of(connector.id), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_replica_takes_over() {
    let edge = Edge::start().await;
    let first = edge.connect_one().await;
    let second = edge.connect_one().await;
    assert!(edge.tunnels.connectors(TUNNEL).iter().all(|status| status.warnings.is_empty()));
    let destination = echo().await;
    // One of them vanishes without a goodbye: its sockets close with it.
    let survivor = second.id;
    drop(first);
    let started = Instant::now();
    let mut taken_over = 0;
    while taken_over < 20 {
        let mut flow = edge.tunnels.open_tcp(TUNNEL, destination, PATIENCE).await.unwrap();
        let written = flow.write_all(b"x").await;
        let answer = flow.read_u8().await;
        // Its tasks end a moment later: what it still takes may be lost with it.
        if flow.connector() == survivor {
            written.unwrap();
            assert_eq!(answer.unwrap(), b'x');
            taken_over += 1;
        }
        assert!(started.elapsed() < PATIENCE, "{taken_over} flows were taken over");
    }
    drop(second);
}

#[tokio::test(flavor = "multi_thread")]
async fn configurations_are_pushed() {
    let directory = Directory::new();
    *directory.configuration.lock().unwrap() = Some((5, r#"{"ingress":[]}"#.to_owned()));
    let edge = Edge::start_with(directory, Default::default()).await;
    let connector = edge.connect_one().await;
    let started = Instant::now();
    // The first push happens at registration; the same version again shows when it has arrived.
    loop {
        let pushed = edge.tunnels.push_configuration(TUNNEL, 0, "{}").await;
        assert_eq!((pushed.len(), pushed[0].connector), (1, connector.id));
        match pushed[0].result {
            Ok(5) => break,
            Ok(0) | Ok(-1) => assert!(started.elapsed() < PATIENCE),
            ref other => panic!("{other:?}"),
        }
    }
    let bad = edge.tunnels.push_configuration(TUNNEL, 6, "{bad").await;
    assert!(bad[0].result.is_err(), "{bad:?}");
    assert!(edge.tunnels.push_configuration(Uuid::from_u128(1), 6, "{}").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_that_is_dropped_takes_its_flows_with_it() {
    let edge = Edge::start().await;
    let connector = edge.connect_one().await;
    let mut flow = edge.tunnels.open_tcp(TUNNEL, echo().await, PATIENCE).await.unwrap();
    let id = connector.id;
    drop(connector);
    let error = tokio::time::timeout(PATIENCE, flow.read_u8()).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionAborted);
    eventually("it is gone", || edge.connections_of(id) == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_replica_costs_little_until_it_is_given_up() {
    let edge = Edge::start().await;
    let relay = Relay::start(edge.address).await;
    let silent =
        edge.connect(ConnectorOptions { edges: vec![relay.address.to_string()], ..edge.connector_options() }).await;
    let healthy = edge.connect_one().await;
    let destination = echo().await;
    relay.cut();
    // At first the edge cannot know; the flow is opened beside the one that is not even acknowledged.
    for _ in 0..6 {
        let started = Instant::now();
        let mut flow = edge.tunnels.open_tcp(TUNNEL, destination, PATIENCE).await.unwrap();
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
        assert_eq!(flow.connector(), healthy.id);
        flow.write_all(b"x").await.unwrap();
        assert_eq!(flow.read_u8().await.unwrap(), b'x');
    }
    eventually("the silent one is given up", || edge.connections_of(silent.id) == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_whose_connector_is_lost_says_so() {
    let edge = Edge::start().await;
    let relay = Relay::start(edge.address).await;
    let connector =
        edge.connect(ConnectorOptions { edges: vec![relay.address.to_string()], ..edge.connector_options() }).await;
    let mut flow = edge.tunnels.open_tcp(TUNNEL, echo().await, PATIENCE).await.unwrap();
    relay.cut();
    let error = tokio::time::timeout(PATIENCE, flow.read_u8()).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionAborted);
    let source = error.get_ref().and_then(|source| source.downcast_ref::<FlowError>()).unwrap();
    assert!(matches!(source, FlowError::ConnectorLost { connector: lost, .. } if *lost == connector.id), "{source:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_spread_over_several_edges() {
    let (first, second) = (Edge::start().await, Edge::start().await);
    let ca = [&first, &second].map(|edge| edge.connector_options().ca_pem.unwrap()).concat();
    let options = ConnectorOptions {
        ca_pem: Some(ca),
        connections: 4,
        edges: vec![first.address.to_string(), second.address.to_string()],
        ..first.connector_options()
    };
    let connector = RunningConnector::start(options);
    eventually("two at each", || first.connections_of(connector.id) == 2 && second.connections_of(connector.id) == 2)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_comes_back_beside_flows_on_the_others() {
    let edge = Edge::start().await;
    let relay = Relay::start(edge.address).await;
    let options = ConnectorOptions {
        connections: 2,
        edges: vec![relay.address.to_string(), edge.address.to_string()],
        ..edge.connector_options()
    };
    let connector = edge.connect(options).await;
    let destination = echo().await;
    let status = edge.tunnels.connectors(TUNNEL);
    let direct = status[0].connections.iter().find(|connection| connection.index == 1).unwrap().id;
    // A flow on each. Load and latency decide, and the relay is slow on a busy machine; all are held, so that load grows.
    let (mut kept, mut lost) = (Vec::new(), Vec::new());
    while kept.is_empty() || lost.is_empty() {
        let flow = edge.tunnels.open_tcp(TUNNEL, destination, PATIENCE).await.unwrap();
        if flow.connection() == direct {
            kept.push(flow)
        } else {
            lost.push(flow)
        }
        assert!(kept.len() + lost.len() < 500, "{} flows go over one connection", kept.len() + lost.len());
    }
    let (mut kept, mut lost) = (kept.remove(0), lost.remove(0));
    relay.cut();
    let error = tokio::time::timeout(PATIENCE, lost.read_u8()).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionAborted);
    kept.write_all(b"x").await.unwrap();
    assert_eq!(kept.read_u8().await.unwrap(), b'x');
    // It tries the other edge when the first does not answer.
    eventually("both are registered again", || edge.connections_of(connector.id) == 2).await;
    kept.write_all(b"y").await.unwrap();
    assert_eq!(kept.read_u8().await.unwrap(), b'y');
}
