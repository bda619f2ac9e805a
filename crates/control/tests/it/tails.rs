//! Tails: sessions over the API, events by WebSocket, as wrangler reads them.

use std::sync::Arc;
use std::time::Duration;

use control::TailEvent;
use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::Server;

const TAILS: &str = "/workers/scripts/w/tails";

/// A WebSocket client that does as wrangler does: frames without mask.
#[derive(Debug)]
struct Client {
    socket: TcpStream,
}

impl Client {
    async fn connect(server: &Server, url: &str) -> Result<Self, String> {
        let path = url.split_once(&server.address.to_string()).unwrap().1;
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: trace-v1\r\n\r\n",
            server.address
        );
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        if head.starts_with("http/1.1 101") {
            assert!(head.contains("sec-websocket-protocol: trace-v1"), "{head}");
            Ok(Client { socket })
        } else {
            Err(head)
        }
    }

    async fn send(&mut self, opcode: u8, payload: &[u8]) {
        let mut frame = vec![0x80 | opcode, u8::try_from(payload.len()).unwrap()];
        frame.extend_from_slice(payload);
        self.socket.write_all(&frame).await.unwrap();
    }

    async fn receive(&mut self) -> (u8, Vec<u8>) {
        let read = async {
            let opcode = self.socket.read_u8().await.unwrap() & 0x0f;
            let length = match self.socket.read_u8().await.unwrap() {
                126 => usize::from(self.socket.read_u16().await.unwrap()),
                length => usize::from(length),
            };
            let mut payload = vec![0; length];
            self.socket.read_exact(&mut payload).await.unwrap();
            (opcode, payload)
        };
        tokio::time::timeout(Duration::from_secs(10), read).await.expect("nothing came")
    }
}

fn shown(event: Value) -> Arc<TailEvent> {
    Arc::new(TailEvent { shown: event, headers: Vec::new() })
}

async fn open(server: &Server, filters: Value) -> Value {
    open_as(server, &server.token, filters).await
}

async fn open_as(server: &Server, token: &str, filters: Value) -> Value {
    let auth = format!("Bearer {token}");
    // wrangler sends this JSON as text/plain.
    let headers = [("authorization", auth.as_str()), ("content-type", "text/plain;charset=UTF-8")];
    let body = json!({ "filters": filters }).to_string();
    server.send(Method::POST, &format!("/accounts/local{TAILS}"), &headers, body).await.result()
}

