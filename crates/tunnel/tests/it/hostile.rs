//! Peers that are no connectors, or bad ones.

use crate::setup::{Directory, Edge, PATIENCE, RunningConnector, TUNNEL, echo, eventually};
use http_body_util::{BodyExt, Empty};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ApplicationClose, Connection, ConnectionError, Endpoint, RecvStream, SendStream, VarInt};
use rustls::crypto::CryptoProvider;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UdpSocket;
use tokio::time::timeout;
use tunnel::Token;
use tunnel::connector::ConnectorOptions;
use tunnel::edge::{EdgeLimits, OpenError};
use tunnel_proto::connector::Features;
use tunnel_proto::rpc::{Call, ClientEvent, ClientInfo, ConnectionOptions, RegisterConnection, Reply, RpcClient};
use tunnel_proto::stream::{ConnectResponse, DATA_SIGNATURE, RPC_SIGNATURE};
use uuid::Uuid;

/// A QUIC client that trusts the edge and does what a test tells it.
async fn dial(edge: &Edge) -> Result<Connection, ConnectionError> {
    dial_with(edge, rustls::crypto::aws_lc_rs::default_provider()).await
}

async fn dial_with(edge: &Edge, provider: CryptoProvider) -> Result<Connection, ConnectionError> {
    dial_at(edge.address, &edge.connector_options().ca_pem.unwrap(), provider).await
}

/// The TLS settings of a client that trusts the edge of this authority.
pub fn trusting(pem: &str, provider: CryptoProvider) -> rustls::ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
    rustls::ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

pub async fn dial_at(address: SocketAddr, pem: &str, provider: CryptoProvider) -> Result<Connection, ConnectionError> {
    let mut tls = trusting(pem, provider);
    tls.alpn_protocols = vec![b"argotunnel".to_vec()];
    let config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    endpoint.connect_with(config, address, "quic.cftunnel.com").unwrap().await
}

pub fn registration(token: &Token, index: u8, version: &str) -> Call {
    Call::RegisterConnection(RegisterConnection {
        account: token.account.clone(),
        secret: token.secret.clone(),
        tunnel: token.tunnel,
        connection_index: index,
        options: ConnectionOptions {
            client: ClientInfo {
                id: Uuid::from_u128(7),
                features: Features::default(),
                version: version.to_owned(),
                platform: "x".to_owned(),
            },
            origin_local_ip: None,
            replace_existing: false,
            compression_quality: 0,
            previous_attempts: 0,
        },
    })
}

/// Registers by hand. What is returned must be kept: dropping a stream ends it.
async fn register(connection: &Connection, token: &Token) -> (Reply, (SendStream, RecvStream)) {
    call(connection, &registration(token, 0, "2025.6.0")).await
}

/// Says this first.
pub async fn call(connection: &Connection, call: &Call) -> (Reply, (SendStream, RecvStream)) {
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    let mut client = RpcClient::new();
    client.call(call);
    let mut buffer = vec![0; 4096];
    loop {
        while let Some(bytes) = client.poll_output() {
            send.write_all(&bytes).await.unwrap();
        }
        let length = receive.read(&mut buffer).await.unwrap().unwrap();
        client.handle_input(&buffer[..length]).unwrap();
        if let Some(ClientEvent::Returned { reply, .. }) = client.poll_event() {
            return (reply, (send, receive));
        }
    }
}

/// The code and reason with which the edge closes.
async fn closed(connection: &Connection) -> (u64, String) {
    match timeout(PATIENCE, connection.closed()).await.unwrap() {
        ConnectionError::ApplicationClosed(ApplicationClose { error_code, reason }) => {
            (error_code.into_inner(), String::from_utf8_lossy(&reason).into_owned())
        }
        other => panic!("{other:?}"),
    }
}

