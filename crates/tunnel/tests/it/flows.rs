//! TCP flows: success, each way to fail, ends and resets.

use crate::setup::{Edge, PATIENCE, TUNNEL, closed_port, echo, eventually, origin};
use socket2::{Domain, SockRef, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tunnel::connector::DestinationPolicy;
use tunnel::edge::{Flow, FlowError, OpenError};

async fn open(edge: &Edge, destination: SocketAddr) -> Result<Flow, OpenError> {
    edge.tunnels.open_tcp(TUNNEL, destination, PATIENCE).await.map_err(|failed| failed.error)
}

/// A listener that never accepts, its backlog full: further connections are not answered. Keep the sockets.
fn silent() -> (SocketAddr, Vec<Socket>) {
    let full = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    full.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    full.listen(0).unwrap();
    let address = full.local_addr().unwrap();
    let mut sockets = vec![full];
    for _ in 0..4 {
        let filler = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        filler.set_nonblocking(true).unwrap();
        // Under way is all that it gets to be.
        let _ = filler.connect(&address);
        sockets.push(filler);
    }
    (address.as_socket().unwrap(), sockets)
}

fn flow_error(error: &io::Error) -> FlowError {
    error.get_ref().and_then(|source| source.downcast_ref::<FlowError>()).unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_flow_both_ways() {
    let edge = Edge::start().await;
    let connector = edge.connect_one().await;
    let mut flow = open(&edge, echo().await).await.unwrap();
    assert_eq!(flow.connector(), connector.id);
    assert!(!flow.is_draining());
    flow.write_all(b"ping").await.unwrap();
    let mut answer = [0; 4];
    flow.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"ping");
    let status = edge.tunnels.connectors(TUNNEL);
    assert_eq!(
        (status[0].connections[0].flows, status[0].connections[0].bytes_sent, status[0].connections[0].bytes_received),
        (1, 4, 4)
    );
    drop(flow);
    assert_eq!(edge.tunnels.connectors(TUNNEL)[0].connections[0].flows, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn half_close_reaches_the_origin_and_everything_comes_back() {
    let edge = Edge::start().await;
    let _connector = edge.connect_one().await;
    let sent: Vec<u8> = (0..5 << 20).map(|index: u32| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let flow = open(&edge, echo().await).await.unwrap();
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
async fn many_flows_at_once() {
    let edge = Edge::start().await;
    let options = tunnel::connector::ConnectorOptions { connections: 4, ..edge.connector_options() };
    let _connector = edge.connect(options).await;
    let destination = echo().await;
    let mut flows = tokio::task::JoinSet::new();
    for number in 0..100_u32 {
        let tunnels = edge.tunnels.clone();
        flows.spawn(async move {
            let mut flow = tunnels.open_tcp(TUNNEL, destination, PATIENCE).await.unwrap();
            let sent = number.to_be_bytes().repeat(5000);
            flow.write_all(&sent).await.unwrap();
            flow.shutdown().await.unwrap();
            let mut received = Vec::new();
            flow.read_to_end(&mut received).await.unwrap();
            assert!(received == sent);
        });
    }
    timeout(PATIENCE, flows.join_all()).await.unwrap();
    let status = edge.tunnels.connectors(TUNNEL);
    let used = status[0].connections.iter().filter(|connection| connection.flows_total > 0).count();
    assert!(used > 1, "load is spread over the connections: {status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refused() {
    let edge = Edge::start().await;
    let _connector = edge.connect_one().await;
    let destination = closed_port().await;
    let error = open(&edge, destination).await.unwrap_err();
    let text = format!(
        "unable to dial tcp to origin {destination}: dial tcp {destination}: connect: connection refused (dial, errno 111)"
    );
    assert_eq!(error, OpenError::Refused { text });
}

#[tokio::test(flavor = "multi_thread")]
async fn timed_out_at_the_connector() {
    let edge = Edge::start().await;
    let _connector = edge.connect_one().await;
    let pushed = edge.tunnels.push_configuration(TUNNEL, 1, r#"{"warp-routing":{"connectTimeout":1}}"#).await;
    assert_eq!(pushed[0].result, Ok(1));
    let (destination, _listener) = silent();
    let error = open(&edge, destination).await.unwrap_err();
    assert!(
        matches!(error, OpenError::TimedOut { after } if after >= Duration::from_millis(900) && after < Duration::from_secs(4)),
        "{error:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn timed_out_at_the_edge() {
    let edge = Edge::start().await;
    let _connector = edge.connect_one().await;
    let (destination, _listener) = silent();
    let after = Duration::from_millis(300);
    assert_eq!(
        edge.tunnels.open_tcp(TUNNEL, destination, after).await.unwrap_err().error,
        OpenError::TimedOut { after }
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn unreachable() {
    let edge = Edge::start().await;
    let _connector = edge.connect_one().await;
    // The broadcast address of loopback: the system refuses at once with ENETUNREACH, whatever routes there are.
    let error = open(&edge, "255.255.255.255:9".parse().unwrap()).await.unwrap_err();
    assert!(
        matches!(&error, OpenError::Unreachable { text } if text.contains("connect: network is unreachable")),
        "{error:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn not_allowed() {
    let edge = Edge::start().await;
    let allow = DestinationPolicy::new(vec!["10.0.0.0/8:443".parse().unwrap()]);
    let _connector = edge.connect(tunnel::connector::ConnectorOptions { allow, ..edge.connector_options() }).await;
    let error = open(&edge, echo().await).await.unwrap_err();
    assert!(matches!(error, OpenError::NotAllowed { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_flows() {
    let edge = Edge::start().await;
    let _connector = edge.connect_one().await;
    let pushed = edge.tunnels.push_configuration(TUNNEL, 3, r#"{"warp-routing":{"maxActiveFlows":1}}"#).await;
    assert_eq!(pushed[0].result, Ok(3));
    let destination = echo().await;
    let first = open(&edge, destination).await.unwrap();
    let error = open(&edge, destination).await.unwrap_err();
    assert_eq!(
        error,
        OpenError::TooManyFlows {
            text: "failed to start tcp flow due to rate limiting: too many active flows".to_owned()
        }
    );
    drop(first);
    let deadline = std::time::Instant::now() + PATIENCE;
    while open(&edge, destination).await.is_err() {
        assert!(std::time::Instant::now() < deadline, "the place is never given back");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn origin_resets_in_mid_stream() {
    let edge = Edge::start().await;
    let _connector = edge.connect_one().await;
    let destination = origin(|mut stream| async move {
        stream.write_all(b"partial").await.unwrap();
        // Wait until the edge has read it, as a reset overtakes data.
        stream.read_u8().await.unwrap();
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    })
    .await;
    let mut flow = open(&edge, destination).await.unwrap();
    let mut partial = [0; 7];
    flow.read_exact(&mut partial).await.unwrap();
    flow.write_all(b"x").await.unwrap();
    let error = timeout(PATIENCE, flow.read_u8()).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(flow_error(&error), FlowError::Reset { code: 0 });
}

#[tokio::test(flavor = "multi_thread")]
async fn origin_closes_in_good_order() {
    let edge = Edge::start().await;
    let _connector = edge.connect_one().await;
    let destination = origin(|mut stream| async move { stream.write_all(b"all there is").await.unwrap() }).await;
    let mut flow = open(&edge, destination).await.unwrap();
    let mut received = String::new();
    timeout(PATIENCE, flow.read_to_string(&mut received)).await.unwrap().unwrap();
    assert_eq!(received, "all there is");
}

/// How the origin saw its connection end, after the edge did `end` with its flow.
async fn seen_by_origin(end: impl AsyncFnOnce(Flow)) -> io::Result<usize> {
    let edge = Edge::start().await;
    let _connector = edge.connect_one().await;
    let seen = Arc::new(Mutex::new(None));
    let note = Arc::clone(&seen);
    let destination = origin(move |mut stream| {
        let note = Arc::clone(&note);
        async move {
            let mut received = vec![0; 5];
            stream.read_exact(&mut received).await.unwrap();
            stream.write_all(b"y").await.unwrap();
            let result = stream.read_to_end(&mut received).await;
            *note.lock().unwrap() = Some(result);
        }
    })
    .await;
    let mut flow = open(&edge, destination).await.unwrap();
    flow.write_all(b"hello").await.unwrap();
    // A reset overtakes data, so the origin has to have it first.
    assert_eq!(flow.read_u8().await.unwrap(), b'y');
    end(flow).await;
    eventually("the origin sees the end", || seen.lock().unwrap().is_some()).await;
    seen.lock().unwrap().take().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_flow_is_closed_at_the_origin() {
    assert_eq!(seen_by_origin(async |flow| drop(flow)).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_flow_is_reset_at_the_origin() {
    let error = seen_by_origin(async |flow: Flow| flow.reset()).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_holds_the_origin_back() {
    let edge = Edge::start().await;
    let _connector = edge.connect_one().await;
    let written = Arc::new(Mutex::new(0_usize));
    let count = Arc::clone(&written);
    let destination = origin(move |mut stream| {
        let count = Arc::clone(&count);
        async move {
            let block = vec![0; 64 << 10];
            while stream.write_all(&block).await.is_ok() {
                *count.lock().unwrap() += block.len();
            }
        }
    })
    .await;
    let mut flow = open(&edge, destination).await.unwrap();
    // Nobody reads: what is under way settles at the windows, far below what an origin could send.
    let mut last = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let now = *written.lock().unwrap();
        if now == last {
            break;
        }
        last = now;
    }
    assert!(last < 40 << 20, "{last} bytes were taken from the origin without a reader");
    // Reading goes on where it stopped.
    let mut taken = vec![0; last + (1 << 20)];
    timeout(PATIENCE, flow.read_exact(&mut taken)).await.unwrap().unwrap();
}