#[tokio::test]
async fn events_that_fit_are_sent_one_by_one() {
    let server = Server::start().await;
    server.deploy("w", json!({})).await.result();
    let tail = open(&server, json!([{ "outcome": ["exception"] }])).await;
    assert!(tail["expires_at"].is_string());
    let url = tail["url"].as_str().unwrap();
    let mut client = Client::connect(&server, url).await.unwrap();
    client.send(1, br#"{"debug":false}"#).await;
    client.send(9, b"wrangler tail ping").await;
    assert_eq!(client.receive().await, (10, b"wrangler tail ping".to_vec()));

    let (worker, sender) = server.platform.tails.lock().unwrap().pop().unwrap();
    assert_eq!(worker, "w");
    let event = json!({ "outcome": "exception", "logs": [], "exceptions": [{ "name": "TypeError" }] });
    sender.send(shown(json!({ "outcome": "ok", "logs": [], "exceptions": [] }))).await.unwrap();
    sender.send(shown(event.clone())).await.unwrap();
    let (opcode, payload) = client.receive().await;
    assert_eq!(opcode, 1);
    assert_eq!(serde_json::from_slice::<Value>(&payload).unwrap(), event);

    // The address works once.
    assert!(Client::connect(&server, url).await.unwrap_err().starts_with("http/1.1 404"));
    let path = format!("{TAILS}/{}", tail["id"].as_str().unwrap());
    server.call(Method::DELETE, &path, Value::Null).await.result();
    let (opcode, payload) = client.receive().await;
    assert_eq!((opcode, &payload[..2]), (8, &1000_u16.to_be_bytes()[..]));
    server.call(Method::DELETE, &path, Value::Null).await.error(404, 20001);
}

#[tokio::test]
async fn filters_see_headers_that_nobody_is_shown() {
    let server = Server::start().await;
    server.deploy("w", json!({})).await.result();
    let wanted = json!([{ "header": { "key": "Authorization", "query": "Bearer abc" } }]);
    let tail = open(&server, wanted).await;
    let mut client = Client::connect(&server, tail["url"].as_str().unwrap()).await.unwrap();
    let (_, sender) = server.platform.tails.lock().unwrap().pop().unwrap();
    for (number, value) in ["Bearer other", "Bearer abcdef"].into_iter().enumerate() {
        let headers = vec![("authorization".to_owned(), value.to_owned())];
        let request = json!({ "headers": { "authorization": "REDACTED" } });
        let event = json!({ "outcome": "ok", "number": number, "event": { "request": request } });
        sender.send(Arc::new(TailEvent { shown: event, headers })).await.unwrap();
    }
    let (_, payload) = client.receive().await;
    assert_eq!(serde_json::from_slice::<Value>(&payload).unwrap()["number"], 1);
    assert!(!String::from_utf8_lossy(&payload).contains("abcdef"));
}

#[tokio::test]
async fn a_tail_ends_with_the_token_that_opened_it() {
    let server = Server::start().await;
    server.deploy("w", json!({})).await.result();
    let token = async |name: &str| {
        let body = json!({ "name": name, "permissions": ["workers-tail.read"] });
        server.call(Method::POST, "/tokens", body).await.result()
    };
    let revoke = async |token: &Value| {
        let path = format!("/tokens/{}", token["id"].as_str().unwrap());
        server.call(Method::DELETE, &path, Value::Null).await.result();
    };
    let roll = async |token: &Value| {
        let path = format!("/tokens/{}/value", token["id"].as_str().unwrap());
        server.call(Method::PUT, &path, Value::Null).await.result();
    };
    let (revoked, rolled, kept) = (token("revoked").await, token("rolled").await, token("kept").await);
    let mut clients = Vec::new();
    for token in [&revoked, &rolled, &kept] {
        let tail = open_as(&server, token["value"].as_str().unwrap(), json!([])).await;
        let client = Client::connect(&server, tail["url"].as_str().unwrap()).await.unwrap();
        let (_, sender) = server.platform.tails.lock().unwrap().pop().unwrap();
        clients.push((client, sender));
    }
    let late = open_as(&server, revoked["value"].as_str().unwrap(), json!([])).await;
    for (client, sender) in &mut clients {
        sender.send(shown(json!({ "outcome": "ok" }))).await.unwrap();
        assert_eq!(client.receive().await.0, 1);
    }
    revoke(&revoked).await;
    roll(&rolled).await;
    for (client, _) in &mut clients[..2] {
        let (opcode, payload) = client.receive().await;
        assert_eq!((opcode, &payload[..2]), (8, &1008_u16.to_be_bytes()[..]));
    }
    // Nor does an address that nobody came for yet lead anywhere.
    let mut client = Client::connect(&server, late["url"].as_str().unwrap()).await.unwrap();
    assert_eq!(client.receive().await.0, 8);
    let (client, sender) = &mut clients[2];
    sender.send(shown(json!({ "outcome": "canceled" }))).await.unwrap();
    assert_eq!(client.receive().await.0, 1);
}

#[tokio::test]
async fn a_tail_that_its_client_leaves_is_closed() {
    let server = Server::start().await;
    server.deploy("w", json!({})).await.result();
    let tail = open(&server, json!([])).await;
    let client = Client::connect(&server, tail["url"].as_str().unwrap()).await.unwrap();
    let (_, sender) = server.platform.tails.lock().unwrap().pop().unwrap();
    drop(client);
    tokio::time::timeout(Duration::from_secs(10), sender.closed()).await.unwrap();
}

#[tokio::test]
async fn tails_are_refused_with_reasons() {
    let server = Server::start().await;
    server.call(Method::POST, TAILS, json!({ "filters": [] })).await.error(404, 10007);
    server.deploy("w", json!({})).await.result();
    server.call(Method::POST, TAILS, json!({ "filters": [{ "x": 1 }] })).await.error(400, 20000);
    for _ in 0..10 {
        open(&server, json!([])).await;
    }
    server.call(Method::POST, TAILS, json!({ "filters": [] })).await.error(403, 20004);
    let plain = server.send(Method::GET, &format!("/tails/{}", uuid::Uuid::new_v4()), &[], "").await;
    plain.error(400, 20010);
    server.send(Method::GET, "/tails/x", &[], "").await.error(404, 7003);
    assert_eq!(server.get(TAILS).await.result(), json!([]));
}
