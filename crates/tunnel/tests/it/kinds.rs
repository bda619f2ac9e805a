//! The kinds of services that ingress rules name besides HTTP by TCP.

use crate::published::{no_body, serve_connection};
use crate::setup::{Edge, PATIENCE, TUNNEL, closed_port, echo};
use futures_util::{SinkExt, StreamExt};
use http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use std::net::SocketAddr;
use std::path::Path;
use tokio::net::UnixListener;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tunnel::connector::{ConnectorOptions, DestinationPolicy, Protocol};
use tunnel::edge::{Answer, Flow, OpenError};

const KEY: &str = "dGhlIHNhbXBsZQ==";

/// A service at a socket in `folder`.
fn at_socket(folder: &Path) -> String {
    let path = folder.join("service.sock");
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve_connection(stream));
        }
    });
    format!("unix:{}", path.display())
}

async fn configure(edge: &Edge, version: i32, rules: &[(&str, String)]) {
    let mut ingress: Vec<_> =
        rules.iter().map(|(name, service)| serde_json::json!({ "hostname": name, "service": service })).collect();
    ingress.push(serde_json::json!({ "service": "http_status:404" }));
    let configuration = serde_json::json!({ "ingress": ingress }).to_string();
    let pushed = edge.tunnels.push_configuration(TUNNEL, version, &configuration).await;
    assert!(!pushed.is_empty() && pushed.iter().all(|push| push.result == Ok(version)), "{pushed:?}");
}

async fn get(edge: &Edge, host: &str) -> Result<(Response<()>, String), OpenError> {
    let request = Request::get(format!("http://{host}/x")).body(no_body()).unwrap();
    match edge.tunnels.send_http(TUNNEL, request, false, PATIENCE).await.map_err(|failed| failed.error)? {
        Answer::Response(response) => {
            let (head, body) = response.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            Ok((Response::from_parts(head, ()), String::from_utf8(body.to_vec()).unwrap()))
        }
        Answer::Upgraded(..) => panic!("nobody asked for it"),
    }
}

/// As `cloudflared access` does it.
async fn access(edge: &Edge, host: &str, destination: Option<SocketAddr>) -> Result<WebSocketStream<Flow>, OpenError> {
    let mut request = Request::get(format!("http://{host}/")).header(header::SEC_WEBSOCKET_KEY, KEY);
    if let Some(destination) = destination {
        request = request.header("Cf-Access-Jump-Destination", format!("tcp://{destination}"));
    }
    match edge
        .tunnels
        .send_http(TUNNEL, request.body(no_body()).unwrap(), true, PATIENCE)
        .await
        .map_err(|failed| failed.error)?
    {
        Answer::Upgraded(head, flow) => {
            assert_eq!(head.status(), StatusCode::SWITCHING_PROTOCOLS);
            assert_eq!(head.headers()[header::SEC_WEBSOCKET_ACCEPT], derive_accept_key(KEY.as_bytes()));
            Ok(WebSocketStream::from_raw_socket(flow, Role::Client, None).await)
        }
        Answer::Response(response) => panic!("{response:?}"),
    }
}

/// What cloudflared takes of a message; it forgets the rest.
const MESSAGE: usize = 16 * 1024;

