//! Bad connectors on an HTTP/2 connection, on which the edge is the client.

use crate::hostile::{registration, trusting};
use crate::setup::{Edge, PATIENCE, TUNNEL};
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{Request, Response};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls_pki_types::ServerName;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tunnel::Token;
use tunnel::edge::OpenError;
use tunnel_proto::rpc::{ClientEvent, Reply, RpcClient};

/// A connector made by hand, whose control stream stands.
struct ByHand {
    reader: RecvStream,
    writer: SendStream<Bytes>,
    /// What the edge asks for besides.
    asked: mpsc::UnboundedReceiver<(Request<RecvStream>, SendResponse<Bytes>)>,
    /// Ends when the edge closes the connection.
    connection: JoinHandle<()>,
}

impl ByHand {
    async fn dial(edge: &Edge) -> Self {
        let tls = trusting(&edge.connector_options().ca_pem.unwrap(), default_provider());
        let stream = TcpStream::connect(edge.address).await.unwrap();
        let name = ServerName::try_from("h2.cftunnel.com").unwrap();
        let stream = TlsConnector::from(Arc::new(tls)).connect(name, stream).await.unwrap();
        let mut connection = h2::server::handshake(stream).await.unwrap();
        let (request, mut respond) = connection.accept().await.unwrap().unwrap();
        assert_eq!(request.headers()["cf-cloudflared-proxy-connection-upgrade"], "control-stream");
        let writer = respond.send_response(Response::new(()), false).unwrap();
        let (more, asked) = mpsc::unbounded_channel();
        let connection = tokio::spawn(async move {
            while let Some(Ok(request)) = connection.accept().await {
                let _ = more.send(request);
            }
        });
        Self { reader: request.into_body(), writer, asked, connection }
    }

    async fn register(&mut self, token: &Token) -> Reply {
        let mut client = RpcClient::new();
        client.call(&registration(token, 0, "2026.8.2"));
        loop {
            while let Some(bytes) = client.poll_output() {
                self.writer.send_data(bytes, false).unwrap();
            }
            let bytes = timeout(PATIENCE, self.reader.data()).await.unwrap().unwrap().unwrap();
            self.reader.flow_control().release_capacity(bytes.len()).unwrap();
            client.handle_input(&bytes).unwrap();
            if let Some(ClientEvent::Returned { reply, .. }) = client.poll_event() {
                return reply;
            }
        }
    }

    /// Waits until the edge has closed the connection.
    async fn closed(self) {
        timeout(PATIENCE, self.connection).await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_edge_closes_after_it_has_refused() {
    let edge = Edge::start().await;
    let mut connector = ByHand::dial(&edge).await;
    let reply = connector.register(&Token { secret: vec![9; 32], ..edge.token() }).await;
    let Reply::RegisterConnection(Err(refusal)) = reply else { panic!("{reply:?}") };
    // With this word in it, cloudflared tries again; any other reason ends it.
    assert!(refusal.cause.starts_with("Unauthorized"), "{refusal:?}");
    connector.closed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_on_the_control_stream_ends_the_connection() {
    let edge = Edge::start().await;
    for garbage in [vec![0xff; 64], b"GET / HTTP/1.1\r\n\r\n".to_vec(), vec![0; 64]] {
        let mut connector = ByHand::dial(&edge).await;
        connector.writer.send_data(garbage.into(), false).unwrap();
        connector.closed().await;
    }
    assert!(edge.tunnels.connectors(TUNNEL).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_and_long_heads_cost_one_flow() {
    let edge = Edge::start().await;
    let mut connector = ByHand::dial(&edge).await;
    let reply = connector.register(&edge.token()).await;
    assert!(matches!(reply, Reply::RegisterConnection(Ok(_))), "{reply:?}");
    let long = "x".repeat(70_000);
    for (status, field) in [(404, "x"), (500, "{}"), (502, ""), (200, long.as_str())] {
        let opening = edge.tunnels.open_tcp(TUNNEL, "10.0.0.1:80".parse().unwrap(), PATIENCE);
        let answering = async {
            loop {
                let (request, mut respond) = connector.asked.recv().await.unwrap();
                if request.headers().contains_key("cf-cloudflared-proxy-src") {
                    let response = Response::builder().status(status).header("culvert-error", field);
                    let _ = respond.send_response(response.body(()).unwrap(), false);
                    return respond;
                }
            }
        };
        let (opened, _respond) = tokio::join!(opening, answering);
        let error = opened.unwrap_err().error;
        assert!(matches!(error, OpenError::Other { .. } | OpenError::ConnectorLost { .. }), "{error:?}");
    }
    assert_eq!(edge.tunnels.connectors(TUNNEL).len(), 1, "the connection is still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_reads_nothing_holds_the_sender_back() {
    let edge = Edge::start().await;
    let mut connector = ByHand::dial(&edge).await;
    connector.register(&edge.token()).await;
    let opening = edge.tunnels.open_tcp(TUNNEL, "10.0.0.1:80".parse().unwrap(), PATIENCE);
    let answering = async {
        loop {
            let (request, mut respond) = connector.asked.recv().await.unwrap();
            if request.headers().contains_key("cf-cloudflared-proxy-src") {
                let writer = respond.send_response(Response::new(()), false).unwrap();
                return (request, writer);
            }
        }
    };
    let (flow, (_unread, mut writer)) = tokio::join!(opening, answering);
    let mut flow = flow.unwrap();
    let piece = vec![0; 1 << 16];
    let mut written = 0;
    while let Ok(result) = timeout(Duration::from_secs(1), flow.write_all(&piece)).await {
        result.unwrap();
        written += piece.len();
        assert!(written < 64 << 20, "nothing holds it back");
    }
    // The other direction is not held back by that.
    writer.send_data(Bytes::from_static(b"x"), false).unwrap();
    assert_eq!(timeout(PATIENCE, flow.read_u8()).await.unwrap().unwrap(), b'x');
}
