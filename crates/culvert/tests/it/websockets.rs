//! WebSockets from a visitor through the edge, a Worker and a tunnel to a private service.

use std::net::TcpStream;

use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Message, WebSocket, accept, client};

use crate::harness::{Edge, connect, private_service};

const WORKER: &str = r#"
export default { async fetch(request, env) {
  const { pathname } = new URL(request.url);
  if (pathname === "/relay") return env.PRIVATE_API.fetch("http://chat.internal/room", request);
  const upstream = pathname === "/bridge" ? (await env.PRIVATE_API.fetch("http://chat.internal/room", request)).webSocket : null;
  const { 0: client, 1: server } = new WebSocketPair();
  server.accept();
  if (upstream !== null) {
    upstream.accept();
    upstream.addEventListener("message", ({ data }) => server.send(`bridged ${data}`));
    server.addEventListener("close", ({ code, reason }) => { if (upstream.readyState === 1) upstream.close(code, reason); });
    upstream.addEventListener("close", ({ code, reason }) => { if (server.readyState === 1) server.close(code, reason); });
  }
  server.addEventListener("message", ({ data }) => upstream === null ? server.send(`echo ${data}`) : upstream.send(data));
  return new Response(null, { status: 101, webSocket: client });
} };
"#;

fn open(edge: &Edge, path: &str) -> WebSocket<TcpStream> {
    let request = format!("ws://chat.localhost{path}").into_client_request().unwrap();
    let (socket, response) = client(request, connect(edge.addresses.http)).unwrap();
    assert_eq!(response.status(), 101);
    assert!(response.headers().contains_key("cf-ray"));
    socket
}

/// Closes and gives the other side's answer.
fn close(mut socket: WebSocket<TcpStream>, code: u16, reason: &str) -> (u16, String) {
    socket.close(Some(CloseFrame { code: code.into(), reason: reason.to_owned().into() })).unwrap();
    closed(socket)
}

/// The code and the reason with which the other side closes.
fn closed(mut socket: WebSocket<TcpStream>) -> (u16, String) {
    loop {
        if let Message::Close(frame) = socket.read().unwrap() {
            return frame.map_or((1005, String::new()), |frame| (frame.code.into(), frame.reason.to_string()));
        }
    }
}

#[test]
fn a_websocket_goes_all_the_way_in_both_directions() {
    let edge = Edge::start();
    let tunnel = edge.tunnel(&[]);
    let port = private_service(|stream| {
        let Ok(mut socket) = accept(stream) else { return };
        while let Ok(message) = socket.read() {
            let answer = match message {
                Message::Text(text) if text == "leave" => {
                    let _ = socket.close(Some(CloseFrame { code: 4003.into(), reason: "gone home".into() }));
                    continue;
                }
                Message::Text(text) => Message::text(format!("private {text}")),
                Message::Binary(bytes) => Message::Binary(bytes),
                _ => continue,
            };
            if socket.send(answer).is_err() {
                return;
            }
        }
    });
    let service = edge.service(&tunnel.id, "http", port, &[]);
    let configuration = serde_json::json!({"main": "index.js", "compatibility_date": "2026-11-01",
        "vpc_services": [{"binding": "PRIVATE_API", "service_id": service}]});
    edge.deploy("chat", &[("index.js", WORKER)], &configuration.to_string(), &[]);

    for (path, expected) in [("/echo", "echo hello"), ("/relay", "private hello"), ("/bridge", "bridged private hello")]
    {
        let mut socket = open(&edge, path);
        socket.send(Message::text("hello")).unwrap();
        assert_eq!(socket.read().unwrap(), Message::text(expected), "{path}");
        // Larger than any buffer on the way.
        if path == "/relay" {
            let large = vec![7; 1024 * 1024];
            socket.send(Message::binary(large.clone())).unwrap();
            assert_eq!(socket.read().unwrap(), Message::binary(large));
        }
        assert_eq!(close(socket, 4002, "enough"), (4002, "enough".to_owned()), "{path}");
        let record = edge.fact("/workers/invocations?worker=chat", |record| {
            record["event"]["request"]["url"].as_str().is_some_and(|url| url.ends_with(path))
        });
        assert_eq!(record["outcome"], "ok", "{record}");
        assert_eq!(record["event"]["response"]["status"], 101);
    }
    for path in ["/relay", "/bridge"] {
        let mut socket = open(&edge, path);
        socket.send(Message::text("leave")).unwrap();
        assert_eq!(closed(socket), (4003, "gone home".to_owned()), "{path}");
    }
    let event = edge.fact("/connectivity/events", |event| event["status"] == 101);
    assert_eq!(event["worker"], "chat");

    // A visitor who asks for nothing of the kind gets a page.
    let answer = edge.get("chat", "/echo");
    assert_eq!(answer.status, 500);
    assert!(answer.text().contains("1101"), "{}", answer.text());
}