/// Sends and gets back, in however many messages.
async fn echoes(websocket: &mut WebSocketStream<Flow>, bytes: Vec<u8>) {
    for message in bytes.chunks(MESSAGE) {
        websocket.send(Message::Binary(message.to_vec().into())).await.unwrap();
    }
    let mut back = Vec::new();
    while back.len() < bytes.len() {
        match tokio::time::timeout(PATIENCE, websocket.next()).await.unwrap().unwrap().unwrap() {
            Message::Binary(more) => back.extend_from_slice(&more),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(back == bytes, "something else came back");
}

/// All that is asked of a connector that is registered.
pub async fn serves_every_kind(edge: &Edge, version: i32) {
    let folder = tempfile::tempdir().unwrap();
    let (behind, nobody) = (echo().await, closed_port().await);
    let rules = [
        ("socket.example", at_socket(folder.path())),
        ("tcp.example", format!("tcp://{behind}")),
        ("nobody.example", format!("tcp://{nobody}")),
        ("bastion.example", "bastion".to_owned()),
        ("hello.example", "hello_world".to_owned()),
        ("gone.example", "http_status:410".to_owned()),
    ];
    configure(edge, version, &rules).await;
    let (head, body) = get(edge, "socket.example").await.unwrap();
    assert_eq!(head.status(), StatusCode::OK);
    assert!(body.starts_with("GET /x host=socket.example"), "{body}");
    let (head, body) = get(edge, "hello.example").await.unwrap();
    assert_eq!(head.status(), StatusCode::OK);
    assert!(body.contains("<html"), "{body}");
    assert_eq!(get(edge, "gone.example").await.unwrap().0.status(), StatusCode::GONE);

    let mut websocket = access(edge, "tcp.example", None).await.unwrap();
    for length in [1, 100, 70_000] {
        echoes(&mut websocket, vec![7; length]).await;
    }
    websocket.close(None).await.unwrap();
    let mut websocket = access(edge, "bastion.example", Some(behind)).await.unwrap();
    echoes(&mut websocket, b"over there".to_vec()).await;
    drop(access(edge, "bastion.example", None).await.unwrap_err());
    drop(access(edge, "bastion.example", Some(nobody)).await.unwrap_err());
    drop(access(edge, "nobody.example", None).await.unwrap_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn by_quic() {
    let edge = Edge::start().await;
    let _connector = edge.connect_one().await;
    serves_every_kind(&edge, 1).await;
    let error = get(&edge, "tcp.example").await.unwrap_err();
    assert!(error.to_string().contains("cloudflared access"), "{error}");
    let error = access(&edge, "nobody.example", None).await.unwrap_err();
    assert!(matches!(error, OpenError::Refused { .. }), "{error:?}");
    let error = access(&edge, "bastion.example", None).await.unwrap_err();
    assert!(error.to_string().contains("--destination"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn by_http2() {
    let edge = Edge::start().await;
    let options = ConnectorOptions { protocol: Protocol::Http2, ..edge.connector_options() };
    let _connector = edge.connect(options).await;
    serves_every_kind(&edge, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_tcp_service_is_the_end_of_the_websocket() {
    let edge = Edge::start().await;
    let _connector = edge.connect_one().await;
    let says = crate::setup::origin(|mut stream| async move {
        let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"that is all").await;
    })
    .await;
    configure(&edge, 1, &[("tcp.example", format!("tcp://{says}"))]).await;
    let mut websocket = access(&edge, "tcp.example", None).await.unwrap();
    let mut heard = Vec::new();
    while let Some(Ok(message)) = tokio::time::timeout(PATIENCE, websocket.next()).await.unwrap() {
        match message {
            Message::Binary(bytes) => heard.extend_from_slice(&bytes),
            Message::Close(_) => break,
            _ => {}
        }
    }
    assert_eq!(heard, b"that is all");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_connector_does_not_allow_is_not_reached() {
    let edge = Edge::start().await;
    let allow = DestinationPolicy::new(vec!["10.0.0.0/8".parse().unwrap()]);
    let _connector = edge.connect(ConnectorOptions { allow, ..edge.connector_options() }).await;
    let folder = tempfile::tempdir().unwrap();
    let behind = echo().await;
    let rules = [
        ("socket.example", at_socket(folder.path())),
        ("tcp.example", format!("tcp://{behind}")),
        ("bastion.example", "bastion".to_owned()),
    ];
    configure(&edge, 1, &rules).await;
    for error in [
        get(&edge, "socket.example").await.unwrap_err(),
        access(&edge, "tcp.example", None).await.unwrap_err(),
        access(&edge, "bastion.example", Some(behind)).await.unwrap_err(),
    ] {
        assert!(matches!(error, OpenError::NotAllowed { .. }), "{error:?}");
    }
}
