//! Edge and connector over HTTP/2: what is the same as over QUIC, and what is not.

use crate::setup::{Directory, Edge, PATIENCE, RunningConnector, TUNNEL, closed_port, echo, eventually, origin};
use socket2::SockRef;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tunnel::connector::{ConnectorOptions, Protocol};
use tunnel::edge::{DnsQueryError, DnsTransport, EdgeLimits, FlowError, OpenError, Resolver, TransportKind};

fn options(edge: &Edge) -> ConnectorOptions {
    ConnectorOptions { protocol: Protocol::Http2, ..edge.connector_options() }
}

async fn works(edge: &Edge) {
    let mut flow = edge.tunnels.open_tcp(TUNNEL, echo().await, PATIENCE).await.unwrap();
    flow.write_all(b"x").await.unwrap();
    assert_eq!(flow.read_u8().await.unwrap(), b'x');
}

#[tokio::test(flavor = "multi_thread")]
async fn four_connections_carry_flows() {
    let edge = Edge::start().await;
    let connector = edge.connect(ConnectorOptions { connections: 4, ..options(&edge) }).await;
    let status = edge.tunnels.connectors(TUNNEL);
    assert!(status[0].connections.iter().all(|connection| connection.transport == TransportKind::Http2));
    assert!(status[0].warnings.iter().any(|warning| warning.contains("HTTP/2")), "{status:?}");
    works(&edge).await;
    let pushed = edge.tunnels.push_configuration(TUNNEL, 1, r#"{"warp-routing":{"maxActiveFlows":1}}"#).await;
    assert_eq!(pushed[0].result, Ok(1));
    let pushed = edge.tunnels.push_configuration(TUNNEL, 2, r#"{"warp-routing":7}"#).await;
    assert!(pushed[0].result.is_err(), "{pushed:?}");
    connector.shutdown().await;
    eventually("all are gone", || edge.tunnels.connectors(TUNNEL).is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_close_reaches_the_origin_and_everything_comes_back() {
    let edge = Edge::start().await;
    let _connector = edge.connect(options(&edge)).await;
    let sent: Vec<u8> = (0..5 << 20).map(|index: u32| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let flow = edge.tunnels.open_tcp(TUNNEL, echo().await, PATIENCE).await.unwrap();
    let (mut read, mut write) = tokio::io::split(flow);
    let expected = sent.clone();
    let writer = tokio::spawn(async move {
        write.write_all(&sent).await.unwrap();
        write.shutdown().await.unwrap();
        write
    });
    let mut received = Vec::new();
    timeout(PATIENCE, read.read_to_end(&mut received)).await.unwrap().unwrap();
    assert!(received == expected, "{} bytes of {}", received.len(), expected.len());
    writer.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_told_apart() {
    let edge = Edge::start().await;
    let _connector = edge.connect(options(&edge)).await;
    let destination = closed_port().await;
    let error = edge.tunnels.open_tcp(TUNNEL, destination, PATIENCE).await.unwrap_err().error;
    let text =
        format!("unable to dial tcp to origin {destination}: dial tcp {destination}: connect: connection refused");
    assert_eq!(error, OpenError::Refused { text });
    assert_eq!(
        edge.tunnels.push_configuration(TUNNEL, 1, r#"{"warp-routing":{"maxActiveFlows":1}}"#).await[0].result,
        Ok(1)
    );
    let destination = echo().await;
    let _first = edge.tunnels.open_tcp(TUNNEL, destination, PATIENCE).await.unwrap();
    let error = edge.tunnels.open_tcp(TUNNEL, destination, PATIENCE).await.unwrap_err().error;
    assert!(matches!(error, OpenError::TooManyFlows { .. }), "{error:?}");
    for transport in [DnsTransport::Udp, DnsTransport::Tcp] {
        let error = edge.tunnels.query_dns(TUNNEL, Resolver::Virtual, transport, &[0; 17], PATIENCE).await.unwrap_err();
        assert!(matches!(error, DnsQueryError::NoDatagrams { .. }), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_of_the_origin_is_a_reset() {
    let edge = Edge::start().await;
    let _connector = edge.connect(options(&edge)).await;
    let destination = origin(|mut stream| async move {
        stream.read_u8().await.unwrap();
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    })
    .await;
    let mut flow = edge.tunnels.open_tcp(TUNNEL, destination, PATIENCE).await.unwrap();
    flow.write_all(b"x").await.unwrap();
    let error = timeout(PATIENCE, flow.read_u8()).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_flow_is_reset_at_the_origin() {
    let edge = Edge::start().await;
    let _connector = edge.connect(options(&edge)).await;
    let (ended, mut seen) = tokio::sync::mpsc::channel(1);
    let destination = origin(move |mut stream| {
        let ended = ended.clone();
        async move {
            stream.read_u8().await.unwrap();
            stream.write_u8(b'y').await.unwrap();
            let _ = ended.send(stream.read_u8().await.unwrap_err().kind()).await;
        }
    })
    .await;
    let mut flow = edge.tunnels.open_tcp(TUNNEL, destination, PATIENCE).await.unwrap();
    flow.write_all(b"x").await.unwrap();
    // A reset overtakes data, so the origin has to have it first.
    assert_eq!(flow.read_u8().await.unwrap(), b'y');
    flow.reset();
    assert_eq!(timeout(PATIENCE, seen.recv()).await.unwrap(), Some(io::ErrorKind::ConnectionReset));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_flow_is_closed_at_the_origin() {
    let edge = Edge::start().await;
    let _connector = edge.connect(options(&edge)).await;
    let (ended, mut seen) = tokio::sync::mpsc::channel(1);
    let destination = origin(move |mut stream| {
        let ended = ended.clone();
        async move {
            let mut received = Vec::new();
            let _ = stream.read_to_end(&mut received).await;
            let _ = ended.send(received).await;
        }
    })
    .await;
    let mut flow = edge.tunnels.open_tcp(TUNNEL, destination, PATIENCE).await.unwrap();
    flow.write_all(b"hello").await.unwrap();
    drop(flow);
    assert_eq!(timeout(PATIENCE, seen.recv()).await.unwrap().unwrap(), b"hello");
    eventually("the connector forgets the flow", || edge.tunnels.connectors(TUNNEL)[0].connections[0].flows == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn draining_lets_flows_end() {
    let edge = Edge::start().await;
    let mut connector = edge.connect(ConnectorOptions { grace_period: PATIENCE, ..options(&edge) }).await;
    let destination = echo().await;
    let mut flow = edge.tunnels.open_tcp(TUNNEL, destination, PATIENCE).await.unwrap();
    connector.begin_shutdown();
    eventually("it drains", || edge.tunnels.connectors(TUNNEL).iter().all(|status| status.draining)).await;
    assert_eq!(edge.tunnels.open_tcp(TUNNEL, destination, PATIENCE).await.unwrap_err().error, OpenError::NoConnector);
    flow.write_all(b"x").await.unwrap();
    assert_eq!(flow.read_u8().await.unwrap(), b'x');
    drop(flow);
    eventually("it is gone", || edge.connections_of(connector.id) == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn revoking_and_restarting() {
    let edge = Edge::start().await;
    let connector = edge.connect(options(&edge)).await;
    let edge = edge.restart().await;
    eventually("it is back", || edge.connections_of(connector.id) == 1).await;
    let mut flow = edge.tunnels.open_tcp(TUNNEL, echo().await, PATIENCE).await.unwrap();
    edge.directory.revoked.lock().unwrap().insert(TUNNEL);
    edge.tunnels.revoke(TUNNEL);
    let error = timeout(PATIENCE, flow.read_u8()).await.unwrap().unwrap_err();
    assert!(
        matches!(error.get_ref().and_then(|error| error.downcast_ref()), Some(FlowError::ConnectorLost { .. })),
        "{error:?}"
    );
    assert_eq!(edge.connections_of(connector.id), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_ones_stay_out() {
    let edge = Edge::start().await;
    let token = tunnel::Token { secret: vec![9; 32], ..edge.token() };
    let connector = RunningConnector::start(ConnectorOptions { token, ..options(&edge) });
    eventually("the directory was asked", || *edge.directory.asked.lock().unwrap() > 0).await;
    let (line, _) = connector.get("/ready").await;
    assert_eq!(line, "HTTP/1.1 503 Service Unavailable");
    assert!(edge.tunnels.connectors(TUNNEL).is_empty());
}

/// Whether the edge closes a connection on which `sent` was said.
async fn closes(edge: &Edge, sent: &[u8]) {
    let mut stream = TcpStream::connect(edge.address).await.unwrap();
    stream.write_all(sent).await.unwrap();
    let mut rest = Vec::new();
    // Closed in order or broken: both are fine, waiting for ever is not.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_and_checks_on_the_tcp_port_do_nothing() {
    let limits = EdgeLimits { registration_deadline: Duration::from_millis(300), ..EdgeLimits::default() };
    let edge = Edge::start_with(Directory::new(), limits).await;
    drop(TcpStream::connect(edge.address).await.unwrap());
    closes(&edge, b"").await;
    closes(&edge, b"GET / HTTP/1.1\r\n\r\n").await;
    closes(&edge, &[0x16; 600]).await;
    let _connector = edge.connect(options(&edge)).await;
    works(&edge).await;
}

/// Carries TCP to the edge from a port that has no UDP.
async fn tcp_only(edge: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut front, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut back = TcpStream::connect(edge).await.unwrap();
                let _ = copy_bidirectional(&mut front, &mut back).await;
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn where_udp_is_blocked_http2_is_used() {
    let edge = Edge::start().await;
    let edges = vec![tcp_only(edge.address).await.to_string()];
    let _connector = edge.connect(ConnectorOptions { edges, ..edge.connector_options() }).await;
    assert_eq!(edge.tunnels.connectors(TUNNEL)[0].connections[0].transport, TransportKind::Http2);
    works(&edge).await;
}