async fn works(edge: &Edge) {
    let _connector = edge.connect_one().await;
    let mut flow = edge.tunnels.open_tcp(TUNNEL, echo().await, PATIENCE).await.unwrap();
    flow.write_all(b"x").await.unwrap();
    assert_eq!(flow.read_u8().await.unwrap(), b'x');
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_datagrams_do_nothing() {
    let edge = Edge::start().await;
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
    works(&edge).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_before_connecting_is_tolerated() {
    let edge = Edge::start().await;
    let connection = dial(&edge).await.unwrap();
    connection.close(VarInt::from_u32(0), b"precheck complete");
    works(&edge).await;
    assert_eq!(*edge.directory.asked.lock().unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_register_is_thrown_out() {
    let limits = EdgeLimits { registration_deadline: Duration::from_millis(200), ..EdgeLimits::default() };
    let edge = Edge::start_with(Directory::new(), limits).await;
    let idle = dial(&edge).await.unwrap();
    let half = dial(&edge).await.unwrap();
    let (mut send, _receive) = half.open_bi().await.unwrap();
    send.write_all(&[0; 7]).await.unwrap();
    assert_eq!(closed(&idle).await, (3, "no registration in time".to_owned()));
    assert_eq!(closed(&half).await, (3, "no registration in time".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_on_the_control_stream_ends_the_connection() {
    let edge = Edge::start().await;
    let garbage = [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        vec![0xff; 64],
        vec![0, 0, 0, 0, 0, 0, 0, 0x10],
        [0_u8; 64].to_vec(),
    ];
    for bytes in garbage {
        let connection = dial(&edge).await.unwrap();
        let (mut send, _receive) = connection.open_bi().await.unwrap();
        send.write_all(&bytes).await.unwrap();
        assert_eq!(closed(&connection).await.0, 4, "{bytes:02x?}");
    }
    works(&edge).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_not_registered_may_send_little() {
    let edge = Edge::start().await;
    let connection = dial(&edge).await.unwrap();
    let (_control, _control_receive) = connection.open_bi().await.unwrap();
    let (mut send, _receive) = connection.open_bi().await.unwrap();
    let flood = vec![0; 4 << 20];
    assert!(
        timeout(Duration::from_millis(500), send.write_all(&flood)).await.is_err(),
        "4 MiB were taken from a stranger"
    );
    works(&edge).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_without_registration_are_counted() {
    let limits = EdgeLimits { unregistered_per_address: 3, ..EdgeLimits::default() };
    let edge = Edge::start_with(Directory::new(), limits).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let connection = dial(&edge).await.unwrap();
        assert!(timeout(Duration::from_millis(100), connection.closed()).await.is_err());
        held.push(connection);
    }
    assert_eq!(closed(&dial(&edge).await.unwrap()).await.0, 3);
    held.clear();
    let started = Instant::now();
    loop {
        let connection = dial(&edge).await.unwrap();
        let (mut send, _receive) = connection.open_bi().await.unwrap();
        send.write_all(&[0; 4]).await.unwrap();
        if timeout(Duration::from_millis(200), connection.closed()).await.is_err() {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "places are never given back");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_connector_hears_why_and_is_closed() {
    let edge = Edge::start().await;
    let connection = dial(&edge).await.unwrap();
    let (reply, _streams) = register(&connection, &Token { secret: Vec::new(), ..edge.token() }).await;
    let Reply::RegisterConnection(Err(refusal)) = reply else { panic!("{reply:?}") };
    assert!(refusal.cause.starts_with("Unauthorized"), "{refusal:?}");
    assert!(!refusal.should_retry);
    assert_eq!(closed(&connection).await.0, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_streams_is_held_back() {
    let edge = Edge::start().await;
    let connection = dial(&edge).await.unwrap();
    let (reply, _control) = register(&connection, &edge.token()).await;
    assert!(matches!(reply, Reply::RegisterConnection(Ok(_))), "{reply:?}");
    // The control stream is one of 64.
    let mut streams = Vec::new();
    while let Ok(stream) = timeout(Duration::from_millis(300), connection.open_bi()).await {
        let (mut send, receive) = stream.unwrap();
        send.write_all(&RPC_SIGNATURE[..3]).await.unwrap();
        streams.push((send, receive));
        assert!(streams.len() < 64, "streams without end");
    }
    assert_eq!(streams.len(), 63);
    assert_eq!(edge.tunnels.connectors(TUNNEL).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn registering_the_same_index_again_replaces_the_first() {
    let edge = Edge::start().await;
    let (first, second) = (dial(&edge).await.unwrap(), dial(&edge).await.unwrap());
    let _first_control = register(&first, &edge.token()).await;
    let _second_control = register(&second, &edge.token()).await;
    assert_eq!(closed(&first).await.0, 1);
    let status = edge.tunnels.connectors(TUNNEL);
    assert_eq!((status.len(), status[0].connections.len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_connector_is_told_apart() {
    use tunnel::edge::{DnsQueryError, DnsTransport, Resolver};
    let edge = Edge::start().await;
    let connection = dial(&edge).await.unwrap();
    let _control = register(&connection, &edge.token()).await;
    let error =
        edge.tunnels.query_dns(TUNNEL, Resolver::Virtual, DnsTransport::Udp, &[0; 17], PATIENCE).await.unwrap_err();
    assert_eq!(error, DnsQueryError::ConnectorTooOld { connector: Uuid::from_u128(7), version: "2025.6.0".to_owned() });
    assert!(error.to_string().contains("update cloudflared to 2025.7.0"));
    let warnings = &edge.tunnels.connectors(TUNNEL)[0].warnings;
    assert!(warnings.iter().any(|warning| warning.contains("2025.6.0")), "{warnings:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_that_answers_nonsense_costs_one_flow() {
    let edge = Edge::start().await;
    let connection = dial(&edge).await.unwrap();
    let _control = register(&connection, &edge.token()).await;
    let answering = tokio::spawn(async move {
        for answer in [
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            &[0x0a, 0x36, 0xcd, 0x12, 0xa1, 0x3e, b'0', b'1', 0, 0, 0, 0, 255, 255, 255, 255],
        ] {
            let (mut send, _receive) = connection.accept_bi().await.unwrap();
            send.write_all(answer).await.unwrap();
            send.finish().unwrap();
            let _ = send.stopped().await;
        }
        connection
    });
    for _ in 0..2 {
        let error = edge.tunnels.open_tcp(TUNNEL, echo().await, PATIENCE).await.unwrap_err().error;
        assert!(error.to_string().contains("its answer is malformed"), "{error:?}");
    }
    drop(answering.await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_registrations_are_rate_limited() {
    let limits = EdgeLimits { failed_registrations: 1, ..EdgeLimits::default() };
    let edge = Edge::start_with(Directory::new(), limits).await;
    let started = Instant::now();
    let wrong = Token { secret: vec![1; 32], ..edge.token() };
    let mut limited = 0;
    for _ in 0..10 {
        let connection = dial(&edge).await.unwrap();
        let (reply, _streams) = register(&connection, &wrong).await;
        let Reply::RegisterConnection(Err(refusal)) = reply else { panic!("{reply:?}") };
        limited += usize::from(refusal.should_retry);
    }
    let asked = *edge.directory.asked.lock().unwrap();
    assert!(asked <= 2 + started.elapsed().as_secs() as usize, "{asked} registrations were looked at");
    assert_eq!(limited, 10 - asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_has_a_limit_of_connections() {
    let limits = EdgeLimits { connections_per_tunnel: 2, ..EdgeLimits::default() };
    let edge = Edge::start_with(Directory::new(), limits).await;
    let _first = edge.connect(ConnectorOptions { connections: 2, ..edge.connector_options() }).await;
    let asked = *edge.directory.asked.lock().unwrap();
    let second = RunningConnector::start(edge.connector_options());
    eventually("it asked", || *edge.directory.asked.lock().unwrap() > asked).await;
    assert_eq!(edge.connections_of(second.id), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_key_exchanges_of_cloudflared_are_taken() {
    use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
    let edge = Edge::start().await;
    for group in [kx_group::X25519MLKEM768, kx_group::SECP256R1] {
        let provider = CryptoProvider { kx_groups: vec![group], ..default_provider() };
        dial_with(&edge, provider).await.unwrap();
    }
}

/// Registers a connector by hand, whose answer to every data stream is `answer`, and asks it for a published service.
async fn published_by(answer: Vec<u8>) -> OpenError {
    let edge = Edge::start().await;
    let connection = dial(&edge).await.unwrap();
    let (_, _control) = register(&connection, &edge.token()).await;
    let bad = connection.clone();
    tokio::spawn(async move {
        while let Ok((mut send, _receive)) = bad.accept_bi().await {
            let _ = send.write_all(&answer).await;
            let _ = send.finish();
            let _ = send.stopped().await;
        }
    });
    let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
    let request = http::Request::get("http://app.example/").body(body).unwrap();
    let answered = timeout(PATIENCE, edge.tunnels.send_http(TUNNEL, request, false, PATIENCE)).await.unwrap();
    let error = answered.map(|_| ()).unwrap_err().error;
    connection.close(VarInt::from_u32(0), b"");
    works(&edge).await;
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_in_place_of_a_response_costs_one_request() {
    let head = |metadata: &[(&str, String)]| {
        let metadata = metadata.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        ConnectResponse { error: String::new(), metadata }.encode().to_vec()
    };
    for (what, answer) in [
        ("no status", head(&[])),
        ("no number", head(&[("HttpStatus", "many".to_owned())])),
        ("an upgrade that nobody asked for", head(&[("HttpStatus", "101".to_owned())])),
        ("garbage", vec![0xff; 4096]),
        ("nothing", Vec::new()),
        // The announced message would be larger than any may be.
        ("too much", [&DATA_SIGNATURE[..], b"01", &[0, 0, 0, 0, 0, 0, 1, 0], &[0; 300 * 1024]].concat()),
    ] {
        let error = published_by(answer).await;
        assert!(matches!(error, OpenError::Other { .. } | OpenError::ConnectorLost { .. }), "{what}: {error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_that_reads_nothing_holds_the_sender_back() {
    let edge = Edge::start().await;
    let connection = dial(&edge).await.unwrap();
    let (_, _control) = register(&connection, &edge.token()).await;
    let reader = connection.clone();
    let (taken, mut streams) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut send, receive)) = reader.accept_bi().await {
            let _ = send.write_all(&ConnectResponse::default().encode()).await;
            let _ = taken.send((send, receive));
        }
    });
    let mut flow = edge.tunnels.open_tcp(TUNNEL, "10.0.0.1:80".parse().unwrap(), PATIENCE).await.unwrap();
    let _stream = streams.recv().await.unwrap();
    // Far more than any window: the flow takes what the peer has credit for, and then waits.
    let mut written = 0;
    let piece = vec![0; 1 << 20];
    while let Ok(result) = timeout(Duration::from_secs(1), flow.write_all(&piece)).await {
        result.unwrap();
        written += piece.len();
        assert!(written < 256 << 20, "nothing holds it back");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_opens_its_own_tunnel_and_no_other() {
    let other = Uuid::from_u128(2);
    let directory = Directory { other: Some((other, vec![5; 32])), ..Directory::new() };
    let edge = Edge::start_with(directory, EdgeLimits::default()).await;
    let own = Token { tunnel: other, secret: vec![5; 32], ..edge.token() };
    for (tunnel, secret) in [(TUNNEL, own.secret.clone()), (other, edge.token().secret), (TUNNEL, Vec::new())] {
        let connection = dial(&edge).await.unwrap();
        let (reply, _streams) = register(&connection, &Token { tunnel, secret, ..edge.token() }).await;
        assert!(matches!(reply, Reply::RegisterConnection(Err(_))), "{reply:?}");
    }
    let connection = dial(&edge).await.unwrap();
    let (reply, _control) = register(&connection, &own).await;
    assert!(matches!(reply, Reply::RegisterConnection(Ok(_))), "{reply:?}");
    // It is a connector of its own tunnel, and nothing of the other one comes to it.
    assert_eq!(edge.tunnels.connectors(other).len(), 1);
    let error = edge.tunnels.open_tcp(TUNNEL, echo().await, PATIENCE).await.unwrap_err().error;
    assert_eq!(error, OpenError::NoConnector);
    works(&edge).await;
    // Once registered, it cannot become another one.
    let (reply, _control) = call_again(&connection, &registration(&edge.token(), 0, "1")).await;
    assert!(reply.is_err(), "{reply:?}");
    assert_eq!(edge.tunnels.connectors(TUNNEL).iter().filter(|status| status.id == Uuid::from_u128(7)).count(), 0);
}

/// Asks on another stream of a connection that is registered.
async fn call_again(connection: &Connection, call: &Call) -> (Result<(), String>, SendStream) {
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    let mut client = RpcClient::new();
    client.call(call);
    send.write_all(&RPC_SIGNATURE).await.unwrap();
    while let Some(bytes) = client.poll_output() {
        send.write_all(&bytes).await.unwrap();
    }
    let mut buffer = vec![0; 4096];
    loop {
        let length = match timeout(PATIENCE, receive.read(&mut buffer)).await.unwrap() {
            Ok(Some(length)) => length,
            Ok(None) => return (Err("ended".to_owned()), send),
            Err(error) => return (Err(error.to_string()), send),
        };
        if client.handle_input(&buffer[..length]).is_err() {
            return (Err("nonsense".to_owned()), send);
        }
        match client.poll_event() {
            Some(ClientEvent::Returned { .. }) => return (Ok(()), send),
            Some(ClientEvent::Failed { exception, .. }) => return (Err(exception.to_string()), send),
            _ => {}
        }
    }
}
